"""What an ERP may lack: with its modules, its tables and columns differ from shop to shop.

A mapping names in its comments what isn't everywhere:

    -- requires pos_order
    -- may lack res_partner: mobile text, customer_rank integer

Without a table that it requires there is nothing to map. What it may lack reads as empty: an absent
column as null, an absent table as one without rows. The query itself names them like all others.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from sources.erp_database.mapping import Mapping
from sources.loader.sql import literal, name

_log = logging.getLogger(__name__)

_REQUIRES = re.compile(r"^-- requires (\w+)$", re.MULTILINE)
_MAY_LACK = re.compile(r"^-- may lack (\w+): (.+)$", re.MULTILINE)

# What to run a query of the ERP with.
Ask = Callable[[str], list[tuple[str, str]]]


def fitted(mappings: Iterable[Mapping], ask: Ask) -> Iterator[Mapping]:
    """Fit the mappings to the ERP's modules; what needs a table that it lacks is left out."""
    for mapping in mappings:
        required, optional = _REQUIRES.findall(mapping.query), _optional(mapping.query)
        if not (required or optional):
            yield mapping
            continue
        there: dict[str, set[str]] = {}
        for table, column in ask(_columns([*required, *optional])):
            there.setdefault(table, set()).add(column)
        absent = [table for table in required if table not in there]
        if absent:
            _log.info(
                "%s: left out, this ERP has no %s.",
                mapping.table.full_name,
                " and no ".join(absent),
            )
            continue
        yield replace(mapping, stand_ins=_stand_ins(optional, there))


def _optional(query: str) -> dict[str, dict[str, str]]:
    """By table, the columns that may be absent, each with its type."""
    found: dict[str, dict[str, str]] = {}
    for table, columns in _MAY_LACK.findall(query):
        for column in columns.split(", "):
            label, _, kind = column.partition(" ")
            found.setdefault(table, {})[label] = kind
    return found


def _columns(tables: list[str]) -> str:
    """SQL for the columns of those tables that are there, whether or not the user may read them."""
    wanted = ", ".join(literal(table) for table in tables)
    return f"""select wanted.name, attribute.attname::text
        from unnest(array[{wanted}]) as wanted (name)
        inner join pg_attribute as attribute on attribute.attrelid = to_regclass(wanted.name)
        where attribute.attnum > 0 and not attribute.attisdropped"""


def _stand_ins(optional: dict[str, dict[str, str]], there: dict[str, set[str]]) -> str:
    """SQL that stands before the query, and in it for the tables that lack something.

    A relation of a `with` comes before a table of its name, and in its own text means the table.
    """
    relations = []
    for table, columns in optional.items():
        nulls = [
            f"null::{kind} as {name(column)}"
            for column, kind in columns.items()
            if column not in there.get(table, ())
        ]
        if table not in there:
            relations.append(f"{table} as (select {', '.join(nulls)} where false)")
        elif nulls:
            added = ", ".join([f"{table}.*", *nulls])
            relations.append(f"{table} as not materialized (select {added} from {table})")
    return f"with {', '.join(relations)}\n" if relations else ""
