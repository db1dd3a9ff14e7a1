"""What a steward decided: two identifiers are one person's, or never are.

A CSV with the columns kind (must_link or cannot_link), from_type, from_value, to_type, to_value and
any others, as a note, that nobody reads. Values are as a source writes them, or as they are
compared. It is applied on every run, after everything that the records say themselves: a row that
is taken out is as if it had never been. What is kept apart stays apart, whatever ties it.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np

from dagster_project.errors import PerennialError
from dagster_project.identity.arrow import Integers, integers, texts, write_table
from dagster_project.identity.components import component_labels
from dagster_project.identity.rules import IDENTIFIER_TYPES

COLUMNS = ("kind", "from_type", "from_value", "to_type", "to_value")
KINDS = ("must_link", "cannot_link")
_SHOWN_LINES = 10


class OverridesError(PerennialError):
    """The overrides can't be applied as they stand."""


@dataclass(frozen=True, slots=True)
class Override:
    """One row of the file, by its line."""

    line: int
    kind: str
    from_type: str
    from_value: str
    to_type: str
    to_value: str


@dataclass(frozen=True, slots=True)
class Decisions:
    """Pairs of nodes that are one person's (`one`), and pairs that never are (`apart`).

    `one_lines`: the line of each pair of `one`. `unknown`: lines that name an identifier which no
    record has.
    """

    one: tuple[Integers, Integers]
    apart: tuple[Integers, Integers]
    one_lines: Integers
    unknown: tuple[int, ...]

    def unmet(self, person: Integers) -> tuple[int, ...]:
        """Lines of must_link whose two aren't one: `person` labels every node in the end."""
        left, right = self.one
        return tuple(np.unique(self.one_lines[person[left] != person[right]]).tolist())


def read_overrides(path: Path) -> list[Override]:
    """The rows of the file, if there is one. OverridesError names the line and no value."""
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines, strict=True)
            missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise OverridesError(
                    f"{path} lacks the column {missing[0]}: its first line has to name "
                    f"{', '.join(COLUMNS)}."
                )
            return [_override(path, rows.line_num, row) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise OverridesError(
            f"{path} can't be read as a CSV in UTF-8 ({type(error).__name__}): mend or remove it."
        ) from error


def _override(path: Path, line: int, row: dict[str, str | None]) -> Override:
    kind, *identifiers = ((row[name] or "").strip() for name in COLUMNS)
    if kind not in KINDS:
        raise OverridesError(f"{path}, line {line}: kind is neither {' nor '.join(KINDS)}.")
    if not all(identifiers):
        raise OverridesError(f"{path}, line {line}: a type or a value is missing.")
    for name in identifiers[::2]:
        if name not in IDENTIFIER_TYPES:
            raise OverridesError(
                f"{path}, line {line}: a type is none of {', '.join(IDENTIFIER_TYPES)}."
            )
    if identifiers[:2] == identifiers[2:]:
        raise OverridesError(f"{path}, line {line}: an identifier is tied to itself.")
    return Override(line, kind, *identifiers)


def decide(
    connection: duckdb.DuckDBPyConnection, overrides: list[Override], node_count: int
) -> Decisions:
    """The overrides as nodes; needs _identity_nodes and _identity_values.

    OverridesError names two lines that contradict each other.
    """
    write_table(
        connection,
        "_identity_overrides",
        {
            "line": np.array([o.line for o in overrides], dtype=np.int64),
            "must": np.array([o.kind == KINDS[0] for o in overrides], dtype=np.bool_),
            **{
                name: texts([getattr(override, name) for override in overrides])
                for name in COLUMNS[1:]
            },
        },
    )
    found = integers(
        connection,
        """
        with named as (
            select from_type as identifier_type, from_value as spelling from _identity_overrides
            union
            select to_type, to_value from _identity_overrides
        ),
        spelled as (
            select nodes.identifier_type, named.spelling, nodes.node
            from named
            join _identity_nodes as nodes
                on nodes.identifier_type = named.identifier_type and nodes.value = named.spelling
            union
            select nodes.identifier_type, named.spelling, nodes.node
            from named
            join _identity_values as written on written.raw_value = named.spelling
            join _identity_nodes as nodes
                on nodes.identifier_type = named.identifier_type
                and nodes.strength = written.strength and nodes.value = written.identifier_value
        )
        select overrides.line, overrides.must::bigint as must, one.node as "left",
            other.node as "right"
        from _identity_overrides as overrides
        join spelled as one
            on one.identifier_type = overrides.from_type and one.spelling = overrides.from_value
        join spelled as other
            on other.identifier_type = overrides.to_type and other.spelling = overrides.to_value
        where one.node <> other.node
        order by overrides.line, one.node, other.node
        """,
    )
    must = found["must"] == 1
    left, right = found["left"], found["right"]
    connection.execute("drop table _identity_overrides")
    decisions = Decisions(
        one=(left[must], right[must]),
        apart=(left[~must], right[~must]),
        one_lines=found["line"][must],
        unknown=tuple(sorted({o.line for o in overrides} - set(found["line"].tolist()))),
    )
    person = component_labels(node_count, *decisions.one)
    broken = np.flatnonzero(person[decisions.apart[0]] == person[decisions.apart[1]])
    if len(broken):
        raise OverridesError(
            f"The overrides contradict each other: line {found['line'][~must][broken[0]]} keeps "
            "two identifiers apart that must_link rows make one. Take one of them out."
        )
    return decisions


def told(lines: Sequence[int]) -> str:
    """Line numbers for people: the first ten, and how many more there are."""
    shown = ", ".join(map(str, lines[:_SHOWN_LINES]))
    more = len(lines) - _SHOWN_LINES
    return f"line {shown}" + (f" and {more} more" if more > 0 else "")
