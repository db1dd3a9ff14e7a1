"""The judgement of who is one person, on whatever signals are laid before it.

It knows nothing of builds: it makes temporary tables of what it found, and from these the tables of
schema identity in the database that is in use.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import duckdb
import numpy as np

from dagster_project.errors import PerennialError
from dagster_project.identity.arrow import texts, write_table
from dagster_project.identity.evidence import Evidence, gather
from dagster_project.identity.households import write_residents
from dagster_project.identity.ids import write_profile_ids
from dagster_project.identity.increment import digest
from dagster_project.identity.joining import Joining
from dagster_project.identity.links import join_alike, join_all
from dagster_project.identity.matching import Pairs, keep_records, propose, write_records
from dagster_project.identity.measures import write_shapes
from dagster_project.identity.neighbours import write_neighbours
from dagster_project.identity.normalise import normalise
from dagster_project.identity.overrides import Decisions, Override, decide
from dagster_project.identity.people import write_people
from dagster_project.identity.rules import Rules
from dagster_project.identity.tables import SIGNALS, write_tables


@dataclass(frozen=True, slots=True)
class Judgement:
    """Who is who. `gathered` is the evidence before anything in it was handed over."""

    gathered: Evidence
    decisions: Decisions
    joining: Joining
    pairs: Pairs


@dataclass(frozen=True)
class Judge:
    """All that a judgement goes by, beside the signals in _identity_signals."""

    connection: duckdb.DuckDBPyConnection
    rules: Rules
    model: dict[str, Any]
    overrides: Sequence[Override]
    default_country: str
    salt: str

    @cached_property
    def digest(self) -> str:
        """A text that is another one as soon as anything of this is."""
        return digest(self.rules, self.model, self.overrides, self.default_country, self.salt)

    def normalise(self) -> None:
        """Make _identity_mentioned and _identity_values (normalise.py)."""
        normalise(
            self.connection,
            self.rules,
            signals="_identity_signals",
            default_country=self.default_country,
        )

    def judge(self, *, others: str | None = None) -> Judgement:
        """Join what belongs to one person; `others` is as in matching.propose."""
        evidence = _gather(
            self.connection, self.rules, self.default_country, elsewhere="_identity_elsewhere"
        )
        decisions = decide(self.connection, list(self.overrides), evidence.node_count)
        joining = join_all(self.connection, self.rules, evidence, decisions)
        pairs = propose(joining, self.rules, self.model, others=others)
        join_alike(joining, self.rules, pairs)
        joining.decide()
        return Judgement(evidence, decisions, joining, pairs)

    def conclude(self, judgement: Judgement) -> None:
        """Make temporary tables of what was judged, which the tables are written from."""
        joining, pairs = judgement.joining, judgement.pairs
        _write_joining(self.connection, joining, pairs)
        write_profile_ids(self.connection, joining, salt=self.salt)
        write_shapes(self.connection, joining, self.rules, pairs)

    def write(self, judgement: Judgement) -> None:
        """Write the tables that one person's rows hang on nobody else in."""
        write_tables(self.connection, self.rules, judgement.gathered.node_count)
        write_residents(self.connection, self.rules)
        write_neighbours(judgement.joining, judgement.gathered, self.rules, judgement.pairs)
        keep_records(self.connection)


def gather_all(
    connection: duckdb.DuckDBPyConnection, rules: Rules, default_country: str
) -> Evidence:
    """Everything that the signals of staging say, normalised."""
    number_signals(connection)
    return _gather(connection, rules, default_country)


def _gather(
    connection: duckdb.DuckDBPyConnection,
    rules: Rules,
    default_country: str,
    elsewhere: str | None = None,
) -> Evidence:
    normalise(
        connection,
        rules,
        signals="_identity_signals",
        default_country=default_country,
        elsewhere=elsewhere,
    )
    evidence = gather(connection, rules, signals="_identity_signals")
    write_people(connection, rules, signals="_identity_signals")
    write_records(connection, signals="_identity_signals")
    return evidence


def number_signals(connection: duckdb.DuckDBPyConnection) -> None:
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
