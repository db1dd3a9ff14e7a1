"""What has changed about a table's files: their columns, types, units and sizes.

Each file is held against those that came before it. What came in a table's first load is where its
history begins; a file is no longer judged once it has left the landing zone, or was accepted.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from statistics import median
from typing import Literal

from sources.loader.contents import Held
from sources.loader.store import COLLECTED

# A file refused whole for one of these is one whose table has another shape than the contract.
SHAPE_RULES = frozenset(
    {"file_columns_missing", "file_columns_repeated", "file_column_type", "file_header"}
)
# So many odd rows are no pattern yet, however small the file is.
FEW_ROWS = 10
_JUDGED = 30
_REPORTED_FOR = timedelta(days=30)
_UNIT_FACTOR = 10
_FEWEST_BEFORE, _FEWEST_ROWS = 5, 100

Severity = Literal["critical", "warning"]


@dataclass(frozen=True)
class Finding:
    """One thing that has changed; the message names the file and says what to do."""

    severity: Severity
    message: str


@dataclass(frozen=True)
class History:
    """A table's contents, the newest last, as one load found them.

    `present`: contents that lie in the landing zone. `refused`: the rule by which a file was
    refused whole, by its name. `accepted`: names, with * for any text, of files that somebody has
    looked at and wants.
    """

    held: Sequence[Held]
    present: Collection[str]
    refused: dict[str, str]
    accepted: Collection[str] = ()

    def judged(self) -> list[Held]:
        """The newest files that are still there, and that nobody has accepted."""
        first = min((one.loaded_at for one in self.held), default=None)
        later = [one for one in self.held if one.loaded_at != first][-_JUDGED:]
        return [
            one
            for one in later
            if one.content in self.present and not self.is_accepted(one.landed_file)
        ]

    def before(self, judged: Held) -> list[Held]:
        """What came before a file, from the last one on that was accepted."""
        at = next(i for i, one in enumerate(self.held) if one is judged)
        earlier = [one for one in self.held[:at] if one.loaded_at < judged.loaded_at]
        accepted = [i for i, one in enumerate(earlier) if self.is_accepted(one.landed_file)]
        return earlier[accepted[-1] :] if accepted else earlier

    def is_accepted(self, file: str) -> bool:
        """Whether somebody has said that a file is right as it is."""
        return any(fnmatchcase(file, name) for name in self.accepted)


def new_columns(history: History) -> list[Finding]:
    """Columns that the contract doesn't know and that weren't there from the beginning."""
    if not history.held:
        return []
    first, newest = history.held[0].loaded_at, history.held[-1].loaded_at
    came: dict[str, Held] = {}
    for one in history.held:
        for column in one.unknown_columns:
            came.setdefault(column, one)
    return [
        Finding(
            "warning",
            f"{column} is new with {one.landed_file}: it is kept in _extra; the contract of the "
            "table may take it in",
        )
        for column, one in came.items()
        if one.loaded_at != first and newest - one.loaded_at < _REPORTED_FOR
    ]


def changed_shapes(history: History, maximum_share: float) -> list[Finding]:
    """Files that lack what the contract requires, or most of whose rows it can't read."""
    whole = [
        Finding("critical", f"{file} is refused ({rule}): {_MEND}")
        for file, rule in sorted(history.refused.items())
        if rule in SHAPE_RULES and not history.is_accepted(file)
    ]
    return [*whole, *_unreadable(history, maximum_share)]


def _unreadable(history: History, maximum_share: float) -> Iterable[Finding]:
    for one in history.judged():
        count = sum(one.refused.values())
        if count > max(FEW_ROWS, maximum_share * (count + one.row_count)):
            rule = max(one.refused, key=lambda rule: one.refused[rule])
            yield Finding(
                "critical",
                f"{one.landed_file}: {count:,} of {count + one.row_count:,} rows are quarantined, "
                f"most by {rule}: {_MEND}",
            )


def changed_units(history: History) -> list[Finding]:
    """Files whose median amount is tenfold what it was, or a tenth: cents for euros."""
    found = []
    for one in history.judged():
        earlier = history.before(one)
        for amount, (_, now) in one.medians.items():
            known = [held.medians[amount] for held in earlier if amount in held.medians]
            then = median(value for _, value in known) if known else 0
            if now and then and not 1 / _UNIT_FACTOR < now / then < _UNIT_FACTOR:
                found.append(
                    Finding(
                        "critical",
                        f"{one.landed_file}: the median {amount} is {now:,.4g}, before it was "
                        f"{then:,.4g}: {_MEND}",
                    )
                )
    return found


def changed_sizes(history: History, *, warning: float, critical: float) -> list[Finding]:
    """Files with far fewer or more rows than those of their folder before them."""
    found = []
    for one in history.judged():
        folder = PurePosixPath(one.landed_file).parent
        rows = [
            held.row_count
            for held in history.before(one)
            if PurePosixPath(held.landed_file).parent == folder
        ]
        usual = median(rows[-_JUDGED:]) if len(rows) >= _FEWEST_BEFORE else 0
        if usual < _FEWEST_ROWS or folder.name == COLLECTED:
            continue
        factor = max(one.row_count / usual, usual / max(one.row_count, 0.5))
        if factor > warning:
            found.append(
                Finding(
                    "critical" if factor > critical else "warning",
                    f"{one.landed_file} has {one.row_count:,} rows where files of its folder have "
                    f"{usual:,.0f}: {_MEND}",
                )
            )
    return found


_MEND = "mend it and take this one out of landing, or name it under accepted in formats.toml"
