"""The landing zone: which file holds what, in which format, under which name.

History comes as one file a month, the last fortnight's events as one file a day. Each format of the
contract occurs, .ndjson, .jsonl.gz, .csv, .csv.gz and .parquet, and checksums beside the customers.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import duckdb

from sources.sample import erp, pos
from sources.sample.engine import Progress
from sources.sample.rendering import event_lines

_DAILY = 14
# One column of finished text a line: a CSV without header, quotes or a delimiter that could occur.
_TEXT = "format csv, header false, quote '', escape '', delimiter e'\\x01'"
_OPTIONS = {
    ".ndjson": _TEXT,
    ".jsonl.gz": f"{_TEXT}, compression gzip",
    ".csv": "format csv, header true",
    ".csv.gz": "format csv, header true, compression gzip",
    ".parquet": "format parquet, compression zstd",
}


@dataclass(frozen=True)
class Part:
    """One landed file: its path below landing/ and the query whose rows it holds."""

    path: str
    query: str


@dataclass
class Landed:
    """What was written: the rows of each file, in the order of writing, which is that of time."""

    files: dict[str, int] = field(default_factory=dict)

    def by_table(self) -> dict[str, dict[str, int]]:
        """`<source>/<table>` to its files and their rows."""
        tables: dict[str, dict[str, int]] = {}
        for path, count in self.files.items():
            tables.setdefault(table_of(path), {})[path] = count
        return tables

    def rows(self) -> dict[str, int]:
        """`<source>/<table>` to its rows."""
        return {name: sum(files.values()) for name, files in self.by_table().items()}


def table_of(path: str) -> str:
    """`<source>/<table>` of a path below landing/."""
    return "/".join(path.split("/")[:2])


def months(first: date, last: date) -> Iterator[tuple[date, date]]:
    """First and last day of each month of a period, both within the period."""
    start = first
    while start <= last:
        following = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
        yield start, min(last, following - timedelta(days=1))
        start = following


def periods(first: date, last: date) -> Iterator[tuple[str, date, date]]:
    """Name, first and last day of each event file: months, then single days."""
    daily_from = max(first, last - timedelta(days=_DAILY - 1))
    for start, end in months(first, daily_from - timedelta(days=1)):
        yield f"{start:%Y-%m}", start, end
    for n in range((last - daily_from).days + 1):
        day = daily_from + timedelta(days=n)
        yield day.isoformat(), day, day


def _monthly(
    source: str, table: str, suffix: str, select: str, moment: str, first: date, last: date
) -> Iterator[Part]:
    for start, end in months(first, last):
        where = f"{moment} >= date '{start}' and {moment} < date '{end + timedelta(days=1)}'"
        yield Part(
            f"{source}/{table}/{start:%Y}/{table}-{start:%Y-%m}{suffix}", select.format(where=where)
        )


def _versions(
    source: str, table: str, suffix: str, select: str, first: date, last: date
) -> Iterator[Part]:
    """An export of what there was before the first day, then one of each month's changes."""
    yield Part(
        f"{source}/{table}/{first:%Y}/{table}-initial{suffix}",
        select.format(where="version_day < 0"),
    )
    yield from _monthly(source, table, suffix, select, "on_day(version_day)", first, last)


def parts(first: date, today: date) -> Iterator[Part]:
    """Every file of the world, from the first day of shopping to the day of as_of."""
    yesterday = today - timedelta(days=1)
    yield Part("pos/stores/stores.csv", pos.STORES.format(where="true"))
    yield from _versions("pos", "members", ".csv", pos.MEMBERS, first, yesterday)
    yield from _monthly(
        "pos", "receipt_lines", ".csv", pos.RECEIPT_LINES, "on_day(day)", first, yesterday
    )
    yield Part("erp/products/products.parquet", erp.PRODUCTS.format(where="true"))
    yield from _versions("erp", "customers", ".csv.gz", erp.CUSTOMERS, first, yesterday)
    yield from _monthly("erp", "orders", ".csv", erp.ORDERS, "version_at", first, today)
    yield from _monthly(
        "erp", "order_lines", ".parquet", erp.ORDER_LINES, "ordered_at", first, today
    )
    yield from _monthly("erp", "returns", ".ndjson", erp.RETURNS, "returned_at", first, today)
    yield from _monthly("erp", "tickets", ".csv", erp.TICKETS, "opened_at", first, today)
    opening = first - timedelta(days=7)
    for source in ("web", "app"):
        for name, start, end in periods(opening, today):
            daily = start == end
            suffix = ".jsonl.gz" if daily and source == "app" else ".ndjson"
            where = (
                f"source = '{source}' and happened_at >= date '{start}' "
                f"and happened_at < date '{end + timedelta(days=1)}'"
            )
            yield Part(
                f"{source}/events/{start:%Y}/{start:%m}/events-{name}{suffix}", event_lines(where)
            )


def suffix_of(path: str) -> str:
    """The format's part of a file name."""
    return next(
        suffix for suffix in sorted(_OPTIONS, key=len, reverse=True) if path.endswith(suffix)
    )


def write_landing(
    connection: duckdb.DuckDBPyConnection,
    landing: Path,
    first: date,
    today: date,
    progress: Progress,
) -> Landed:
    """Write every file under a temporary name, then rename it; files without a row are left out."""
    landed = Landed()
    name = ""
    for part in parts(first, today):
        if table_of(part.path) != name:
            name = table_of(part.path)
            progress(name)
        target = landing / part.path
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f"{target.name}.part")
        copied = connection.execute(
            f"copy ({part.query}) to '{_quoted(unfinished)}' ({_OPTIONS[suffix_of(part.path)]})"
        ).fetchone()
        count = int(copied[0]) if copied else 0
        if count == 0:
            unfinished.unlink()
            continue
        if name == "erp/customers":
            write_checksum(unfinished, target)
        unfinished.rename(target)
        landed.files[part.path] = count
    return landed


def write_checksum(content: Path, target: Path) -> None:
    """Write the sidecar of a file as sha256sum does, before the file itself gets its name."""
    digest = hashlib.sha256(content.read_bytes()).hexdigest()
    target.with_name(f"{target.name}.sha256").write_text(f"{digest}  {target.name}\n", "utf-8")


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
