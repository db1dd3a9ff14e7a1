"""A few numbers of each build that tell when identity went wrong, and how far they may move.

* largest_profile: identifiers of the person who has the most;
* share_joined: the share of records whose person has more than one identifier;
* several_registrations: the share of registered persons with two registrations of one kind;
* changed: the share of former persons who were merged or split, but for what a steward decided;
* estimated_precision: the share of the pairs of registrations in one person that are right, as far
  as the records tell: those that contradict each other count as wrong, those that were joined as
  alike with their probability.

Each is made of what identity.profiles says of every person.
"""

import duckdb
import numpy as np
import pyarrow as pa

from dagster_project.identity.arrow import integers, write_table
from dagster_project.identity.joining import Joining
from dagster_project.identity.matching import Pairs
from dagster_project.identity.people import pairs_within
from dagster_project.identity.rules import MEASURES, Rules

_VALUES = """
    select 'largest_profile' as measure, coalesce(max(identifier_count), 0)::double as value
    from identity.profiles
    union all
    select 'share_joined',
        sum(if(identifier_count > 1, record_count, 0)) / nullif(sum(record_count), 0)
    from identity.profiles
    union all
    select 'several_registrations',
        count(*) filter (most_of_a_kind > 1) / nullif(count(*) filter (most_of_a_kind > 0), 0)
    from identity.profiles
    union all
    select 'changed', (
        with decided as (
            select distinct before.profile_id
            from _identity_before as before
            join _identity_nodes as nodes using (identifier_type, value)
            semi join _identity_steered as steered using (node)
        )
        select count(distinct from_profile_id)
        from _identity_moves
        where from_profile_id not in (select profile_id from decided)
    ) / nullif((select person_count from _identity_persons_before), 0)
    union all
    select 'estimated_precision',
        case when sum(pairs) > 0
            then greatest(0, 1 - (sum(pairs_apart) + sum(doubt)::double) / sum(pairs)) end
    from identity.profiles
"""


def write_shapes(
    connection: duckdb.DuckDBPyConnection, joining: Joining, rules: Rules, pairs: Pairs
) -> None:
    """Make _identity_shapes, what identity.profiles says of each person: one row an anchor.

    anchor, record_count, most_of_a_kind (registrations of one kind), pairs (of registrations that
    say of whom they are), pairs_apart (of these, those that contradict each other), doubt (how many
    pairs that are alike may be wrong, in millionths).
    """
    evidence = joining.evidence
    count = evidence.node_count
    usable = ~joining.is_demoted
    holder = joining.holders(len(rules.identifiers) - 1)
    held = holder >= 0
    records = np.zeros(count, dtype=np.int64)
    np.add.at(records, joining.person[holder[held]], evidence.signal_record_count[held])
    registered = usable & evidence.nodes_of(rules.registered)
    most = np.zeros(count, dtype=np.int64)
    for rule in rules.registered:
        of_a_kind = registered & (evidence.node_strength == rule.strength)
        most = np.maximum(most, np.bincount(joining.person[of_a_kind], minlength=count))
    within = pairs_within(connection, np.where(usable, joining.person, -1))
    number, apart = np.zeros((2, count), dtype=np.int64)
    number[within["person"]], apart[within["person"]] = within["pairs"], within["apart"]
    doubt = np.zeros(count, dtype=np.int64)
    one = joining.person[pairs.left]
    joined = one == joining.person[pairs.right]
    millionths = np.rint((1 - pairs.probability[joined]) * 1_000_000).astype(np.int64)
    np.add.at(doubt, one[joined], millionths)
    anchor = integers(connection, "select node from _identity_members where is_anchor")["node"]
    person = joining.person[anchor]
    write_table(
        connection,
        "_identity_shapes",
        {
            "anchor": anchor,
            "record_count": records[person],
            "most_of_a_kind": most[person],
            "pairs": number[person],
            "pairs_apart": apart[person],
            "doubt": doubt[person],
        },
    )


def write_measures(connection: duckdb.DuckDBPyConnection, rules: Rules, *, accept: bool) -> None:
    """Write identity.measures: measure, value, before, lowest, highest, is_within, is_accepted.

    The value is null where there is nothing to measure; a limit, where there is none. What is
    beyond its limits is accepted if somebody said so for this build (`accept`).
    """
    bounds = [rules.gates[measure] for measure in MEASURES]
    write_table(
        connection,
        "_identity_bounds",
        {"measure": list(MEASURES)}
        | {
            limit: pa.array([getattr(bound, limit) for bound in bounds], pa.float64())
            for limit in ("at_least", "at_most", "may_fall", "may_rise")
        },
    )
    connection.execute(
        f"""
        create or replace table identity.measures as
        with limited as (
            select measured.measure, measured.value::double as value, past.value as before,
                greatest(bounds.at_least, past.value - bounds.may_fall) as lowest,
                least(bounds.at_most, past.value + bounds.may_rise) as highest
            from ({_VALUES}) as measured
            join _identity_bounds as bounds using (measure)
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
