"""Raw as it was known at a moment, whatever was loaded, compacted or made anew since."""

import shutil
from datetime import datetime, timedelta

import pytest
from landed import EVENTS, LOADED_AT, RECEIPTS, World, csv_text, event

from sources.contract import Table
from sources.loader.load import load_table
from sources.loader.past import copy_known_at
from sources.loader.store import Store

DAY = timedelta(days=1)


def load(world: World, table: Table, at: datetime, *, anew: bool = False) -> None:
    load_table(table, world.data, loaded_at=at, anew=anew)


def land_a_day(world: World, day: int, files: int) -> None:
    """Files of events, each with a row that is refused; and one that is refused whole."""
    for number in range(files):
        rows = [event(messageId=f'"{day}-{number}-{row}"') for row in range(3)]
        world.land(EVENTS, f"{day}/{number:03}.ndjson", "\n".join([*rows, "{"]) + "\n")
    world.land(EVENTS, f"{day}/picture.ndjson", b"\x89PNG" + bytes(100 + day))


def look(world: World, at: datetime) -> World:
    past = World(world.data / "past")
    shutil.rmtree(past.data, ignore_errors=True)
    copy_known_at(Store(world.data), Store(past.data), at)
    return past


# Few files each have their own in raw; many are loaded together, and compacted in the end.
@pytest.mark.parametrize("files", [3, 20, 40])
def test_what_came_later_is_not_known_yet(world: World, files: int) -> None:
    shown = []
    for day in range(3):
        land_a_day(world, day, files)
        load(world, EVENTS, LOADED_AT + day * DAY)
        shown.append((world.raw(EVENTS), world.quarantine(EVENTS, "*")))
    for day, (rows, refused) in enumerate(shown):
        for at in (LOADED_AT + day * DAY, LOADED_AT + (day + 1) * DAY - timedelta(microseconds=1)):
            past = look(world, at)
            assert past.raw(EVENTS) == rows
            assert past.quarantine(EVENTS, "*") == refused
    assert look(world, LOADED_AT - timedelta(microseconds=1)).raw(EVENTS) == []


def test_small_files_compacted_since_are_told_apart(world: World) -> None:
    for day in range(40):
        world.land(EVENTS, f"{day}.ndjson", event(messageId=f'"{day}"') + "\n")
        load(world, EVENTS, LOADED_AT + day * DAY)
    assert len([name for name in world.files() if name.startswith("raw/")]) < 40
    for day in (0, 20, 39):
        past = look(world, LOADED_AT + day * DAY)
        assert {name for (name,) in past.raw(EVENTS, '"messageId"')} == {
            str(number) for number in range(day + 1)
        }


@pytest.mark.parametrize("files", [3, 20])
def test_making_a_table_anew_changes_no_moment(world: World, files: int) -> None:
    for day in range(2):
        rows = [{"receipt_id": f"{day}-{n}"} for n in range(3)]
        for number in range(files):
            world.land(RECEIPTS, f"{day}-{number}.csv", csv_text(*rows, {"line_no": f"{number}"}))
        load(world, RECEIPTS, LOADED_AT + day * DAY)
    whole, early = world.raw(RECEIPTS), look(world, LOADED_AT).raw(RECEIPTS)
    load(world, RECEIPTS, LOADED_AT + 9 * DAY, anew=True)
    assert world.raw(RECEIPTS) == whole
    assert look(world, LOADED_AT).raw(RECEIPTS) == early
    assert 0 < len(early) < len(whole)


def test_a_look_leaves_raw_as_it_is_and_loads_nothing(world: World) -> None:
    land_a_day(world, 0, 3)
    load(world, EVENTS, LOADED_AT)
    rows, files = world.raw(EVENTS), world.files()
    past = look(world, LOADED_AT)
    load(past, EVENTS, LOADED_AT + DAY)
    assert past.raw(EVENTS) == rows
    shutil.rmtree(past.data)
    assert (world.raw(EVENTS), world.files()) == (rows, files)
