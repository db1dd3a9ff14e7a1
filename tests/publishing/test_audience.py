"""What an audience declares is checked before anything is built on it."""

from typing import Any

import duckdb
import pytest

from dagster_project.publishing.audience import (
    AudienceError,
    AudienceSpec,
    read_audiences,
    write_audiences,
)

META: dict[str, Any] = {
    "channels": ["file", "webhook"],
    "consent": {"channel": "email", "purpose": "marketing"},
    "holdout": 0.05,
    "schedule": "on_each_build",
    "owner": "crm",
}


def test_a_declaration_is_read_and_published_and_read_again() -> None:
    spec = AudienceSpec.from_meta("churned", "Who left; one row a person", META)
    assert spec.channels == ("file", "webhook")
    assert (spec.consent_channel, spec.consent_purpose) == ("email", "marketing")
    minimal = AudienceSpec.from_meta(
        "minimal", "", {"channels": ["file"], "consent": META["consent"]}
    )
    assert (minimal.holdout, minimal.schedule) == (0.0, "on_each_build")

    connection = duckdb.connect()
    connection.execute("attach ':memory:' as published; use published; create schema meta")
    write_audiences(connection, [spec, minimal])
    assert read_audiences(connection) == {"churned": spec, "minimal": minimal}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"channels": ["fiel"]}, "there is no channel fiel; there are file, webhook"),
        ({"channels": []}, "channels: Tuple should have at least 1 item"),
        ({"channels": ["file", "file"]}, "a channel is named twice"),
        ({"channels": None}, "channels"),
        ({"holdout": 1.0}, "holdout: Input should be less than 1"),
        ({"holdout": -0.1}, "holdout: Input should be greater than or equal to 0"),
        ({"holdout": "a lot"}, "holdout: Input should be a valid number"),
        ({"consent": None}, "consent is missing"),
        ({"consent": {"channel": "email"}}, "consent is missing"),
        ({"consent": {"channel": "fax", "purpose": "marketing"}}, "'fax' is none of email, sms"),
        ({"consent": {"channel": "email", "purpose": "' or 1=1"}}, "consent_purpose"),
        ({"schedule": "sometimes"}, "'sometimes' is none of on_each_build, by_hand or a cron"),
        ({"schedul": "on_each_build"}, "schedul: Extra inputs are not permitted"),
    ],
)
def test_a_mistake_in_a_declaration_is_one_clear_line(change: dict[str, Any], words: str) -> None:
    with pytest.raises(AudienceError, match=r"^Audience churned: [^\n]*$") as caught:
        AudienceSpec.from_meta("churned", "", META | change)
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["", "Churned", "a b", 'x"; drop table', "../x", "a" * 64])
def test_a_name_that_is_no_plain_word_is_refused(name: str) -> None:
    with pytest.raises(AudienceError, match="name: String should match pattern"):
        AudienceSpec.from_meta(name, "", META)


def test_a_cron_schedule_is_taken() -> None:
    assert AudienceSpec.from_meta("a", "", META | {"schedule": "0 6 * * MON-FRI"})
