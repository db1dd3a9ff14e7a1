"""What a source promises: its tables, their columns and types, their keys, their row rules.

A contract is data. `sources/web.py`, `app.py`, `erp.py` and `pos.py` hold one each; the loader,
the gates and the tests read them and hold no list of their own.
"""

from dataclasses import dataclass
from typing import Literal

ColumnType = Literal[
    "text",  # as the source wrote it; empty is unknown
    "amount",  # money or a quantity: DECIMAL(18,4), never a binary float
    "integer",
    "coordinate",  # degrees
    "boolean",  # true | false | empty
    "date",
    "timestamp",  # ISO 8601 with offset
    "local_timestamp",  # ISO 8601 with or without offset, kept as text: staging knows the zone
    "object",  # a JSON object
]


class SourceError(Exception):
    """One clear line that says what is wrong with the data directory and what to do next."""


@dataclass(frozen=True)
class Column:
    """One field of a landed row.

    `required`: a row without it is quarantined. `allowed`: every value it may have. `otherwise`:
    SQL over the other columns that gives the value when the row has none of its own.
    """

    name: str
    type: ColumnType
    description: str
    required: bool = False
    allowed: tuple[str, ...] = ()
    otherwise: str | None = None


@dataclass(frozen=True)
class Identifier:
    """Something by which a row names a person: its type, and SQL over the columns for its value."""

    kind: str
    sql: str


@dataclass(frozen=True)
class Rule:
    """A condition every row keeps, as SQL over the typed columns; null counts as kept.

    `description` completes the sentence "the row is quarantined because it doesn't keep: ...".
    """

    name: str
    sql: str
    description: str


@dataclass(frozen=True)
class Table:
    """One table of a source: what lands in landing/<source>/<name>/ and one view raw.<full_name>.

    `key` identifies a row over all landed files (staging removes what was sent twice).
    `event_time` is the column that says when the row happened. `identifiers` name the person whom a
    row is about, so that no row of somebody who was erased is loaded.
    """

    source: str
    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    event_time: str | None = None
    identifiers: tuple[Identifier, ...] = ()

    @property
    def full_name(self) -> str:
        """The table's name in schema raw and in the asset graph: `<source>_<table>`."""
        return f"{self.source}_{self.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """The contract's columns in their order."""
        return tuple(column.name for column in self.columns)

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that no row may lack."""
        return tuple(column.name for column in self.columns if column.required)

    @property
    def needed_in_header(self) -> tuple[str, ...]:
        """The columns that a CSV header or a Parquet schema must name.

        A required column that can be computed from others may be absent.
        """
        return tuple(c.name for c in self.columns if c.required and c.otherwise is None)


def happens_in_our_time(column: str) -> Rule:
    """Keep out the times of broken clocks, which would open or close every customer's life.

    The bounds are dates, not the time of the load: what has landed gives the same raw whenever it
    is loaded. A till and an ERP don't say when their rows were received, so a time that is only
    some months ahead gets through here; staging leaves it out until it is `as_of`, and where there
    are many the gate closes (`not_in_the_future`).
    """
    return Rule(
        name="implausible_time",
        sql=f"\"{column}\" >= '1990-01-01' and \"{column}\" < '2100-01-01'",
        description=f"{column} lies between 1990 and 2100",
    )


def not_ahead_of(column: str, received_at: str) -> Rule:
    """Keep out what says that it happened more than a day after it was received.

    A day, as some clients write the time of their time zone with a Z. How long before is no matter:
    an import, or a phone that was switched off, brings what is years old.
    """
    # As numbers: the calendar takes 0.7 s to add a day to 3 million times.
    microseconds = 24 * 60 * 60 * 1_000_000
    return Rule(
        name="clock_ahead",
        sql=f'epoch_us("{column}") - epoch_us("{received_at}") <= {microseconds}',
        description=f"{column} is no more than a day after {received_at}",
    )


def is_currency(column: str = "currency") -> Rule:
    """Keep out amounts whose currency nobody can convert."""
    return Rule(
        name="invalid_currency",
        sql=f"regexp_full_match(\"{column}\", '[A-Z]{{3}}')",
        description=f"{column} is an ISO 4217 code of three capital letters",
    )


def not_negative(*columns: str) -> Rule:
    """Keep out amounts below zero where the contract has none."""
    return Rule(
        name="negative_amount",
        sql=" and ".join(f'coalesce("{column}", 0) >= 0' for column in columns),
        description=f"none of {', '.join(columns)} is below zero",
    )
