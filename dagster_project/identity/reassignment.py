"""Identifiers that were passed on: a phone number or a device that one person had, then another.

It is so where the persons are strangers to each other and none of them uses it any more when the
next one begins to. Then each has it in their own time: records that carry nothing stronger are the
holder's of that time, and only the present holder is reached by it. Persons who use it at once
share it, which is judged in demotion.py.
"""

import duckdb
import numpy as np

from dagster_project.identity.arrow import Integers, integers, write_table
from dagster_project.identity.evidence import seen
from dagster_project.identity.joining import Joining, Links, distinct_pairs
from dagster_project.identity.people import strangers
from dagster_project.identity.rules import IdentifierRule, Rules

# What a registration says is known of the day it was last written; earlier it may have been other.
_REGISTERS = "('erp_customers', 'pos_members')"


def begin(connection: duckdb.DuckDBPyConnection) -> None:
    """Nothing was passed on yet."""
    connection.execute(
        """
        create or replace temp table _identity_reassigned (
            signal_no bigint, node bigint, holder bigint, held_until timestamptz,
            is_unnamed boolean
        )
        """
    )


def hand_over(joining: Joining, rules: Rules, rule: IdentifierRule, links: Links) -> bool:
    """Give what was passed on to each holder in their time; False where nothing was.

    A former holder's records name that holder from here on, in place of the identifier: in the
    evidence and in _identity_mentions. Temp table _identity_reassigned says which: signal_no, node,
    holder (a registration of theirs), held_until, is_unnamed (the record carries none of theirs).
    """
    held = _held_by_several(joining, rules, rule, links)
    if not len(held):
        return False
    evidence = joining.evidence
    is_held = np.zeros(evidence.node_count, dtype=np.bool_)
    is_held[held] = True
    used = is_held[evidence.mention_node] & (evidence.mention_strength == rule.strength)
    node, signal = evidence.mention_node[used], evidence.mention_signal[used]
    holder = joining.holders(rules.weakest_registered)[signal]
    person = np.where(holder >= 0, joining.person[holder], -1)
    write_table(
        joining.connection,
        "_identity_uses",
        {"signal_no": signal, "node": node, "holder": holder, "person": person},
    )
    known = person >= 0
    unlike = strangers(
        joining.connection,
        *distinct_pairs(node[known], person[known], evidence.node_count),
        joining.person,
        may_be_unknown=rule.names_must_agree,
    )
    write_table(joining.connection, "_identity_strangers", {"node": unlike})
    _write_reassigned(joining, rule)
    moved = integers(joining.connection, "select signal_no, node, holder from _identity_passed_on")
    joining.evidence = evidence.renamed(**moved)
    return len(moved["node"]) > 0


def _held_by_several(
    joining: Joining, rules: Rules, rule: IdentifierRule, links: Links
) -> Integers:
    """The identifiers of this type that tie more than one registered person, and no crowd."""
    count = joining.evidence.node_count
    is_registered = np.zeros(count, dtype=np.bool_)
    registered = joining.evidence.nodes_of(rules.registered) & ~joining.is_demoted
    is_registered[joining.person[registered]] = True
    node, person = distinct_pairs(links.right, joining.person[links.left], count)
    persons = np.bincount(node[is_registered[person]], minlength=count)
    return np.flatnonzero((persons > 1) & (persons <= rule.person_limit))


def _write_reassigned(joining: Joining, rule: IdentifierRule) -> None:
    joining.connection.execute(
        f"""
        create or replace temp table _identity_passed_on as
        with uses as (
            select uses.*, signals.last_seen_at as until_at,
                case when signals.source_table in {_REGISTERS} then signals.last_seen_at
                    else signals.first_seen_at end as used_at
            from _identity_uses as uses
            semi join _identity_strangers using (node)
            join _identity_signals as signals using (signal_no)
        ),
        held as (
            select node, person, min(holder) as holder, min(used_at) as held_from,
                max(until_at) as used_until, bool_or(used_at is null) as is_timeless
            from uses
            where person >= 0
            group by node, person
        ),
        ordered as (
            select *, lag(used_until) over times as left_at, lead(held_from) over times
                as held_until, row_number() over times = 1 as is_first
            from held
            window times as (partition by node order by held_from, used_until, person)
        ),
        disjoint as (
            select node
            from ordered
            group by node
            having not bool_or(is_timeless) and bool_and(
                coalesce(held_from > left_at + to_days({rule.reassigned_after_days}), true)
            )
        )
        select uses.signal_no, uses.node,
            case when uses.person < 0 then ordered.holder else uses.holder end as holder,
            ordered.held_until, uses.person < 0 as is_unnamed
        from uses
        join ordered using (node)
        semi join disjoint on disjoint.node = uses.node
        where ordered.held_until is not null and (
            uses.person = ordered.person
            or uses.person < 0 and uses.used_at < ordered.held_until
                and (ordered.is_first or uses.used_at >= ordered.held_from)
        );
        insert into _identity_reassigned from _identity_passed_on;
        delete from _identity_mentions as mentions
        using _identity_passed_on as passed
        where mentions.signal_no = passed.signal_no and mentions.node = passed.node;
        insert into _identity_mentions
        select passed.signal_no, passed.holder, false
        from _identity_passed_on as passed
        anti join _identity_mentions as mentions
            on mentions.signal_no = passed.signal_no and mentions.node = passed.holder;
        delete from _identity_seen where node in (select node from _identity_passed_on);
        insert into _identity_seen
        {seen("_identity_signals")} where mentions.node in (select node from _identity_passed_on)
        group by all;
        update _identity_nodes as nodes
        set first_seen_at = seen.first_seen_at, last_seen_at = seen.last_seen_at,
            record_count = seen.record_count
        from (
            select node, min(first_seen_at) as first_seen_at, max(last_seen_at) as last_seen_at,
                sum(record_count)::bigint as record_count
            from _identity_seen
            where node in (select node from _identity_passed_on)
            group by node
        ) as seen
        where seen.node = nodes.node
        """
    )
