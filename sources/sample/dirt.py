"""Dirt: malformed, duplicated and late records among the good ones, each one listed.

A malformed or duplicated record is a further line: the good one stays where it is, so that a
platform which keeps dirt out arrives at the tables of the clean world. A late record is moved to
the last file of its table. `line` counts physical lines from 1 (a CSV's header is line 1), in a
Parquet file rows from 1; it is null where a whole file is meant.
"""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sources.sample.dirt_files import Planted, damage_files, plant_parquet, resend_file
from sources.sample.dirt_kinds import SPOILERS, record_key
from sources.sample.landing import Landed, write_checksum

_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("table", pa.string()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("category", pa.string()),
        ("kind", pa.string()),
        ("record_key", pa.string()),
    ]
)

# Of a table's dirt half is malformed, a fifth follows its original at once, and the rest comes with
# the last file: sent again, or only then.
_MALFORMED, _REPEATED, _AFTERWARDS = 0.5, 0.2, 0.15
# Rows that a file needs for its damaged copies to differ from it and from each other.
_WORTH_COPYING = 3
_LATE_TABLES = ("web/events", "app/events", "pos/receipt_lines")


@dataclass
class Plan:
    """What happens to which row of a table, counted over its files in order, from 0."""

    malformed: dict[int, list[str]] = field(default_factory=dict)
    repeated: set[int] = field(default_factory=set)
    resent: set[int] = field(default_factory=set)
    late: set[int] = field(default_factory=set)

    def touched(self) -> set[int]:
        """Every row that something happens to."""
        return self.malformed.keys() | self.repeated | self.resent | self.late


def plan_table(name: str, counts: list[int], dirty: float, seed: int) -> Plan:
    """Draw the rows: each kind of malformation at least once, whatever the table's size."""
    kinds = list(SPOILERS[name])
    total, earlier = sum(counts), sum(counts[:-1])
    generator = np.random.default_rng([seed, *name.encode()])
    plan = Plan()
    spoiled = max(1, round(total * dirty * _MALFORMED / len(kinds))) * len(kinds)
    rows = _draw(generator, total, spoiled)
    for n in range(spoiled):
        plan.malformed.setdefault(rows[n % len(rows)], []).append(kinds[n % len(kinds)])
    plan.repeated = set(_draw(generator, total, max(1, round(total * dirty * _REPEATED))))
    if earlier:
        count = max(1, round(earlier * dirty * _AFTERWARDS))
        plan.resent = set(_draw(generator, earlier, count))
        if name in _LATE_TABLES:
            plan.late = set(_draw(generator, earlier, count)) - plan.resent
    return plan


def _draw(generator: np.random.Generator, total: int, wanted: int) -> list[int]:
    """Up to `wanted` different rows, at least one, in drawn order."""
    drawn = np.unique(generator.integers(0, total, size=2 * wanted + 16))
    generator.shuffle(drawn)
    rows: list[int] = drawn[:wanted].tolist()
    return rows


def plant_dirt(landing: Path, landed: Landed, dirty: float, seed: int) -> list[Planted]:
    """Plant dirt in every table of a landing zone that has just been written, and list it."""
    planted: list[Planted] = []
    for name, counts in landed.by_table().items():
        files = [landing / path for path in counts]
        smallest = landing / min(
            counts, key=lambda path: (counts[path] < _WORTH_COPYING, counts[path], path)
        )
        if smallest.suffix == ".parquet":
            planted += plant_parquet(landing, name, smallest, sum(counts.values()), dirty)
            planted += damage_files(landing, name, smallest)
        else:
            planted += damage_files(landing, name, smallest)
            plan = plan_table(name, list(counts.values()), dirty, seed)
            planted += _plant_lines(landing, name, files, plan)
        # Last, so that what is sent again is byte for byte what was sent.
        planted.append(resend_file(landing, name, smallest))
    return planted


def write_list(planted: list[Planted], target: Path) -> None:
    """Write what was planted."""
    rows = [
        (*entry.name.split("/"), entry.file, entry.line, entry.category, entry.kind, entry.key)
        for entry in planted
    ]
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, f.type) for column, f in zip(columns, _SCHEMA, strict=True)]
    pq.write_table(pa.table(arrays, schema=_SCHEMA), target, compression="zstd")


def _plant_lines(landing: Path, name: str, files: list[Path], plan: Plan) -> list[Planted]:
    touched = plan.touched()
    afterwards: list[tuple[bytes, str, str]] = []
    planted: list[Planted] = []
    row = 0
    for file in files:
        with _rewriting(file) as (old, new):
            page = _Page(name, str(file.relative_to(landing)), new, planted)
            if ".csv" in file.suffixes:
                page.copy_header(old.readline())
            for line in old:
                if row in touched:
                    page.soil(line, row, plan, afterwards)
                else:
                    page.copy(line)
                row += 1
            if file == files[-1]:
                for line, category, kind in afterwards:
                    page.plant(line, category, kind, record_key(line.decode()))
        if file.with_name(f"{file.name}.sha256").exists():
            write_checksum(file, file)
    return planted


class _Page:
    """One file being rewritten, its line numbers counted."""

    def __init__(self, name: str, path: str, new: IO[bytes], planted: list[Planted]) -> None:
        self._name, self._path, self._new, self._planted = name, path, new, planted
        self._line = 0
        self._columns: list[str] = []

    def copy_header(self, line: bytes) -> None:
        self._columns = line.decode().rstrip("\r\n").split(",")
        self.copy(line)

    def copy(self, line: bytes) -> None:
        self._line += 1
        self._new.write(line)

    def plant(self, line: bytes, category: str, kind: str, key: str | None) -> None:
        self.copy(line)
        self._planted.append(Planted(self._name, self._path, self._line, category, kind, key))

    def soil(
        self, line: bytes, row: int, plan: Plan, afterwards: list[tuple[bytes, str, str]]
    ) -> None:
        """Copy the line with what was planned for it."""
        if row in plan.late:
            afterwards.append((line, "late", "late"))
        else:
            self.copy(line)
        text = line.decode().rstrip("\r\n")
        for kind in plan.malformed.get(row, []):
            spoiled = SPOILERS[self._name][kind](text, self._columns)
            self.plant(spoiled + b"\n", "malformed", kind, record_key(text))
        if row in plan.repeated and row not in plan.late:
            self.plant(line, "duplicated", "repeated_line", record_key(text))
        if row in plan.resent:
            afterwards.append((line, "duplicated", "resent_line"))


@contextmanager
def _rewriting(file: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The file as it is and the file as it will be, packed or not; swapped when both are closed."""
    unfinished = file.with_name(f"{file.name}.part")
    if file.suffix == ".gz":
        # mtime 0: the same world must give the same bytes.
        with (
            gzip.GzipFile(file, "rb") as unpacked,
            gzip.GzipFile(unfinished, "wb", mtime=0) as packed,
        ):
            yield cast("IO[bytes]", unpacked), cast("IO[bytes]", packed)
    else:
        with file.open("rb") as old, unfinished.open("wb") as new:
            yield old, new
    unfinished.replace(file)
