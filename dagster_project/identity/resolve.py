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
import numpy as np

from dagster_project.errors import PerennialError
from dagster_project.identity.arrow import texts, write_table
from dagster_project.identity.evidence import Evidence, gather
from dagster_project.identity.history import read_previous, write_history, write_redirects
from dagster_project.identity.households import write_households
from dagster_project.identity.ids import write_profile_ids
from dagster_project.identity.joining import Joining
from dagster_project.identity.links import join_alike, join_all
from dagster_project.identity.matching import (
    SHIPPED_MODEL,
    Pairs,
    load_model,
    propose,
    train,
    write_records,
)
from dagster_project.identity.measures import write_measures
from dagster_project.identity.normalise import normalise
from dagster_project.identity.overrides import decide, read_overrides, told
from dagster_project.identity.people import write_people
from dagster_project.identity.rules import Rules, load_rules
from dagster_project.identity.tables import replaced, write_tables

logger = logging.getLogger(__name__)

SIGNALS = "staging.stg_identity__signals"


@dataclass(frozen=True, slots=True)
class IdentityReport:
    """What a resolution found, in counts; `model` is the file that likeness was judged by."""

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
) -> IdentityReport:
    """Rebuild schema identity from staging.stg_identity__signals, in one transaction.

    `previous` is the published.duckdb of the build before, for the history; `model` a saved
    matching model, by default the one that comes with Perennial; `overrides` what a steward
    decided, if there is such a file; `accept`, that measures may lie beyond their limits. Raises
    PerennialError when staging isn't there or one of the files can't be read; the tables are then
    as they were.
    """
    rules, model = rules or load_rules(), model or SHIPPED_MODEL
    with _scratch(connection):
        read_previous(connection, previous)
        evidence = _gather(connection, rules, default_country)
        decisions = decide(
            connection, read_overrides(overrides) if overrides else [], evidence.node_count
        )
        joining = join_all(connection, rules, evidence, decisions)
        pairs = propose(joining, rules, load_model(model))
        join_alike(joining, rules, pairs)
        joining.decide()
        _write_joining(connection, joining, pairs)
        write_profile_ids(connection, joining, salt=salt)
        with replaced(connection):
            write_tables(connection, rules, evidence.node_count)
            write_households(connection, rules, salt=salt)
            write_history(connection, as_of=as_of)
            write_redirects(connection)
            write_measures(connection, joining, rules, pairs, accept=accept)
    unmet = decisions.unmet(joining.person)
    report = _report(connection, as_of, model, decisions.unknown, unmet)
    for lines, found in (
        (decisions.unknown, "name an identifier that no record has"),
        (unmet, "aren't followed, as cannot_link keeps apart what they would make one"),
    ):
        if lines:
            logger.warning("%d overrides %s: %s", len(lines), found, told(lines))
    logger.info(
        "identity: %d profiles from %d signals, %d links, %d identifiers demoted",
        report.profiles,
        report.signals,
        report.links,
        sum(report.demoted.values()),
    )
    return report


def learn(
    connection: duckdb.DuckDBPyConnection, *, default_country: str, rules: Rules | None = None
) -> dict[str, Any]:
    """A matching model of the registrations in staging.stg_identity__signals: see matching.train.

    Raises PerennialError when staging isn't there, or tells too little to learn from.
    """
    with _scratch(connection):
        _gather(connection, rules or load_rules(), default_country)
        return train(connection)


def _gather(connection: duckdb.DuckDBPyConnection, rules: Rules, default_country: str) -> Evidence:
    """Everything that the signals say, normalised."""
    _number_signals(connection)
    normalise(connection, rules, signals="_identity_signals", default_country=default_country)
    evidence = gather(connection, rules, signals="_identity_signals")
    write_people(connection, rules, signals="_identity_signals")
    write_records(connection, signals="_identity_signals")
    return evidence


@contextmanager
def _scratch(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Leave no temporary table behind, whatever happens."""
    try:
        yield
    finally:
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


def _number_signals(connection: duckdb.DuckDBPyConnection) -> None:
    """_identity_signals: the signals, each with its signal_no from 0 on."""
    try:
        is_dense = connection.execute(
            f"select count(*) = coalesce(max(rowid) + 1, 0) from {SIGNALS}"
        ).fetchone()
    except duckdb.CatalogException as error:
        raise PerennialError(
            f"{SIGNALS} isn't in the warehouse: build the staging models before identity."
        ) from error
    # As a rule nothing is copied: a table that was written at once has all its row ids.
    kind, number = (
        ("view", "rowid") if is_dense == (True,) else ("table", "row_number() over () - 1")
    )
    connection.execute(
        f"create or replace temp {kind} _identity_signals as "
        f"select {number} as signal_no, * from {SIGNALS}"
    )


def _write_joining(connection: duckdb.DuckDBPyConnection, joining: Joining, pairs: Pairs) -> None:
    """What the joining decided, as tables: holders, demoted nodes, links that were cut or found."""
    holder = joining.holders(int(joining.evidence.node_strength.max(initial=0)))
    held = np.flatnonzero(holder >= 0)
    write_table(connection, "_identity_holders", {"signal_no": held, "node": holder[held]})
    demotions = joining.demotions
    empty = [np.empty(0, dtype=np.int64)]
    write_table(
        connection,
        "_identity_demotions",
        {
            "node": np.concatenate(empty + [demotion.node for demotion in demotions]),
            "reason": texts(
                [demotion.reason for demotion in demotions for _ in range(len(demotion.node))]
            ),
            "person_count": np.concatenate(
                empty + [demotion.person_count for demotion in demotions]
            ),
            "person_limit": np.concatenate(
                empty
                + [
                    np.full(len(demotion.node), demotion.person_limit, dtype=np.int64)
                    for demotion in demotions
                ]
            ),
        },
    )
    write_table(
        connection,
        "_identity_cuts",
        {
            "from_node": np.concatenate(empty + [links.left for links in joining.cut_links]),
            "to_node": np.concatenate(empty + [links.right for links in joining.cut_links]),
        },
    )
    write_table(
        connection,
        "_identity_steered",
        {"node": np.unique(np.concatenate([*joining.decisions.one, *joining.decisions.apart]))},
    )
    left, right = joining.decided()
    write_table(connection, "_identity_decided", {"from_node": left, "to_node": right})
    write_table(
        connection,
        "_identity_alike",
        {
            "from_node": pairs.left,
            "to_node": pairs.right,
            "probability": pairs.probability,
            "is_one": joining.person[pairs.left] == joining.person[pairs.right],
        },
    )


def _report(
    connection: duckdb.DuckDBPyConnection,
    as_of: datetime,
    model: Path,
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
        model=model.name,
        unknown_overrides=unknown_overrides,
        unmet_overrides=unmet_overrides,
    )
