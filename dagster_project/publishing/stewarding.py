"""A steward's word at the terminal: two are one person's, or never are, or that is taken back.

It is written into the overrides, a file that a steward may as well edit; the next run follows it.
The file is written whole beside itself and put in place, so that a kill leaves the old one.
"""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dagster_project import database
from dagster_project.errors import PerennialError
from dagster_project.identity.overrides import COLUMNS, KINDS, Override, read_overrides
from dagster_project.publishing import published as published_file
from dagster_project.publishing.people import find
from dagster_project.publishing.published import CATALOG

MUST_LINK, CANNOT_LINK = KINDS
_NOTES = ("note", "decided_at")
Identifier = tuple[str, str]


class StewardError(PerennialError):
    """What a steward asked for can't be decided like this."""


@dataclass(frozen=True)
class Decision:
    """What two were decided to be. `is_new`: it wasn't written before; nothing changed else."""

    kind: str
    one: Identifier
    other: Identifier
    is_new: bool


def decide(
    published: Path,
    overrides: Path,
    kind: str,
    one: str,
    other: str,
    *,
    at: datetime,
    note: str = "",
    dry_run: bool = False,
) -> Decision:
    """Write that two identifiers are one person's (must_link) or never are (cannot_link).

    What names a person by no identifier of theirs (a profile id, an order) stands for the one that
    the profile id hangs on. Raises StewardError where a row says the opposite.
    """
    first, second = _identifiers(published, one, other)
    with _held(overrides):
        for row in read_overrides(overrides):
            if _pair(row) == {first, second}:
                if row.kind == kind:
                    return Decision(kind, first, second, is_new=False)
                raise StewardError(
                    f"Line {row.line} of {overrides.name} says the opposite of these two: take it "
                    "back first, with `perennial identity undo`."
                )
        if not dry_run:
            _append(overrides, [kind, *first, *second], {"note": note, "decided_at": str(at)})
    return Decision(kind, first, second, is_new=True)


def undo(published: Path, overrides: Path, one: str, other: str) -> int:
    """Take back whatever was decided of the two; how many rows that were."""
    first, second = _identifiers(published, one, other)
    with _held(overrides):
        gone = [row.line for row in read_overrides(overrides) if _pair(row) == {first, second}]
        if gone:
            _write(overrides, _without(overrides, gone))
    return len(gone)


def review(published: Path, limit: int) -> list[dict[str, Any]]:
    """The pairs of registrations that may be one person's, the likeliest first."""
    with published_file.opened(published) as connection:
        rows = database.read(
            connection,
            f"""
            select probability, reason, from_type, from_value, from_profile_id, to_type, to_value,
                to_profile_id
            from {CATALOG}.marts.identity_review
            order by probability desc, from_type, from_value, to_type, to_value
            limit {int(limit)}
            """,
        )
    found: list[dict[str, Any]] = rows.to_pylist()
    return found


def _identifiers(published: Path, one: str, other: str) -> tuple[Identifier, Identifier]:
    with published_file.opened(published) as connection:
        names = []
        for wanted in (one, other):
            found = find(connection, wanted)
            name = found.identifier_type, found.identifier_value
            if found.identifier_type in ("profile_id", "order"):
                anchor = connection.execute(
                    "select identifier_type, identifier_value "
                    f"from {CATALOG}.marts.customer_identifiers "
                    "where profile_id = ? and steps_to_anchor = 0",
                    [found.profile_id],
                ).fetchone()
                if anchor is None:
                    raise StewardError(
                        "That person has no identifier to decide by: name one of their records' "
                        "identifiers."
                    )
                name = anchor
            names.append(name)
    if names[0] == names[1]:
        raise StewardError("Both name the same identifier: name another one of the second person.")
    return names[0], names[1]


def _pair(row: Override) -> set[Identifier]:
    return {(row.from_type, row.from_value), (row.to_type, row.to_value)}


@contextmanager
def _held(overrides: Path) -> Iterator[None]:
    """Nobody else decides meanwhile."""
    lock = overrides.with_name(f".{overrides.name}.lock")
    with database.exclusive(lock, what="Another decision", wait_seconds=10):
        yield


def _append(overrides: Path, cells: list[str], notes: dict[str, str]) -> None:
    content = overrides.read_bytes() if overrides.exists() else b""
    ending = "\r\n" if b"\r\n" in content else "\n"
    if content:
        header = next(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    else:
        header = [*COLUMNS, *_NOTES]
    row = dict(zip(COLUMNS, cells, strict=True)) | notes
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=ending)
    if not content:
        writer.writerow(header)
    elif not content.endswith((b"\n", b"\r")):
        text.write(ending)
    writer.writerow([row.get(name, "") for name in header])
    _write(overrides, content + text.getvalue().encode())


def _without(overrides: Path, gone: list[int]) -> bytes:
    """The file but for the rows that end in these lines."""
    text = overrides.read_bytes().decode("utf-8")
    lines = list(io.StringIO(text, newline=""))
    kept, begun = [], 0
    rows = csv.reader(iter(lines))
    for _ in rows:
        if rows.line_num not in gone:
            kept += lines[begun : rows.line_num]
        begun = rows.line_num
    return "".join(kept).encode()


def _write(overrides: Path, content: bytes) -> None:
    part = overrides.with_name(f".{overrides.name}.tmp")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_bytes(content)
    database.put_in_place(part, overrides)
