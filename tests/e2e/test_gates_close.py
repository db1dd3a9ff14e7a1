"""A bad build is neither published nor sent, whichever way somebody tries."""

import shutil
from pathlib import Path

import pytest

from tests.e2e.house import WRONG_CLOCK, House, land_a_wrong_clock


@pytest.fixture(scope="module")
def closed(built: House, tmp_path_factory: pytest.TempPathFactory) -> tuple[House, str]:
    """A house whose newest build closed a gate; and what was published before."""
    house = House(tmp_path_factory.mktemp("closed") / "data")
    shutil.copytree(built.data, house.data)
    before = house.published_bytes()
    land_a_wrong_clock(house)
    done = house.run("run")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return house, before


def test_a_closed_gate_leaves_the_published_file_byte_for_byte(closed: tuple[House, str]) -> None:
    house, before = closed
    assert house.published_bytes() == before


def test_status_names_the_gate_that_closed(closed: tuple[House, str]) -> None:
    house, _ = closed
    newest = house.document("status")["attempts"][0]
    assert newest["outcome"] == "closed"
    assert any("raw/pos_receipt_lines" in gate for gate in newest["closed_gates"])


def test_publish_refuses_after_a_closed_gate(closed: tuple[House, str]) -> None:
    house, _ = closed
    done = house.run("publish", "--channel", "file")
    assert done.returncode != 0
    assert done.stderr.count("closed") == 1  # the reason is said once, not for each audience
    assert not list((house.data / "channels").rglob("*.csv"))


def test_a_manual_materialisation_after_a_closed_gate_sends_nothing(
    closed: tuple[House, str],
) -> None:
    """Pressing Materialize on a channel asset in the UI is this run."""
    house, _ = closed
    script = (
        "from dagster_project.settings import load\n"
        "from dagster_project.defs.runs import execute\n"
        "result = execute('deliver', load(), select=[['channels', 'file', 'first_purchase']])\n"
        "assert not result.success\n"
        "print(list(result.failures.values())[0])\n"
    )
    done = house.python(script)
    assert done.returncode == 0, done.stderr
    assert "closed" in done.stdout
    assert not list((house.data / "channels").rglob("*.csv"))
    assert house.document("status")["syncs"] == []


def test_the_next_good_build_opens_the_way_again(closed: tuple[House, str]) -> None:
    house, _ = closed
    (house.data / WRONG_CLOCK).unlink()
    for parquet in (house.data / "raw/pos/receipt_lines").glob("*.parquet"):
        if parquet.stat().st_mtime > house.published.stat().st_mtime:
            parquet.unlink()
    house.succeed("run")
    house.succeed("publish", "--channel", "file")
    assert list((house.data / "channels").rglob("*.csv"))


def test_a_lost_salt_publishes_no_new_ids_unless_somebody_accepts_them(
    built: House, tmp_path: Path
) -> None:
    """With another salt everybody goes by another id."""
    house = House(tmp_path / "data")
    shutil.copytree(built.data, house.data)
    before = house.published_bytes()
    done = house.run("run", PERENNIAL_IDENTITY_SALT="another")
    assert done.returncode != 0
    assert "changed is 1 (" in done.stderr
    assert house.document("status")["attempts"][0]["closed_gates"] == [
        "identity/measures · few_people_were_merged_or_split"
    ]
    assert house.published_bytes() == before
    house.succeed("run", "--accept-identity", PERENNIAL_IDENTITY_SALT="another")
    assert house.published_bytes() != before
