"""The identifiers of every record as integers: nodes, and mentions of them by signals.

A node is an identifier in its one spelling. Nodes are numbered in order of strength and value, so
comparing two numbers compares the identifiers, and no numbering hangs on the order of rows.
"""

from dataclasses import dataclass

import duckdb
import numpy as np
from numpy.typing import NDArray

from dagster_project.identity.arrow import Integers, integers
from dagster_project.identity.rules import IdentifierRule, Rules


@dataclass(frozen=True, slots=True)
class Evidence:
    """Parallel arrays. Mentions are ordered by signal and, within one, strongest first."""

    signal_count: int
    node_count: int
    node_strength: Integers
    mention_signal: Integers
    mention_node: Integers
    signal_record_count: Integers
    signal_first_seen: Integers

    @property
    def mention_strength(self) -> Integers:
        """The strength of each mention's identifier type."""
        return self.node_strength[self.mention_node]

    def nodes_of(self, rules: tuple[IdentifierRule, ...]) -> NDArray[np.bool_]:
        """Whether each node is of one of these types."""
        return np.isin(self.node_strength, [rule.strength for rule in rules])


def gather(connection: duckdb.DuckDBPyConnection, rules: Rules, *, signals: str) -> Evidence:
    """Make _identity_nodes and _identity_mentions of the normalised values, and the arrays.

    _identity_nodes: node, identifier_type, strength, value, first_seen_at, last_seen_at,
    record_count. _identity_mentions: signal_no, node, is_previous; one row a signal and node.
    """
    strengths = ", ".join(f"('{rule.name}', {rule.strength})" for rule in rules.identifiers)
    connection.execute(
        f"""
        create or replace temp table _identity_usable as
        select mentioned.signal_no, strengths.strength, spelled.identifier_value as value,
            bool_and(mentioned.is_previous) as is_previous
        from _identity_mentioned as mentioned
        join _identity_normalised as spelled
            on spelled.identifier_type = mentioned.identifier_type
            and spelled.raw_value = mentioned.raw_value
            and spelled.country is not distinct from mentioned.country
        join (values {strengths}) as strengths (identifier_type, strength)
            on strengths.identifier_type = mentioned.identifier_type
        where spelled.identifier_value is not null
        group by all
        """
    )
    connection.execute(
        f"""
        create or replace temp table _identity_nodes as
        with seen as (
            select usable.strength, usable.value,
                min(signals.first_seen_at) as first_seen_at,
                max(signals.last_seen_at) as last_seen_at,
                sum(signals.record_count)::bigint as record_count
            from _identity_usable as usable
            join {signals} as signals using (signal_no)
            group by usable.strength, usable.value
        )
        select row_number() over (order by seen.strength, seen.value) - 1 as node,
            strengths.identifier_type, seen.*
        from seen
        join (values {strengths}) as strengths (identifier_type, strength) using (strength)
        """
    )
    connection.execute(
        """
        create or replace temp table _identity_mentions as
        select usable.signal_no, nodes.node, usable.is_previous
        from _identity_usable as usable
        join _identity_nodes as nodes using (strength, value)
        """
    )
    connection.execute("drop table _identity_usable; drop table _identity_mentioned")
    nodes = integers(connection, "select strength from _identity_nodes order by node")
    mentions = integers(
        connection,
        """
        select mentions.signal_no, mentions.node
        from _identity_mentions as mentions join _identity_nodes as nodes using (node)
        order by mentions.signal_no, nodes.strength, mentions.is_previous, mentions.node
        """,
    )
    counts = integers(
        connection,
        f"""
        select record_count, coalesce(epoch_us(first_seen_at), 9223372036854775807) as first_seen
        from {signals} order by signal_no
        """,
    )
    return Evidence(
        signal_count=len(counts["record_count"]),
        node_count=len(nodes["strength"]),
        node_strength=nodes["strength"],
        mention_signal=mentions["signal_no"],
        mention_node=mentions["node"],
        signal_record_count=counts["record_count"],
        signal_first_seen=counts["first_seen"],
    )
