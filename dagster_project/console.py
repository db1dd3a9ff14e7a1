"""What a person sees in the terminal: progress, tables, one-line errors. The only user of rich."""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_out = Console(highlight=False)
_err = Console(stderr=True, highlight=False)


def error(message: str) -> None:
    """Say in one line what is wrong and what to do."""
    _err.print("[red]error:[/red]", message, markup=True, soft_wrap=True)


def warn(message: str) -> None:
    """Say what a person should know, though the command goes on."""
    _err.print("[yellow]note:[/yellow]", message, soft_wrap=True)


def say(message: str = "") -> None:
    """Print a line of the result."""
    _out.print(message, soft_wrap=True)


def document(value: object) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json.dumps(_plain(value), indent=2, ensure_ascii=False) + "\n")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; numbers to the right."""
    drawn = Table(box=None, pad_edge=False)
    for position, column in enumerate(columns):
        numeric = bool(rows) and all(
            isinstance(row[position], int | float | Decimal) for row in rows
        )
        drawn.add_column(column, justify="right" if numeric else "left", header_style="dim")
    for row in rows:
        drawn.add_row(*(_cell(value) for value in row))
    _out.print(title, style="bold", soft_wrap=True)
    _out.print(drawn)
    _out.print()


def _cell(value: object) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float() | Decimal():
            return f"{value:,.2f}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
        case _:
            # Brackets in a value are no markup.
            return escape(str(value))


def _plain(value: object) -> Any:
    """Turn results into what JSON knows; money stays exact, as text."""
    match value:
        case Mapping():
            return {str(k): _plain(v) for k, v in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(v) for v in value]
        case datetime() | date():
            return value.isoformat()
        case Decimal() | Path():
            return str(value)
        case _ if is_dataclass(value) and not isinstance(value, type):
            return _plain(asdict(value))
        case _:
            return value


class Progress:
    """A line for each stage of a run as it ends, and what is under way while it lasts."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, highlight=False, quiet=quiet)
        self._status = self._console.status("starting …")
        self._stage = ""
        self._since = time.monotonic()
        self._counts: Counter[str] = Counter()

    @contextmanager
    def shown(self) -> Iterator["Progress"]:
        """Show what is under way while the block lasts."""
        with self._status:
            yield self
            self._close()

    def step(self, stage: str, step: str) -> None:
        """A step began."""
        if stage != self._stage:
            self._close()
            self._stage, self._since = stage, time.monotonic()
        self._status.update(f"{stage}: {step} …")

    def count(self, what: str, number: int = 1) -> None:
        """Something of the current stage was done."""
        self._counts[what] += number

    def note(self, message: str) -> None:
        """Print a line above what is under way."""
        self._console.print(message, soft_wrap=True)

    def _close(self) -> None:
        if self._stage:
            done = ", ".join(_counted(n, what) for what, n in self._counts.items()) or "done"
            seconds = time.monotonic() - self._since
            self._console.print(f"  {self._stage:<13} {done}  [dim]{seconds:.1f} s[/dim]")
        self._stage, self._counts = "", Counter()


def _counted(number: int, what: str) -> str:
    """A number of things, whose first word is a plural: one of them has no s."""
    word, _, rest = what.partition(" ")
    return f"{number:,} {word.removesuffix('s') if number == 1 else word} {rest}".rstrip()
