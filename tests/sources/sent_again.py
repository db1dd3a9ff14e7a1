"""Files sent three times under other names, loaded by two processes at once: no row comes twice.

python -m tests.sources.sent_again --files 1000
"""

import argparse
import gzip
import io
import random
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from sources.contract import Table
from sources.loader.load import load_table
from sources.loader.quarantine import stock
from sources.loader.store import Store
from tests.sources.figures import apart, begin, waiting_loader
from tests.sources.landed import EVENTS, RECEIPT, RECEIPTS, csv_text, event

TABLES = (EVENTS, RECEIPTS)
SENDINGS = 3
_ROWS = 20
# Another name for the same bytes is no other row.
_OF_THE_LOAD = ("_loaded_at", "_landed_file")


def contents(files: int) -> list[tuple[str, bytes]]:
    """Name pattern and bytes of files of every format; half of them have a malformed row."""
    found = []
    for number in range(files):
        names = [f"{number}-{row}" for row in range(_ROWS)]
        lines = [event(messageId=f'"{name}"') for name in names]
        texts = [{"receipt_id": name, "product_name": f"Brânză {name}"} for name in names]
        if number // 5 % 2:
            texts[7]["quantity"] = ""
            lines[7] = lines[7][:-1]
        ndjson, csv = ("\n".join(lines) + "\n").encode(), csv_text(*texts).encode()
        sink = io.BytesIO()
        columns = {c: pa.array([(RECEIPT | text)[c] for text in texts]) for c in texts[0] | RECEIPT}
        pq.write_table(pa.table(columns), sink)
        found.append(
            [
                ("web/events/{}.ndjson", ndjson),
                ("web/events/{}.jsonl.gz", gzip.compress(ndjson, 1, mtime=0)),
                ("pos/receipt_lines/{}.csv", csv),
                ("pos/receipt_lines/{}.csv.gz", gzip.compress(csv, 1, mtime=0)),
                ("pos/receipt_lines/{}.parquet", sink.getvalue()),
            ][number % 5]
        )
    return found


def land(data: Path, files: list[tuple[str, bytes]], chance: random.Random) -> None:
    """Put every file into the landing zone, in any order, under names that say nothing."""
    for pattern, content in chance.sample(files, len(files)):
        name = f"{chance.choice(['', 'a/', 'b/c/'])}{chance.getrandbits(64):x}"
        target = data / "landing" / pattern.format(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def doubled_or_lost(folder: Path, files: int, *, at_once: int, seed: int = 1) -> tuple[int, int]:
    """Rows that differ from a single load, and its rows; `at_once`: sendings before each load."""
    chance = random.Random(seed)
    sent = contents(files)
    once, again = folder / "once", folder / "again"
    land(once, sent, chance)
    for table in TABLES:
        load_table(table, once, loaded_at=datetime.now(UTC))
    for _ in range(SENDINGS // at_once):
        for _ in range(at_once):
            land(again, sent, chance)
        processes = [waiting_loader(again, TABLES) for _ in range(2)]
        for process in processes:
            begin(process)
        for process in processes:
            _, said = process.communicate()
            if process.returncode:
                raise RuntimeError(said)
    rows = sum(_rows(once, table) for table in TABLES)
    wrong = sum(apart(once, again, table, without=_OF_THE_LOAD) for table in TABLES)
    return wrong, rows


def _rows(data: Path, table: Table) -> int:
    with duckdb.connect() as connection:
        return stock(connection, table, Store(data)).loaded


def main() -> None:
    """Print how many rows differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000)
    chosen = parser.parse_args()
    total = 0
    for at_once in (1, SENDINGS):
        with tempfile.TemporaryDirectory() as folder:
            wrong, rows = doubled_or_lost(Path(folder), chosen.files, at_once=at_once)
        total += wrong
        print(  # noqa: T201 - a script's result
            f"{chosen.files} files sent {SENDINGS} times, {at_once} before each load by two "
            f"processes: {wrong} rows differ from one load of {rows}",
            flush=True,
        )
    raise SystemExit(total != 0)


if __name__ == "__main__":
    main()
