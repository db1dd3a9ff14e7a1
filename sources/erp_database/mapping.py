"""How an ERP's own tables become those of the contract."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sources
from sources.contract import Column, SourceError, Table
from sources.loader.sql import name

_ROOT = Path(__file__).parent
_ERP = "erp"
# Amounts go as text, so that no binary float comes between the ERP's numeric and the contract's.
_POSTGRESQL_TYPES = {
    "amount": "text",
    "boolean": "boolean",
    "coordinate": "double precision",
    "date": "date",
    "integer": "bigint",
    "text": "text",
    "timestamp": "timestamptz",
}
_ISO = """'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"""


@dataclass(frozen=True)
class Mapping:
    """One table of the contract and the ERP's query for it.

    `stand_ins`: a `with` of relations for what the query reads and this ERP hasn't.
    """

    table: Table
    query: str
    stand_ins: str = ""

    @property
    def fingerprint(self) -> str:
        """Changes when the rows would: they have to be read anew then."""
        return hashlib.sha256(self.rows(None).encode()).hexdigest()[:16]

    def rows(self, since: datetime | None) -> str:
        """SQL for PostgreSQL: the rows changed at or after `since`, or all."""
        columns = ", ".join(_typed(column) for column in self.table.columns)
        changed = f"_changed_at >= timestamptz '{since.isoformat()}'" if since else "true"
        return f"""{self.stand_ins}select {columns}, false as _is_deleted from ({self.query}
            ) as mapped where {changed} or _changed_at is null"""

    def keys(self) -> str:
        """SQL for PostgreSQL: the keys of all rows there are."""
        by_name = {column.name: column for column in self.table.columns}
        columns = ", ".join(_typed(by_name[key]) for key in self.table.key)
        return f"{self.stand_ins}select {columns} from ({self.query}\n) as mapped"


def kinds() -> tuple[str, ...]:
    """The ERPs there are mappings for: the folders beside this module."""
    return tuple(sorted({path.parent.name for path in _ROOT.glob("*/*.sql")}))


def mappings(kind: str) -> list[Mapping]:
    """Every table that the ERP is mapped to, those of one source together."""
    if kind not in kinds():
        raise SourceError(f"There is no mapping for an ERP '{kind}': use {' or '.join(kinds())}.")
    return [
        Mapping(table, _file(kind, table).read_text(encoding="utf-8").rstrip().rstrip(";"))
        for table in sources.tables()
        if is_mapped(kind, table)
    ]


def is_mapped(kind: str, table: Table) -> bool:
    """Whether the ERP has rows for the table."""
    return _file(kind, table).is_file()


def _file(kind: str, table: Table) -> Path:
    """A query is named as its table; a table of another source than the ERP by its full name."""
    return _ROOT / kind / f"{table.name if table.source == _ERP else table.full_name}.sql"


def _typed(column: Column) -> str:
    quoted = name(column.name)
    if column.type == "local_timestamp":  # a text in the contract; an ERP knows the instant
        return f"to_char(cast({quoted} as timestamptz) at time zone 'UTC', {_ISO}) as {quoted}"
    return f"cast({quoted} as {_POSTGRESQL_TYPES[column.type]}) as {quoted}"
