"""A landing zone to put files into, and questions about what became of them."""

import gzip
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from sources import tables
from sources.contract import Table
from sources.loader.load import LoadReport, create_views, load_table

LOADED_AT = datetime(2026, 1, 1, tzinfo=UTC)
TABLES = {table.full_name: table for table in tables()}
EVENTS = TABLES["web_events"]
RECEIPTS = TABLES["pos_receipt_lines"]
MEMBERS = TABLES["pos_members"]

EVENT = (
    '{"type":"track","messageId":"m1","timestamp":"2024-05-01T10:00:00Z","anonymousId":"a1",'
    '"event":"Product Viewed","properties":{"price":12.5}}'
)
RECEIPT = {
    "receipt_id": "r1",
    "store_id": "s1",
    "sold_at": "2024-05-01T10:00:00",
    "line_no": "1",
    "product_id": "p1",
    "quantity": "2",
    "line_amount": "5.00",
    "currency": "EUR",
}


def event(**changes: str) -> str:
    """One event, its members replaced, or added, by JSON texts."""
    members = {
        "type": '"track"',
        "messageId": '"m1"',
        "timestamp": '"2024-05-01T10:00:00Z"',
        "anonymousId": '"a1"',
        "event": '"Product Viewed"',
    }
    members |= changes
    return "{" + ",".join(f'"{key}":{value}' for key, value in members.items() if value) + "}"


def csv_text(*rows: dict[str, str], base: dict[str, str] = RECEIPT) -> str:
    """A CSV whose rows are `base` with changes."""
    names = list(dict.fromkeys([*base, *(name for row in rows for name in row)]))
    lines = [",".join(names)]
    lines += [",".join((base | row).get(name, "") for name in names) for row in rows]
    return "\n".join(lines) + "\n"


def with_comma(number: str) -> str:
    """A number with a point as countries of decimal commas write it."""
    whole, _, rest = number.partition(".")
    grouped = f"{int(whole):,}".replace(",", ".")
    return f"{grouped},{rest}" if rest else grouped


def csv_field(text: str, delimiter: str) -> str:
    """A text as a field of CSV, in quotes where it has to be."""
    odd = any(mark in text for mark in (delimiter, '"', "\n"))
    return '"' + text.replace('"', '""') + '"' if odd else text


@dataclass(frozen=True)
class World:
    """A data directory."""

    data: Path

    def land(self, table: Table, name: str, content: bytes | str) -> Path:
        """Put a file into the landing zone; a name that ends in .gz is compressed on the way."""
        path = self.data / "landing" / table.source / table.name / name
        path.parent.mkdir(parents=True, exist_ok=True)
        octets = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(octets, 1) if name.endswith(".gz") else octets)
        return path

    def declare(self, table: Table, *lines: str) -> None:
        """Say how the table's files are written, and nothing of other tables."""
        section = "\n".join([f"[{table.source}.{table.name}]", *lines])
        (self.data / "formats.toml").write_text(section + "\n")

    def load(self, table: Table) -> LoadReport:
        """Load what landed for the table."""
        return load_table(table, self.data, loaded_at=LOADED_AT)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the raw views."""
        with duckdb.connect() as connection:
            connection.execute("set timezone = 'UTC'")
            create_views(connection, self.data)
            return connection.execute(sql).fetchall()

    def raw(self, table: Table, columns: str = "*") -> list[tuple[Any, ...]]:
        """The table's raw rows in the order in which they landed."""
        return self.query(
            f"select {columns} from raw.{table.full_name} order by _landed_file, _line"
        )

    def quarantine(self, table: Table, columns: str = "line, rule") -> list[tuple[Any, ...]]:
        """The table's refused rows in the order in which they landed."""
        folder = self.data / "quarantine" / table.source / table.name
        if not list(folder.glob("*.parquet")):
            return []
        with duckdb.connect() as connection:
            connection.execute("set timezone = 'UTC'")
            return connection.execute(
                f"""select {columns} from read_parquet('{folder}/*.parquet')
                order by landed_file, line"""
            ).fetchall()

    def files(self) -> list[str]:
        """Every file that loading has made, temporary ones included; not the empty schemas."""
        return sorted(
            path.relative_to(self.data).as_posix()
            for stage in ("raw", "quarantine")
            for path in (self.data / stage).rglob("*")
            if path.is_file() and path.name != "_schema.parquet"
        )
