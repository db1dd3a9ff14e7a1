"""The sources: what each one promises, and the road from its landed files to raw Parquet.

To add a table, add it to `TABLES` of its source's module; to add a source, add a module with a
`TABLES`. Nothing else lists them.
"""

import pkgutil
from importlib import import_module

from sources.contract import Table


def tables() -> tuple[Table, ...]:
    """Every table of every source: the `TABLES` of each module in this package, by full name."""
    found: list[Table] = []
    for module in pkgutil.iter_modules(__path__):
        if not module.ispkg:
            found.extend(getattr(import_module(f"{__name__}.{module.name}"), "TABLES", ()))
    return tuple(sorted(found, key=lambda table: table.full_name))
