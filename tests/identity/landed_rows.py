"""The rows of a sample world, to be landed again: day by day, or in any other files.

Tables that say nothing of a person (stores, products, the lines of orders) land whole, first.
"""

import csv
import gzip
import random
import re
import shutil
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

# The column that tells when a row could have landed.
_MOMENTS = {
    "pos/members": "updated_at",
    "pos/receipt_lines": "sold_at",
    "erp/customers": "updated_at",
    "erp/orders": "updated_at",
    "erp/returns": "returned_at",
    "erp/tickets": "opened_at",
    "web/events": "timestamp",
    "app/events": "timestamp",
}
_MOMENT = re.compile(rb'"(?:timestamp|returned_at)":"(\d{4}-\d\d-\d\d)')
_LATE_SHARE, _LATEST_DAYS = 0.05, 20
_MOST_FILES = 9


@dataclass(frozen=True)
class Row:
    """A line of a landed file, and the day on which it came."""

    day: date
    line: bytes


@dataclass(frozen=True)
class Rows:
    """All rows of a table, and what stands above them in each file."""

    table: str
    header: bytes
    suffix: str
    rows: list[Row]

    def land(self, data: Path, name: str, rows: list[Row], *, packed: bool = False) -> None:
        """Write these rows as one file."""
        if not rows:
            return
        content = self.header + b"".join(row.line for row in rows)
        suffix = f"{self.suffix}.gz" if packed else self.suffix
        target = data / "landing" / self.table / f"{name}{suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.compress(content, 1, mtime=0) if packed else content)


def read_rows(landing: Path, last: date, seed: int) -> list[Rows]:
    """The rows of every table that tells of persons; some come late, none after the last day."""
    chance = random.Random(seed)
    found = []
    for table, moment in _MOMENTS.items():
        lines: dict[str, list[bytes]] = defaultdict(list)
        header = b""
        for path in sorted((landing / table).rglob("*")):
            name = path.name.removesuffix(".gz")
            if not path.is_file() or name.endswith(".sha256"):
                continue
            raw = path.read_bytes()
            text = gzip.decompress(raw) if path.suffix == ".gz" else raw
            suffix = ".csv" if name.endswith(".csv") else ".ndjson"
            each = text.splitlines(keepends=True)
            header = each.pop(0) if suffix == ".csv" else b""
            lines[suffix] += each
        for suffix, each in lines.items():
            days = _days_of_csv(header, each, moment) if suffix == ".csv" else _days_of_json(each)
            came = [min(day + _delay(chance), last) for day in days]
            rows = [Row(day, line) for day, line in zip(came, each, strict=True)]
            found.append(Rows(table, header, suffix, rows))
    return found


def land_unmoving(landing: Path, data: Path) -> None:
    """Copy the files of tables that say nothing of a person."""
    for path in landing.rglob("*"):
        table = "/".join(path.relative_to(landing).parts[:2])
        if path.is_file() and table not in _MOMENTS:
            target = data / "landing" / path.relative_to(landing)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def land_shuffled(every: list[Rows], data: Path, seed: int) -> None:
    """Land all rows in any order, in any number of files of any name, one in a hundred twice."""
    chance = random.Random(seed)
    for rows in every:
        mixed = rows.rows + chance.sample(rows.rows, len(rows.rows) // 100)
        chance.shuffle(mixed)
        files = chance.randint(1, _MOST_FILES)
        for number in range(files):
            name = f"{chance.choice(['', 'a/', 'b/c/'])}{chance.getrandbits(64):x}"
            rows.land(data, name, mixed[number::files], packed=chance.random() < 1 / 2)


def _days_of_csv(header: bytes, lines: list[bytes], moment: str) -> list[date]:
    position = next(csv.reader([header.decode()])).index(moment)
    parsed = csv.reader(line.decode() for line in lines)
    return [date.fromisoformat(fields[position][:10]) for fields in parsed]


def _days_of_json(lines: list[bytes]) -> list[date]:
    found = (_MOMENT.search(line) for line in lines)
    return [date.fromisoformat(match[1].decode()) if match else date.min for match in found]


def _delay(chance: random.Random) -> timedelta:
    is_late = chance.random() < _LATE_SHARE
    return timedelta(days=chance.randint(1, _LATEST_DAYS) if is_late else 0)
