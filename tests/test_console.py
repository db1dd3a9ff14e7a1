"""What a person sees in the terminal."""

import pytest

from dagster_project import console


def test_brackets_in_a_value_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    console.table("People", ["given_name"], [["[/red]x"]])
    assert "[/red]x" in capsys.readouterr().out
