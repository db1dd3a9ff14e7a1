"""Who is who: from the signals of every source to persons with lasting ids.

Nothing of what is logged or reported here holds a personal value.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.identity import increment
from dagster_project.identity.history import (
    read_held,
    read_previous,
    write_history,
    write_redirects,
)
from dagster_project.identity.households import write_households
from dagster_project.identity.increment import NoIncrementError
from dagster_project.identity.judging import Judge, Judgement, gather_all, number_signals
from dagster_project.identity.matching import SHIPPED_MODEL, load_model, train
from dagster_project.identity.measures import write_measures
from dagster_project.identity.overrides import read_overrides, told
from dagster_project.identity.rules import Rules, load_rules
from dagster_project.identity.tables import all_or_nothing, replaced

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IdentityReport:
    """What a resolution found, in counts; `model` is the file that likeness was judged by.

    `judged_signals`: those of the persons who were judged anew; `why_all` says why everybody was,
    and is empty where new records' persons were.
    """

    signals: int
    unresolved_signals: int
    identifiers: int
    links: int
    cut_links: int
    alike: int
    review: int
    demoted: dict[str, int]
    profiles: int
    households: int
    merges: int
    splits: int
    largest_profile: int
    model: str
    judged_signals: int
    why_all: str
    unknown_overrides: tuple[int, ...]
    unmet_overrides: tuple[int, ...]


def resolve(
    connection: duckdb.DuckDBPyConnection,
    *,
    as_of: datetime,
    default_country: str,
    salt: str,
    previous: Path | None,
    rules: Rules | None = None,
    model: Path | None = None,
    overrides: Path | None = None,
    accept: bool = False,
    full: bool = False,
) -> IdentityReport:
    """Bring schema identity up to staging.stg_identity__signals, in one transaction.

    `previous` is the published.duckdb of the build before, for the history; `model` a saved
    matching model, by default the one that comes with Perennial; `overrides` what a steward
    decided, if there is such a file; `accept`, that measures may lie beyond their limits; `full`,
    that everybody is to be judged anew, not only those whom new records reach (increment.py).
    Raises PerennialError when staging isn't there or one of the files can't be read; the tables are
    then as they were.
    """
    rules, model = rules or load_rules(), model or SHIPPED_MODEL
    decided = read_overrides(overrides) if overrides else []
    judge = Judge(connection, rules, load_model(model), decided, default_country, salt)
    with _scratch(connection):
        try:
            state = increment.go_on(connection, judge.digest, as_of=as_of, rules=rules, full=full)
            if not read_previous(connection, previous, resolution=state.resolution_id):
                raise NoIncrementError("the last resolution wasn't published")
            judgement = _judge_reached(judge)
            judged_all_at, why_all = state.judged_all_at, ""
        except NoIncrementError as reason:
            _clear(connection)
            read_previous(connection, previous, resolution=None)
            judgement = _judge_all(judge)
            judged_all_at, why_all = as_of, str(reason)
            read_held(connection, previous)
        with _written(judge, judgement, is_part=not why_all):
            write_households(connection, rules, salt=salt)
            write_history(connection, as_of=as_of)
            write_redirects(connection)
            write_measures(connection, rules, accept=accept)
            increment.write_state(connection, judged_all_at=judged_all_at, digest=judge.digest)
    decisions = judgement.decisions
    unmet = decisions.unmet(judgement.joining.person)
    report = _report(
        connection,
        as_of,
        model=model.name,
        judged_signals=judgement.gathered.signal_count,
        why_all=why_all,
        unknown_overrides=decisions.unknown,
        unmet_overrides=unmet,
    )
    for lines, found in (
        (decisions.unknown, "name an identifier that no record has"),
        (unmet, "aren't followed, as cannot_link keeps apart what they would make one"),
    ):
        if lines:
            logger.warning("%d overrides %s: %s", len(lines), found, told(lines))
    logger.info(
        "identity: %d profiles from %d signals, %d links, %d identifiers demoted; %d signals "
        "judged anew%s",
        report.profiles,
        report.signals,
        report.links,
        sum(report.demoted.values()),
        report.judged_signals,
        f", as {why_all}" if why_all else "",
    )
    return report


def learn(
    connection: duckdb.DuckDBPyConnection, *, default_country: str, rules: Rules | None = None
) -> dict[str, Any]:
    """A matching model of the registrations in staging.stg_identity__signals: see matching.train.

    Raises PerennialError when staging isn't there, or tells too little to learn from.
    """
    with _scratch(connection):
        gather_all(connection, rules or load_rules(), default_country)
        return train(connection)


def _judge_all(judge: Judge) -> Judgement:
    number_signals(judge.connection)
    increment.know_nothing(judge.connection)
    return judge.judge()


def _judge_reached(judge: Judge) -> Judgement:
    """Judge those whom signals reach that are new, gone or changed, and whoever is like them."""
    connection = judge.connection
    increment.compare(connection, judge.rules)
    increment.take_changed(connection, judge.rules)
    judge.normalise()
    increment.reach(connection, judge.rules, judge.overrides)
    for _ in range(increment.MOST_ROUNDS):
        increment.take_reached(connection, judge.rules)
        judgement = judge.judge(others="_identity_others")
        if not increment.draw_in(connection):
            return judgement
    raise NoIncrementError("those who are alike lead on to too many others")


@contextmanager
def _written(judge: Judge, judgement: Judgement, *, is_part: bool) -> Iterator[None]:
    """Write what was judged, and in the same transaction whatever the block writes."""
    judge.conclude(judgement)
    if not is_part:
        with replaced(judge.connection):
            judge.write(judgement)
            yield
        return
    try:
        with increment.apart(judge.connection):
            judge.write(judgement)
        with all_or_nothing(judge.connection):
            increment.replace_part(judge.connection)
            yield
    finally:
        increment.forget_part(judge.connection)


@contextmanager
def _scratch(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Leave no temporary table behind, whatever happens."""
    try:
        yield
    finally:
        _clear(connection)


def _clear(connection: duckdb.DuckDBPyConnection) -> None:
    left = connection.execute(
        r"""
        select table_name, table_type from information_schema.tables
        where table_catalog = 'temp' and table_name like '\_identity\_%' escape '\'
        order by table_type desc
        """
    ).fetchall()
    for name, kind in left:
        what = "view" if kind == "VIEW" else "table"
        connection.execute(f"drop {what} if exists temp.{name}")


def _report(
    connection: duckdb.DuckDBPyConnection,
    as_of: datetime,
    *,
    model: str,
    judged_signals: int,
    why_all: str,
    unknown_overrides: tuple[int, ...],
    unmet_overrides: tuple[int, ...],
) -> IdentityReport:
    def count(query: str, *values: object) -> int:
        row = connection.execute(query, list(values)).fetchone()
        return int(row[0]) if row and row[0] is not None else 0

    changes = "select count(*) from identity.history where happened_at = $1 and kind = $2"
    return IdentityReport(
        signals=count("select count(*) from identity.resolved"),
        unresolved_signals=count("select count(*) from identity.resolved where profile_id is null"),
        identifiers=count("select sum(identifier_count) from identity.profiles"),
        links=count("select count(*) from identity.links"),
        cut_links=count("select count(*) from identity.cut_links"),
        alike=count("select count(*) from identity.links where rule = 'alike'"),
        review=count("select count(*) from identity.review"),
        demoted=dict(
            connection.execute(
                "select identifier_type, count(*) from identity.demoted group by all order by all"
            ).fetchall()
        ),
        profiles=count("select count(*) from identity.profiles"),
        households=count("select count(distinct household_id) from identity.household_members"),
        merges=count(changes, as_of, "merge"),
        splits=count(changes, as_of, "split"),
        largest_profile=count("select max(identifier_count) from identity.profiles"),
        model=model,
        judged_signals=judged_signals,
        why_all=why_all,
        unknown_overrides=unknown_overrides,
        unmet_overrides=unmet_overrides,
    )
