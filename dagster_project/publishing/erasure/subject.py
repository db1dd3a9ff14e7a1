"""Who is being forgotten: ids, identifiers, and every value by which to find what is left of them.

While an erasure is under way it is noted in a file of its own, the only place where the person's
values are written down for it; it goes last. A killed erasure is finished from there.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import duckdb

from dagster_project import database
from dagster_project.publishing.erasure.tombstones import PROFILE, hashed
from dagster_project.publishing.people import find_person
from dagster_project.publishing.published import CATALOG
from sources.loader.forgetting import Traces

FOLDER = ".forget"
# A shorter value is found by chance wherever there are numbers: it is looked for by the rows that
# name the person, not by bytes.
SHORTEST = 6


@dataclass(frozen=True)
class Subject:
    """One person. `former_ids` lead to `profile_id` by merges.

    `own`: identifiers, as (type, value), that are theirs alone; `tied`: theirs too, but another
    person's records carry them as well. `shared_count`: identifiers that prove nobody, such as a
    family's e-mail; they stay with the others. `written`: `own` in each spelling. `called`: given
    and family name with a birth date.
    """

    profile_id: str
    former_ids: tuple[str, ...]
    own: tuple[tuple[str, str], ...]
    tied: tuple[tuple[str, str], ...]
    shared_count: int
    written: tuple[str, ...] = ()
    called: tuple[tuple[str, str, str], ...] = ()

    @property
    def profile_ids(self) -> tuple[str, ...]:
        """Every id the person went by."""
        return (self.profile_id, *self.former_ids)

    @property
    def subjects(self) -> list[tuple[str, str, bool]]:
        """What tombstones are kept of: kind, value, whether it is shared."""
        ids = [(PROFILE, profile_id, False) for profile_id in self.profile_ids]
        own = [(kind, value, False) for kind, value in self.own]
        return ids + own + [(kind, value, True) for kind, value in self.tied]

    @property
    def values(self) -> tuple[str, ...]:
        """What may be found nowhere, wherever it stands; ids of profiles are no such values."""
        found = {value for _, value in self.own} | set(self.written)
        return tuple(sorted(value for value in found if len(value) >= SHORTEST))

    def having(self, traces: Traces) -> "Subject":
        """The same person, with what their rows in raw say."""
        written = {value for _, value in traces.written}
        return replace(
            self,
            written=tuple(sorted(written | set(self.written))),
            called=tuple(sorted(traces.called | set(self.called))),
        )


def find_subject(
    connection: duckdb.DuckDBPyConnection, identifier: str, *, warehouse: Path
) -> Subject:
    """Find a person in the attached published build; raises UnknownPersonError.

    The `warehouse`, where it is there, knows which identifiers another person's records carry.
    """
    profile_id = find_person(connection, identifier)
    found = connection.execute(
        f"""
        select distinct identifier_type, identifier_value, is_demoted
        from {CATALOG}.marts.customer_identifiers where profile_id = ? order by all
        """,
        [profile_id],
    ).fetchall()
    identifiers = [(kind, value) for kind, value, is_demoted in found if not is_demoted]
    tied = _tied(warehouse)
    return Subject(
        profile_id=profile_id,
        former_ids=_former_ids(connection, profile_id),
        own=tuple(one for one in identifiers if one not in tied),
        tied=tuple(one for one in identifiers if one in tied),
        shared_count=len(found) - len(identifiers),
    )


def _former_ids(connection: duckdb.DuckDBPyConnection, profile_id: str) -> tuple[str, ...]:
    rows = connection.execute(
        f"""
        with recursive merges as (
            select from_profile_id, to_profile_id from {CATALOG}.marts.identity_history
            where
                kind = 'merge'
                and from_profile_id not in (
                    select profile_id from {CATALOG}.marts.customer_profiles
                )
        ),

        former as (
            select from_profile_id as profile_id from merges where to_profile_id = $id
            union
            select m.from_profile_id
            from merges as m
            inner join former as f on m.to_profile_id = f.profile_id
        )

        select profile_id from former where profile_id <> $id order by all
        """,
        {"id": profile_id},
    ).fetchall()
    return tuple(row[0] for row in rows)


def _tied(warehouse: Path) -> set[tuple[str, str]]:
    """Identifiers that stand in records of a person who isn't theirs."""
    if not warehouse.exists():
        return set()
    with database.connect(warehouse, read_only=True) as connection:
        try:
            rows = connection.execute(
                """
                select to_type, to_value from identity.cut_links
                union
                select identifier_type, identifier_value from identity.identifiers
                where held_until is not null
                """
            ).fetchall()
        except (duckdb.CatalogException, duckdb.BinderException):  # an older build's
            return set()
    return set(rows)


@dataclass(frozen=True)
class Journal:
    """The file in which one erasure is noted while it is under way."""

    path: Path

    @classmethod
    def of(cls, data: Path, subject: Subject, *, salt: str) -> Self:
        """The note of one person's erasure; its name says nothing of them."""
        return cls(data / FOLDER / f"{hashed(subject.profile_id, kind=PROFILE, salt=salt)}.json")

    @classmethod
    def begun(cls, data: Path) -> list[Self]:
        """Erasures that were begun and aren't finished."""
        return [cls(path) for path in sorted((data / FOLDER).glob("*.json"))]

    @staticmethod
    def clear(data: Path) -> None:
        """Delete notes that a killed process hadn't finished."""
        for part in (data / FOLDER).glob("*.tmp"):
            part.unlink()

    def write(self, subject: Subject) -> None:
        """Note whom to forget: whole or not at all, readable by this user only."""
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        part = self.path.with_suffix(".tmp")
        part.touch(mode=0o600)
        part.write_text(json.dumps(asdict(subject)), encoding="utf-8")
        database.put_in_place(part, self.path)

    def read(self) -> Subject:
        """Whom it is about."""
        found: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        pairs = {name: tuple(map(tuple, found[name])) for name in ("own", "tied", "called")}
        lists = {name: tuple(found[name]) for name in ("former_ids", "written")}
        return Subject(**found | pairs | lists)

    def close(self) -> None:
        """It is done: the last place that names the person goes."""
        self.path.unlink()
