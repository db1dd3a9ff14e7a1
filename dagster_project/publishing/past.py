"""A look at the past: a data directory in which nothing is known that came after a moment.

Built from what raw had by then, with what a steward had decided by then, the marts of a past day
are what they were: late orders, returns and merges since then aren't in it. The directory lies in
`past/` of the one it is made of; there a build writes its own warehouse and published file, and
what is published now stays. Whoever is forgotten is forgotten there too: looks are deleted then,
and made again without the person.
"""

import csv
import json
import re
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from dagster_project import database
from dagster_project.errors import PerennialError
from dagster_project.settings import PAST_MARKER
from sources.loader.past import copy_known_at
from sources.loader.sql import literal
from sources.loader.store import Store

FOLDER = "past"
_BUILD_LOCK = ".build.lock"


@dataclass(frozen=True)
class Present:
    """What a look at the past is made of."""

    data: Path
    published: Path
    models: Path
    overrides: Path
    objects_url: str | None = None


def look_back(
    present: Present,
    *,
    as_of: datetime,
    known_at: datetime,
    progress: Callable[[str], None] = lambda _: None,
) -> Path:
    """Make the data directory of a look at the past, to be built like any other; returns it.

    One that was made before for the same moments is made anew. Raises PerennialError where nothing
    had been loaded by then.
    """
    folder = present.data / FOLDER / f"as-of-{_stamp(as_of)}-known-at-{_stamp(known_at)}"
    half = folder.with_name(f".{folder.name}.tmp")
    with ExitStack() as held:
        held.enter_context(database.exclusive(present.data / _BUILD_LOCK, what="A build"))
        if folder.exists():
            held.enter_context(database.exclusive(folder / _BUILD_LOCK, what="A look at the past"))
        shutil.rmtree(half, ignore_errors=True)
        store = Store(present.data, present.objects_url)
        if not copy_known_at(store, Store(half), known_at, progress=progress):
            shutil.rmtree(half)
            raise PerennialError(
                f"Nothing had been loaded by {known_at:%Y-%m-%d %H:%M:%S} UTC: name a later "
                "--known-at."
            )
        _copy_decisions(present, half / present.models.name, known_at)
        _copy_history(present.published, half / present.published.name, as_of, known_at)
        moments = {"as_of": as_of.isoformat(), "known_at": known_at.isoformat()}
        (half / PAST_MARKER).write_text(json.dumps(moments), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        half.rename(folder)
    return folder


def forget_looks(data: Path) -> int:
    """Delete every look at the past; how many. Raises DatabaseLockedError while one is built."""
    looks = [path for path in (data / FOLDER).glob("*") if path.is_dir()]
    for look in looks:
        with database.exclusive(look / _BUILD_LOCK, what="A look at the past"):
            shutil.rmtree(look)
    return len(looks)


def _stamp(moment: datetime) -> str:
    return re.sub(r"T000000Z$", "", f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}")


def _copy_decisions(present: Present, target: Path, known_at: datetime) -> None:
    """The matching models, and the rows of overrides.csv without a date or with one by then."""
    target.mkdir()
    for model in present.models.glob("model-*.json"):
        if datetime.fromtimestamp(model.stat().st_mtime, UTC) <= known_at:
            shutil.copy2(model, target)
    if not present.overrides.exists():
        return
    with present.overrides.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines)
        decided = [row for row in rows if _is_by(row.get("decided_at"), known_at)]
        names = list(rows.fieldnames or ())
    with (target / present.overrides.name).open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(decided)


def _is_by(decided_at: str | None, known_at: datetime) -> bool:
    try:
        at = datetime.fromisoformat(decided_at or "")
    except ValueError:
        return True
    return (at if at.tzinfo else at.replace(tzinfo=UTC)) <= known_at


def _copy_history(published: Path, target: Path, as_of: datetime, known_at: datetime) -> None:
    """What a build reads of the one before it: the merges and splits of the builds up to then."""
    if not published.exists():
        return
    with database.connect(target) as connection:
        connection.execute(f"attach {literal(str(published))} as present (read_only)")
        connection.execute(
            """
            create schema marts;
            create schema meta;
            create table marts.customer_identifiers (
                profile_id varchar, identifier_type varchar, identifier_value varchar
            );
            create table meta.identity_measures (measure varchar, value double);
            """
        )
        try:
            connection.execute(
                """
                create table meta.identity_recorded as
                from present.meta.identity_recorded
                where happened_at <= $1 and recorded_at <= $2
                """,
                [as_of, known_at],
            )
            connection.execute(
                "create table marts.identity_history as "
                "select * exclude (recorded_at) from meta.identity_recorded"
            )
        except duckdb.CatalogException as error:
            raise PerennialError(
                f"{published} doesn't say since when its merges are known: `perennial run` once, "
                "then look back."
            ) from error
        connection.execute("detach present")
