"""A large NDJSON file is parsed once, by keys that its first lines were asked for."""

import json
from pathlib import Path

import duckdb
import pytest

from sources import tables
from tests.sources.landed import EVENT, World, event

(EVENTS,) = (table for table in tables() if table.full_name == "web_events")

# What the last line of a file may be that begins well.
LATE = {
    "plain": EVENT,
    "a new key": event(colour='"red"'),
    "a new key of an object": event(colour='{"red":1}'),
    "a new key without a value": event(colour="null"),
    "many new keys": event(**{f"k{number}": str(number) for number in range(70)}),
    "a strange key": event(**{"a b": "1"}),
    "a key in another case": event(Type='"page"'),
    "a key twice": EVENT.replace("{", '{"type":"page",', 1),
    "a new key twice": EVENT.replace("{", '{"colour":1,"colour":2,', 1),
    "a deeper key twice": event(properties='{"a":1,"a":2}'),
    "broken": EVENT[:-1],
    "words after it": EVENT + " x",
    "two in one": EVENT + EVENT,
    "no object": "5",
    "null": "null",
    "a list": "[]",
    "nothing": "",
    "spaces": "  ",
    "a comma too many": EVENT[:-1] + ",}",
    "an escaped NUL": event(event='"a\\u0000b"'),
    "a NUL": event(event='"a\0b"'),
    "no text": event(anonymousId="{}"),
    "a number for a text": event(anonymousId="12.50"),
    "a text for an object": event(properties='"x"'),
    "NaN": event(properties='{"price":NaN}'),
    "a type of its own": event(type='"buy"'),
}


def test_every_way_through_a_file_of_json_leads_to_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sources.loader.load.FEWEST", 1_000)
    found, in_one = [], []
    for way in ("large", "whole", "by line"):
        world = World(tmp_path / way)
        for name, late in LATE.items():
            world.land(EVENTS, f"{name}.ndjson", "\n".join([EVENT] * 8 + [late, ""]))
        with monkeypatch.context() as patched:
            if way == "large":
                patched.setattr("sources.loader.files._LARGE_BYTES", 0)
                patched.setattr("sources.loader.json_rows.BLOCK_BYTES", 3 * len(EVENT))
            if way == "by line":
                patched.setattr("sources.loader.copying.Copying._in_one", lambda *_: False)
            report = world.load(EVENTS)
        found.append((report, world.raw(EVENTS), world.quarantine(EVENTS), world.files()))
        files = world.data / "raw" / "web" / "events" / "*.parquet"
        told = duckdb.sql(
            f"select count(distinct _landed_file) from '{files}' where _first_line = 1"
        )
        in_one += told.fetchall()
    assert found[0] == found[1] == found[2]
    assert in_one == [(7,), (7,), (0,)]


def test_the_lines_of_a_large_file_keep_their_numbers(world: World) -> None:
    """It is more than one buffer of DuckDB's reader, which several threads then share."""
    filler = json.dumps({"text": "x" * 2_000})
    count = 50_000
    path = world.land(EVENTS, "a.ndjson", "")
    with path.open("w") as lines:
        for line in range(1, count + 1):
            lines.write(event(messageId=f'"{line}"', properties=filler) + "\n")
    assert world.load(EVENTS).rows == count
    (raw,) = world.files()
    told = duckdb.sql(
        f"""select count(*), bool_and(cast("messageId" as int) = _first_line + file_row_number)
        from read_parquet('{world.data / raw}', file_row_number = true)"""
    )
    assert told.fetchall() == [(count, True)]


def test_a_key_that_comes_late_in_a_large_file_is_kept_and_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sources.loader.files._LARGE_BYTES", 0)
    monkeypatch.setattr("sources.loader.json_rows.BLOCK_BYTES", 3 * len(EVENT))
    world.land(EVENTS, "a.ndjson", f"{EVENT}\n" * 9 + event(colour='"red"') + "\n")
    report = world.load(EVENTS)
    assert report.history.held[-1].unknown_columns == ("colour",)
    assert world.raw(EVENTS, "_extra") == [(None,)] * 9 + [('{"colour":"red"}',)]
