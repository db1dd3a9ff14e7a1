"""A few numbers of each build that tell when identity went wrong, and how far they may move.

* largest_profile: identifiers of the person who has the most;
* share_joined: the share of records whose person has more than one identifier;
* several_registrations: the share of registered persons with two registrations of one kind;
* changed: the share of former persons who were merged or split, but for what a steward decided;
* estimated_precision: the share of the pairs of registrations in one person that are right, as far
  as the records tell: those that contradict each other count as wrong, those that were joined as
  alike with their probability.
"""

import duckdb
import numpy as np

from dagster_project.identity.arrow import texts, write_table
from dagster_project.identity.joining import Joining
from dagster_project.identity.matching import Pairs
from dagster_project.identity.people import pairs_within
from dagster_project.identity.rules import Rules


def write_measures(
    connection: duckdb.DuckDBPyConnection,
    joining: Joining,
    rules: Rules,
    pairs: Pairs,
    *,
    accept: bool,
) -> None:
    """Write identity.measures: measure, value, before, lowest, highest, is_within, is_accepted.

    The value is null where there is nothing to measure; a limit, where there is none. What is
    beyond its limits is accepted if somebody said so for this build (`accept`).
    """
    values = {
        **_shapes(joining, rules),
        "changed": _changed(connection),
        "estimated_precision": _estimated_precision(connection, joining, pairs),
    }
    bounds = [rules.gates[measure] for measure in values]
    write_table(
        connection,
        "_identity_measured",
        {
            "measure": texts(list(values)),
            "value": list(values.values()),
            "at_least": [bound.at_least for bound in bounds],
            "at_most": [bound.at_most for bound in bounds],
            "may_fall": [bound.may_fall for bound in bounds],
            "may_rise": [bound.may_rise for bound in bounds],
        },
    )
    connection.execute(
        """
        create or replace table identity.measures as
        with limited as (
            select measured.measure, measured.value::double as value, past.value as before,
                greatest(measured.at_least::double, past.value - measured.may_fall) as lowest,
                least(measured.at_most::double, past.value + measured.may_rise) as highest
            from _identity_measured as measured
            left join _identity_measured_before as past using (measure)
        )
        select *, coalesce(value >= lowest, true) and coalesce(value <= highest, true)
                as is_within,
            not is_within and $1 as is_accepted
        from limited
        order by measure
        """,
        [accept],
    )


def _shapes(joining: Joining, rules: Rules) -> dict[str, float | None]:
    evidence = joining.evidence
    usable = ~joining.is_demoted
    sizes = np.bincount(joining.person[usable], minlength=evidence.node_count)
    holder = joining.holders(len(rules.identifiers) - 1)
    held = holder >= 0
    records = evidence.signal_record_count[held]
    joined = sizes[joining.person[holder[held]]] > 1
    registered = usable & evidence.nodes_of(rules.registered)
    is_registered = np.zeros(evidence.node_count, dtype=np.bool_)
    is_registered[joining.person[registered]] = True
    persons = np.count_nonzero(is_registered)
    kinds = len(rules.identifiers)
    kind = np.sort(joining.person[registered] * kinds + evidence.node_strength[registered])
    several = len(np.unique(kind[1:][kind[1:] == kind[:-1]] // kinds))
    return {
        "largest_profile": float(sizes.max(initial=0)),
        "share_joined": float(records[joined].sum() / records.sum()) if len(records) else None,
        "several_registrations": several / persons if persons else None,
    }


def _changed(connection: duckdb.DuckDBPyConnection) -> float | None:
    row = connection.execute(
        """
        with decided as (
            select distinct before.profile_id
            from _identity_before as before
            join _identity_nodes as nodes using (identifier_type, value)
            semi join _identity_steered as steered using (node)
        ),
        moved as (
            select distinct from_profile_id as profile_id from _identity_moves
            anti join decided on decided.profile_id = from_profile_id
        )
        select (select count(*) from moved) / nullif(count(distinct profile_id), 0)
        from _identity_before
        """
    ).fetchone()
    return None if row is None or row[0] is None else float(row[0])


def _estimated_precision(
    connection: duckdb.DuckDBPyConnection, joining: Joining, pairs: Pairs
) -> float | None:
    count, contradicting = pairs_within(
        connection, np.where(joining.is_demoted, -1, joining.person)
    )
    if not count:
        return None
    joined = joining.person[pairs.left] == joining.person[pairs.right]
    doubt = float((1 - pairs.probability[joined]).sum())
    return max(0.0, 1 - (contradicting + doubt) / count)
