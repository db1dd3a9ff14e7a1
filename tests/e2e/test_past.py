"""A look at the past: what a run answered once, it answers for ever."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from sources.sample import write_world
from tests.e2e.house import AS_OF, House

THEN = AS_OF - timedelta(days=90)
# Ninety days at once are no ordinary day: not what this is about.
CALM = {"PERENNIAL_VOLUME_CRITICAL_FACTOR": "1e9", "PERENNIAL_AS_OF": THEN.isoformat()}


@pytest.fixture(scope="module")
def since(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, House, datetime]]:
    """A house of 90 days ago, the same one after 90 days of late data, and when the first was."""
    house = House(tmp_path_factory.mktemp("since") / "data")
    write_world(house.data, customers=100, seed=5, as_of=THEN, lines_per_receipt=2)
    house.succeed("run", **CALM)
    then, known_at = House(house.data.parent / "then"), datetime.now(UTC)
    then.data.mkdir()
    shutil.copy2(house.published, then.published)
    later = house.data.parent / "later"
    write_world(later, customers=110, seed=5, as_of=AS_OF, lines_per_receipt=2)
    for path in (later / "landing").rglob("*.*"):
        place = house.data / path.relative_to(later)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place.with_name(f"late-{place.name}"))
    _decide(house)
    house.succeed("run", "--accept-identity", **CALM)
    yield house, then, known_at
    shutil.rmtree(house.data.parent)


def _decide(house: House) -> None:
    """Have a steward join two persons."""
    cards = house.query(
        "select identifier_value from marts.customer_identifiers "
        "where identifier_type = 'loyalty_id' group by all having count(distinct profile_id) = 1 "
        "order by all limit 2"
    )
    house.succeed("identity", "join", *(f"loyalty_id:{value}" for (value,) in cards))


def look(house: House, known_at: datetime) -> House:
    """The house of a look at the past."""
    told = house.succeed(
        "run", "--known-at", known_at.strftime("%Y-%m-%dT%H:%M:%S%z"), "--json", **CALM
    )
    return House(Path(json.loads(told)["published"]).parent)


def test_late_orders_returns_and_merges_rewrite_no_answer(
    since: tuple[House, House, datetime],
) -> None:
    house, then, known_at = since
    now = house.content()
    changed = [table for table, content in then.content().items() if now[table] != content]
    for table in ("customer_orders", "customer_lifecycle", "identity_history", "retention_kpis"):
        assert f"marts.{table}" in changed
    past = look(house, known_at + timedelta(seconds=1))
    assert past.content() == then.content()
    assert house.content() == now
    assert look(house, known_at + timedelta(seconds=1)).content() == then.content()


def test_nothing_leaves_a_look_at_the_past(since: tuple[House, House, datetime]) -> None:
    house, _, known_at = since
    past = look(house, known_at + timedelta(seconds=1))
    for command in (
        ["publish", "--channel", "file"],
        ["publish", "--channel", "file", "--dry-run"],
        ["profile", "forget", "nobody@nowhere.example", "--yes"],
        ["run", "--known-at", "2026-01-01"],
    ):
        done = past.run(*command)
        assert done.returncode == 1
        assert "look at the past" in done.stderr
        assert "Traceback" not in done.stderr
    assert "<svg" in (past.data / "report.html").read_text(encoding="utf-8")


def test_who_is_forgotten_is_in_no_look_and_the_others_stay(
    since: tuple[House, House, datetime],
) -> None:
    house, then, known_at = since
    past = look(house, known_at + timedelta(seconds=1))
    held = "select identifier_type, identifier_value, profile_id from marts.customer_identifiers"
    ((person, email),) = then.query(
        """
        select profile_id, min(identifier_value)
        from marts.customer_identifiers join marts.customer_orders using (profile_id)
        where identifier_type = 'email' and identifier_value in (
            select identifier_value from marts.customer_identifiers
            group by all having count(distinct profile_id) = 1
        )
        group by profile_id order by count(*) desc, profile_id limit 1
        """
    )
    now = {row[:2] for row in house.query(held) if row[2] == person}
    gone = {row[2] for row in then.query(held) if row[:2] in now}
    house.succeed("profile", "forget", email, "--yes", **CALM)
    assert not past.data.exists()
    again = look(house, known_at + timedelta(seconds=1))
    assert email not in str(again.query(held))
    orders = "select * from marts.customer_orders where profile_id is not null order by all"
    before, after = then.query(orders), again.query(orders)
    assert [row for row in after if row[1] not in gone] == [
        row for row in before if row[1] not in gone
    ]
    assert len(after) < len(before)


def test_moments_that_make_no_sense_are_refused(since: tuple[House, House, datetime]) -> None:
    house, _, _ = since
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%d")
    for arguments, said in (
        (["--known-at", "2001-01-01"], "Nothing had been loaded by 2001-01-01"),
        (["--known-at", tomorrow], "still to come"),
        (["--known-at", "2026-01-01", "--full-refresh"], "can't be combined"),
    ):
        before = sorted(house.data.iterdir())
        done = house.run("run", *arguments)
        assert done.returncode == 1
        assert said in done.stderr
        assert "Traceback" not in done.stderr
        assert [path for path in house.data.iterdir() if path not in before] in ([], ["past"])


def test_a_look_that_was_killed_is_made_anew(
    since: tuple[House, House, datetime],
) -> None:
    house, then, known_at = since
    past = look(house, known_at + timedelta(seconds=1))
    half = past.data.with_name(f".{past.data.name}.tmp")
    past.data.rename(half)
    (half / "raw" / "half").mkdir()
    with duckdb.connect(str(half / "published.duckdb")) as connection:
        connection.execute("drop schema marts cascade")
    assert set(look(house, known_at + timedelta(seconds=1)).content()) == set(then.content())
    assert not half.exists()
