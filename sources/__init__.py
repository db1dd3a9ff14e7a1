"""The sources: what each one promises, and the road from its landed files to raw Parquet.

To add a table, add it to `TABLES` of its source's module; to add a source, add a module with a
`TABLES`. Nothing else lists them.
"""

import pkgutil
from importlib import import_module

from sources.contract import SourceError, Table


def tables() -> tuple[Table, ...]:
    """Every table of every source: the `TABLES` of each module in this package, by full name."""
    found: list[Table] = []
    for module in pkgutil.iter_modules(__path__):
        if not module.ispkg:
            found.extend(getattr(import_module(f"{__name__}.{module.name}"), "TABLES", ()))
    return tuple(sorted(found, key=lambda table: table.full_name))


def find_table(name: str) -> Table:
    """The table called `name`, as pos.receipt_lines or pos_receipt_lines; or what there is."""
    for table in tables():
        if name in (table.full_name, f"{table.source}.{table.name}"):
            return table
    names = ", ".join(f"{table.source}.{table.name}" for table in tables())
    raise SourceError(f"There is no table {name}: use one of {names}.")
