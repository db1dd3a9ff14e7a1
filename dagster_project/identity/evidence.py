"""The identifiers of every record as integers: nodes, and mentions of them by signals.

A node is an identifier in its one spelling. Nodes are numbered in order of strength and value, so
comparing two numbers compares the identifiers, and no numbering hangs on the order of rows.
"""

from dataclasses import dataclass, replace

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
    mention_strength: Integers
    signal_record_count: Integers
    signal_first_seen: Integers

    def nodes_of(self, rules: tuple[IdentifierRule, ...]) -> NDArray[np.bool_]:
        """Whether each node is of one of these types."""
        return np.isin(self.node_strength, [rule.strength for rule in rules])

    def renamed(self, signal_no: Integers, node: Integers, holder: Integers) -> "Evidence":
        """The same, but that a signal which mentions `node` mentions `holder` in its place."""
        base = max(self.node_count, 1)
        order = np.argsort(signal_no * base + node)
        keys, holder = (signal_no * base + node)[order], holder[order]
        is_asked = np.zeros(base, dtype=np.bool_)
        is_asked[node] = True
        asked = np.flatnonzero(is_asked[self.mention_node])
        wanted = self.mention_signal[asked] * base + self.mention_node[asked]
        place = np.searchsorted(keys, wanted)
        found = keys[np.minimum(place, len(keys) - 1)] == wanted
        renamed = self.mention_node.copy()
        renamed[asked[found]] = holder[place[found]]
        return replace(self, mention_node=renamed)


def gather(connection: duckdb.DuckDBPyConnection, rules: Rules, *, signals: str) -> Evidence:
    """Make temp tables of the normalised values and their records, and the arrays.

    _identity_nodes: node, identifier_type, strength, value, first_seen_at, last_seen_at,
    record_count. _identity_mentions: signal_no, node, is_previous; one row a signal and node.
    _identity_seen: node, source, first_seen_at, last_seen_at, record_count.
    """
    connection.execute(
        """
        create or replace temp table _identity_value_nodes as
        select value_no, strength, identifier_value as value,
            dense_rank() over spelled - 1 as node,
            (lag(strength) over spelled, lag(identifier_value) over spelled)
                is distinct from (strength, identifier_value) as is_first
        from _identity_values
        where identifier_value is not null
        window spelled as (order by strength, identifier_value)
        """
    )
    mentions = """
        select mentioned.signal_no, usable.node, mentioned.is_previous
        from _identity_mentioned as mentioned
        join _identity_values as written
            on written.strength = mentioned.strength
            and written.raw_value = mentioned.raw_value
            and written.country is not distinct from mentioned.country
        join _identity_value_nodes as usable on usable.value_no = written.value_no
    """
    connection.execute(
        f"""
        create or replace temp table _identity_mentions as
        {mentions} where not mentioned.is_previous;
        insert into _identity_mentions
        select distinct previous.*
        from ({mentions} where mentioned.is_previous) as previous
        anti join _identity_mentions using (signal_no, node)
        """
    )
    connection.execute(
        f"create or replace temp table _identity_seen as {seen(signals)} group by all"
    )
    types = ", ".join(f"({rule.strength}, '{rule.name}')" for rule in rules.identifiers)
    connection.execute(
        f"""
        create or replace temp table _identity_nodes as
        with seen as (
            select node, min(first_seen_at) as first_seen_at, max(last_seen_at) as last_seen_at,
                sum(record_count)::bigint as record_count
            from _identity_seen
            group by node
        )
        select nodes.node, types.identifier_type, nodes.strength, nodes.value,
            seen.first_seen_at, seen.last_seen_at, seen.record_count
        from _identity_value_nodes as nodes
        join seen using (node)
        join (values {types}) as types (strength, identifier_type) using (strength)
        where nodes.is_first
        """
    )
    connection.execute("drop table _identity_value_nodes")
    return _arrays(connection, signals)


def seen(signals: str) -> str:
    """SQL for the rows of _identity_seen, without its `group by all`."""
    return f"""
        select mentions.node, signals.source,
            min(signals.first_seen_at) as first_seen_at,
            max(signals.last_seen_at) as last_seen_at,
            sum(signals.record_count)::bigint as record_count
        from _identity_mentions as mentions
        join {signals} as signals using (signal_no)"""


def _arrays(connection: duckdb.DuckDBPyConnection, signals: str) -> Evidence:
    nodes = integers(connection, "select strength from _identity_nodes order by node")
    mentions = integers(
        connection,
        """
        select mentions.signal_no, mentions.node, nodes.strength
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
        mention_strength=mentions["strength"],
        signal_record_count=counts["record_count"],
        signal_first_seen=counts["first_seen"],
    )
