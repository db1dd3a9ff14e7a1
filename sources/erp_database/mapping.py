"""How an ERP's own tables become those of the contract."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sources.contract import Column, SourceError, Table
from sources.erp import TABLES
from sources.sql import name

_ROOT = Path(__file__).parent
# Amounts go as text, so that no binary float comes between the ERP's numeric and the contract's.
_POSTGRESQL_TYPES = {
    "amount": "text",
    "boolean": "boolean",
    "date": "date",
    "integer": "bigint",
    "text": "text",
    "timestamp": "timestamptz",
}


@dataclass(frozen=True)
class Mapping:
    """One table of the contract and the ERP's query for it."""

    table: Table
    query: str

    @property
    def fingerprint(self) -> str:
        """Changes when the rows would: they have to be read anew then."""
        return hashlib.sha256(self.rows(None).encode()).hexdigest()[:16]

    def rows(self, since: datetime | None) -> str:
        """SQL for PostgreSQL: the rows changed at or after `since`, or all."""
        columns = ", ".join(_typed(column) for column in self.table.columns)
        changed = f"_changed_at >= timestamptz '{since.isoformat()}'" if since else "true"
        return f"""select {columns}, false as _is_deleted from ({self.query}
            ) as mapped where {changed} or _changed_at is null"""

    def keys(self) -> str:
        """SQL for PostgreSQL: the keys of all rows there are."""
        by_name = {column.name: column for column in self.table.columns}
        columns = ", ".join(_typed(by_name[key]) for key in self.table.key)
        return f"select {columns} from ({self.query}\n) as mapped"


def kinds() -> tuple[str, ...]:
    """The ERPs there are mappings for: the folders beside this module."""
    return tuple(sorted({path.parent.name for path in _ROOT.glob("*/*.sql")}))


def mappings(kind: str) -> list[Mapping]:
    """Every table that the ERP is mapped to, in the order of the contract."""
    if kind not in kinds():
        raise SourceError(f"There is no mapping for an ERP '{kind}': use {' or '.join(kinds())}.")
    files = {path.stem: path for path in (_ROOT / kind).glob("*.sql")}
    return [
        Mapping(table, files[table.name].read_text(encoding="utf-8").rstrip().rstrip(";"))
        for table in TABLES
        if table.name in files
    ]


def _typed(column: Column) -> str:
    return f"cast({name(column.name)} as {_POSTGRESQL_TYPES[column.type]}) as {name(column.name)}"
