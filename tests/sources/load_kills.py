"""A load of many events killed at random moments, time and again: nothing lost, nothing doubled.

python -m tests.sources.load_kills --kills 200 --events 1000000

Every other kill comes as soon as a file has been put in place, give or take milliseconds: between
quarantine and raw, before the folder is synced, before the next file. A load that got through is
compared with the truth and begun again from nothing, until the kills are done.
"""

import argparse
import os
import random
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from sources.loader.load import create_views, load_table
from sources.loader.quarantine import stock
from sources.loader.sql import literal
from sources.loader.store import Store
from tests.benchmarks.ndjson_ingest import EVENTS_SQL
from tests.sources.figures import begin, unreadable, waiting_loader
from tests.sources.landed import EVENTS

_BAD_ROWS = 3
_GRACE_SECONDS = 7_200


@dataclass
class Storm:
    """What the kills came to; all but the first two should be nought."""

    hits: int = 0
    loads: int = 0
    lost: int = 0
    doubled: int = 0
    unreadable: int = 0
    left_over: int = 0


def land_events(data: Path, events: int, files: int) -> None:
    """Land the events with three malformed rows in each file, half of the files packed."""
    folder = data / "landing" / "web" / "events"
    folder.mkdir(parents=True)
    each = -(-events // files)
    numbered = EVENTS_SQL.replace("as type,", "as type, i,", 1).replace("{rows}", str(events))
    with duckdb.connect() as connection:
        connection.execute(f"create view events as {numbered}")
        for number in range(files):
            packed = number % 2
            target = literal(str(folder / f"{number:03}.ndjson{'.gz' if packed else ''}"))
            connection.execute(
                f"""copy (
                    select to_json(landed)::varchar from (
                        select * exclude (i) from events where i // {each} = {number}
                    ) as landed
                    union all
                    select '{{"file":{number},"row":' || n from range({_BAD_ROWS}) as bad (n)
                ) to {target} (format csv, header false, quote '', escape '',
                    delimiter e'\\x01', compression {"gzip" if packed else "none"})"""
            )


def weather(data: Path, kills: int, events: int, files: int, seed: int = 1) -> Storm:
    """Kill loads until as many kills have hit, and compare each load that got through."""
    chance, storm = random.Random(seed), Storm()
    while storm.hits < kills:
        through = _killed_or_through(data, chance, at_a_commit=storm.hits % 2 == 0)
        storm.hits += not through
        storm.unreadable += len(unreadable(data)) if not through else 0
        if through:
            _compare(data, events, files, storm)
            shutil.rmtree(data / "raw")
            shutil.rmtree(data / "quarantine")
    load_table(EVENTS, data, loaded_at=datetime.now(UTC))
    _compare(data, events, files, storm)
    return storm


def _killed_or_through(data: Path, chance: random.Random, *, at_a_commit: bool) -> bool:
    process = waiting_loader(data, [EVENTS])
    before = _in_place(data)
    begin(process)
    if at_a_commit:
        while process.poll() is None and _in_place(data) == before:
            time.sleep(0.0005)
        time.sleep(chance.choice([0, 0.001, 0.005, 0.02]))
    else:
        time.sleep(chance.uniform(0, 0.6))
    through = process.poll() is not None
    process.send_signal(signal.SIGKILL)
    _, said = process.communicate()
    if through and process.returncode:
        raise RuntimeError(said)
    return through


def _in_place(data: Path) -> set[str]:
    stages = (data / stage / "web" / "events" for stage in ("raw", "quarantine"))
    return {path.name for stage in stages for path in stage.glob("[!.]*")}


def _compare(data: Path, events: int, files: int, storm: Storm) -> None:
    """Compare with the truth, once what was left by the kills is two hours old."""
    storm.loads += 1
    for path in data.glob("*/web/events/.*.tmp"):
        os.utime(path, (time.time() - _GRACE_SECONDS,) * 2)
    load_table(EVENTS, data, loaded_at=datetime.now(UTC))
    storm.left_over += len([*data.glob("*/web/events/.*.tmp")])
    storm.unreadable += len(unreadable(data)) + len(unreadable(data, "quarantine"))
    with duckdb.connect() as connection:
        create_views(connection, data)
        [(rows, distinct, known)] = connection.execute(
            f"""with truth as (select md5(i::varchar) as id from range({events}) as numbers (i))
            select count(*), count(distinct "messageId"), count(distinct truth.id)
            from raw.web_events left join truth on truth.id = "messageId" """
        ).fetchall()
        refused = stock(connection, EVENTS, Store(data)).quarantined
    storm.lost += events - known + max(0, _BAD_ROWS * files - refused)
    storm.doubled += rows - distinct + max(0, refused - _BAD_ROWS * files)


def main() -> None:
    """Print what the kills came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=32)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        land_events(Path(folder), chosen.events, chosen.files)
        storm = weather(Path(folder), chosen.kills, chosen.events, chosen.files)
    print(storm)  # noqa: T201 - a script's result
    raise SystemExit(bool(storm.lost or storm.doubled or storm.unreadable or storm.left_over))


if __name__ == "__main__":
    main()
