"""Forgetting one person: raw, quarantine, warehouse, published build, ledger, logs, every channel.

It may be killed at any moment: tombstones come first, so that nothing brings the person back, then
one place after the other, each swapped in one step; begun again, it goes on. At the end it searches
everything for the person's values and fails where one is left.

What two people share stays with the other: an identifier that proves nobody (a family's e-mail) is
not in the tombstones, and a row that names somebody else by their own is theirs. In such rows what
is the erased person's alone gives way to the word "erased". Landed files are never touched: they
are named, to be deleted by whoever owns them.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from dagster_project import database
from dagster_project.channels.base import Channel
from dagster_project.database import DatabaseLockedError
from dagster_project.errors import PerennialError
from dagster_project.publishing import ledger as ledger_file
from dagster_project.publishing import published as published_file
from dagster_project.publishing.erasure import places
from dagster_project.publishing.erasure.notices import (
    Notice,
    open_pairs,
    read_notices,
    tell,
    write_notices,
)
from dagster_project.publishing.erasure.search import Search, foreign_files
from dagster_project.publishing.erasure.subject import Journal, Subject, find_subject
from dagster_project.publishing.erasure.tombstones import (
    PROFILE,
    ErasedPeople,
    hashed,
    is_erased,
    read_erased,
    write_tombstones,
)
from dagster_project.publishing.past import forget_looks
from dagster_project.publishing.people import UnknownPersonError
from dagster_project.publishing.published import NotPublishedError
from sources import tables
from sources.loader import forgetting
from sources.loader.forgetting import Traces

# What is under way, for whoever waits.
Progress = Callable[[str], None]
_DELIVERY_WAIT_SECONDS = 60.0


class ErasureIncompleteError(PerennialError):
    """Something of the person is left."""


@dataclass(frozen=True)
class Installation:
    """Where everything lies, and how channels are reached."""

    data: Path
    published: Path
    warehouse: Path
    ledger: Path
    overrides: Path
    salt: str
    default_country: str
    open_channel: Callable[[str], Channel]
    objects_url: str | None = None


@dataclass(frozen=True)
class ForgetReport:
    """What an erasure found and did, in counts; nothing of the person.

    `found`: rows, or files, by place. `shared_count`: identifiers that stay, as they are others'
    too. `landed`: landed files that hold the person still. `known`: they were forgotten before.
    """

    found: dict[str, int]
    identifier_count: int
    shared_count: int
    notices: tuple[Notice, ...]
    landed: tuple[str, ...]
    known: bool = False
    is_dry_run: bool = False

    @property
    def unacknowledged(self) -> list[Notice]:
        """Who hasn't confirmed."""
        return [notice for notice in self.notices if notice.acknowledged_at is None]

    def as_json(self) -> dict[str, Any]:
        """The report as JSON can hold it."""
        return asdict(self)


def forget(
    house: Installation,
    identifier: str,
    *,
    at: datetime,
    dry_run: bool = False,
    progress: Progress = lambda _: None,
) -> ForgetReport:
    """Erase the person whom an identifier names; `dry_run`: only say what there is of them.

    Raises UnknownPersonError for nobody, DatabaseLockedError while a build or another erasure is
    under way, ErasureIncompleteError where something is left.
    """
    with database.exclusive(house.data / ".build.lock", what="A build, or an erasure,"):
        done = []
        if not dry_run:
            Journal.clear(house.data)
            for journal in Journal.begun(house.data):
                progress("finishing an erasure that was begun before")
                done.append(_carry_out(house, journal, at, progress))
        try:
            subject = _find(house, identifier)
        except (UnknownPersonError, NotPublishedError):
            if not _is_known(house, identifier):
                raise
            return done[-1] if done else _known(house)
        if dry_run:
            return _look(house, subject, progress)
        journal = Journal.of(house.data, subject, salt=house.salt)
        progress("looking for the person")
        erased = _as_erased(house, subject)
        journal.write(subject.having(_traces(house, erased, forgetting.find, (), progress)))
        return _carry_out(house, journal, at, progress)


def _carry_out(
    house: Installation, journal: Journal, at: datetime, progress: Progress
) -> ForgetReport:
    subject = journal.read()
    with ledger_file.opened(house.ledger) as connection, ledger_file.transaction(connection):
        write_tombstones(connection, subject.subjects, salt=house.salt, at=at)
        write_notices(connection, subject.profile_ids, salt=house.salt)
    erased, search = _as_erased(house, subject), Search.of(subject)
    found: dict[str, int] = {}
    traces = _traces(house, erased, forgetting.forget, search.values, progress)
    found |= _counts(traces)
    progress("published.duckdb")
    found["published rows"] = places.forget_in_published(house.published, subject)
    found["looks at the past removed"] = forget_looks(house.data)
    found["warehouse removed"] = int(places.remove_warehouse(house.warehouse))
    places.remove_leftovers(house.data, (house.warehouse, house.published, house.ledger))
    progress("the channels")
    _tell_all(house)
    progress("ledger.duckdb")
    found["ledger rows"] = places.rows_in_ledger(house.ledger, subject)
    places.forget_in_ledger(house.ledger, subject)
    progress("logs and Dagster's storage")
    found["logs and notes"] = places.scrub(house.data, search, overrides=house.overrides)
    progress("searching for what is left")
    left = search.everywhere(house.data)
    if left:
        where = ", ".join(f"{count} file(s) of {place}" for place, count in sorted(left.items()))
        raise ErasureIncompleteError(
            f"The person's values are still found in {where}. Everything else is done: run the "
            "same command again, and see who writes there if it stays."
        )
    report = _report(house, subject, found, search)
    journal.close()
    return report


def _find(house: Installation, identifier: str) -> Subject:
    with published_file.opened(house.published) as connection:
        return find_subject(connection, identifier, warehouse=house.warehouse)


def _as_erased(house: Installation, subject: Subject) -> ErasedPeople:
    hashes = tuple(
        hashed(value, kind=f"shared {kind}" if is_shared else kind, salt=house.salt)
        for kind, value, is_shared in subject.subjects
    )
    return ErasedPeople(hashes, house.salt, house.default_country)


def _is_known(house: Installation, identifier: str) -> bool:
    erased = read_erased(house.ledger, salt=house.salt, default_country=house.default_country)
    if erased is None:
        return False
    with duckdb.connect() as connection:
        return is_erased(connection, erased, identifier)


def _known(house: Installation) -> ForgetReport:
    """Somebody forgotten before: whoever hasn't confirmed is told again."""
    _tell_all(house)
    with ledger_file.opened(house.ledger) as connection:
        hashes = connection.execute(
            "select distinct subject_hash from erasure_notices where acknowledged_at is null"
        ).fetchall()
        notices = read_notices(connection, [row[0] for row in hashes])
    return ForgetReport({}, 0, 0, tuple(notices), (), known=True)


def _traces(
    house: Installation,
    erased: ErasedPeople,
    step: Callable[..., Traces],
    values: tuple[str, ...],
    progress: Progress,
) -> Traces:
    """What all tables of raw have, looked for or taken out."""
    found = Traces()
    for table in tables():
        progress(f"raw {table.full_name}")
        found.add(step(house.data, table, erased, values=values, url=house.objects_url))
    return found


def _counts(traces: Traces) -> dict[str, int]:
    return {
        "raw rows": traces.rows,
        "raw rows of others that mention the person": traces.mentioning,
        "quarantined rows": traces.quarantined,
    }


def _look(house: Installation, subject: Subject, progress: Progress) -> ForgetReport:
    erased = _as_erased(house, subject)
    traces = _traces(house, erased, forgetting.find, (), progress)
    search = Search.of(subject.having(traces))
    traces = _traces(house, erased, forgetting.find, search.values, progress)
    progress("every other file")
    left = Counter(
        {place: n for place, n in search.everywhere(house.data).items() if place not in _COUNTED}
    )
    with ledger_file.opened(house.ledger) as connection:
        telling = connection.execute(
            """
            select distinct d.audience, d.channel
            from records as r
            inner join deliveries as d on r.delivery_id = d.delivery_id
            where list_contains(?, r.profile_id)
            order by all
            """,
            [subject.profile_ids],
        ).fetchall()
    notices = tuple(Notice(audience, channel, None, None, None) for audience, channel in telling)
    found = _counts(traces) | {
        "published rows": places.rows_in_published(house.published, subject),
        "ledger rows": places.rows_in_ledger(house.ledger, subject),
        "warehouse removed": int(house.warehouse.exists()),
    }
    found |= {f"files of {place}": count for place, count in sorted(left.items())}
    return ForgetReport(
        found,
        len(subject.own),
        subject.shared_count,
        notices,
        _landed(house, search),
        is_dry_run=True,
    )


_COUNTED = {"raw", "quarantine", "warehouse.duckdb", "published.duckdb", "ledger.duckdb"}


def _report(
    house: Installation, subject: Subject, found: dict[str, int], search: Search
) -> ForgetReport:
    hashes = [hashed(each, kind=PROFILE, salt=house.salt) for each in subject.profile_ids]
    with ledger_file.opened(house.ledger) as connection:
        notices = tuple(read_notices(connection, hashes))
    landed = _landed(house, search)
    return ForgetReport(found, len(subject.own), subject.shared_count, notices, landed)


def _landed(house: Installation, search: Search) -> tuple[str, ...]:
    """Files that hold the person and aren't the platform's to change: what landed."""
    return tuple(
        path.relative_to(house.data).as_posix()
        for path in foreign_files(house.data)
        if search.holds(path)
    )


def _tell_all(house: Installation) -> None:
    """Tell every channel that is still to be told; what it answers is noted."""
    with ledger_file.opened(house.ledger) as connection:
        waiting = open_pairs(connection)
    for audience, name in waiting:
        with _channel(house, name) as channel:
            lock = ledger_file.lock_file(house.ledger, audience, name)
            try:
                with database.exclusive(
                    lock,
                    what=f"A delivery of {audience} to {name}",
                    wait_seconds=_DELIVERY_WAIT_SECONDS,
                ):
                    tell(house.ledger, channel, audience)
            except DatabaseLockedError:
                continue  # that delivery, or the next one, tells it


@contextmanager
def _channel(house: Installation, name: str) -> Iterator[Channel]:
    channel = house.open_channel(name)
    try:
        yield channel
    finally:
        channel.close()
