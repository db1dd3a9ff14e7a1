"""What a person gets wrong ends in one line that says what to do, and leaves nothing half done."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from dagster_project.cli import _require_writable
from tests.e2e.house import House


def _refused(house: House, *arguments: str, **variables: str) -> str:
    done = house.run(*arguments, **variables)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stdout == ""
    return done.stderr


def test_a_missing_landing_directory_is_named(tmp_path: Path) -> None:
    mistyped = tmp_path / "data"
    said = _refused(House(mistyped), "run")
    assert "no landing folder" in said
    assert len(said.splitlines()) == 1
    assert not mistyped.exists()


def test_an_empty_setting_is_one_that_is_not_set(tmp_path: Path) -> None:
    said = _refused(House(tmp_path / "unused"), "run", PERENNIAL_DATA="", PERENNIAL_AS_OF="")
    assert str(tmp_path / "data" / "landing") in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_data_directory_without_write_permission_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o500)
    assert "can't be written" in _refused(House(folder), "run")


def test_a_data_directory_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    assert "can't be written" in _refused(House(tmp_path / "data"), "run")


def test_a_folder_that_many_commands_look_at_at_once_is_writable_to_each(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as commands:
        for _ in commands.map(lambda _: _require_writable(tmp_path), range(2000)):
            pass
    assert not list(tmp_path.iterdir())


def test_a_warehouse_that_somebody_else_holds_is_named(house: House) -> None:
    before = house.published_bytes()
    with duckdb.connect(str(house.data / "warehouse.duckdb")):
        assert "held by another process" in _refused(house, "run")
    assert house.published_bytes() == before


def test_two_runs_at_once_end_with_one_whole_build(house: House) -> None:
    before = house.content()
    first, second = house.start("run"), house.start("run")
    codes = sorted([first.wait(280), second.wait(280)])
    assert codes[0] == 0
    said = first.stderr.read() + second.stderr.read()  # type: ignore[union-attr]
    assert codes == [0, 0] or "A build is under way" in said
    assert house.content() == before


_FIRST_STARTS = """
import multiprocessing, sys
from dagster_project.defs.runs import prepare_instance
from dagster_project.settings import load

def start(barrier):
    barrier.wait()
    prepare_instance(load())

processes = multiprocessing.get_context("fork")
barrier = processes.Barrier(6)
started = [processes.Process(target=start, args=(barrier,)) for _ in range(6)]
for process in started: process.start()
for process in started: process.join()
sys.exit(max(process.exitcode for process in started))
"""


def test_commands_that_start_at_once_in_a_new_house_share_its_history(tmp_path: Path) -> None:
    done = House(tmp_path / "data").python(_FIRST_STARTS)
    assert done.returncode == 0, done.stderr


def test_an_unknown_audience_is_answered_with_those_there_are(built: House) -> None:
    assert "first_purchase" in _refused(built, "publish", "--audience", "nobody")


def test_an_unknown_table_is_answered_with_those_there_are(built: House) -> None:
    assert "pos.receipt_lines" in _refused(built, "run", "--reprocess", "pos.receipts")


def test_an_unknown_channel_is_answered_with_those_there_are(built: House) -> None:
    assert "webhook" in _refused(built, "publish", "--channel", "pigeon")


def test_a_channel_that_is_not_set_up_says_which_settings_it_needs(built: House) -> None:
    assert "PERENNIAL_WEBHOOK_URL" in _refused(built, "publish", "--channel", "webhook")


def test_an_unknown_person_is_named_without_a_traceback(built: House) -> None:
    assert "nobody" in _refused(built, "profile", "show", "nobody@nowhere.example").lower()


def test_publishing_before_a_run_says_to_run(tmp_path: Path) -> None:
    assert "perennial run" in _refused(House(tmp_path / "data"), "publish")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PERENNIAL_TIMEZONE", "Mars/Olympus"),
        ("PERENNIAL_AS_OF", "yesterday"),
        ("PERENNIAL_MAXIMUM_REMOVAL_SHARE", "1.5"),
        ("PERENNIAL_REPORTING_CURRENCY", "euro"),
        ("PERENNIAL_BUILD_SCHEDULE", "every day"),
    ],
)
def test_a_bad_setting_is_named(built: House, name: str, value: str) -> None:
    said = _refused(built, "run", **{name: value})
    assert name in said


def test_a_misspelt_setting_is_pointed_out(built: House) -> None:
    done = built.run("status", PERENNIAL_TIMEZON="Europe/Lisbon")
    assert "PERENNIAL_TIMEZON" in done.stderr


def test_a_demo_never_writes_into_a_directory_that_holds_something(built: House) -> None:
    assert "isn't empty" in _refused(built, "demo")
