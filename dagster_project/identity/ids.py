"""Profile ids that a rebuild gives back: a pure function of who the person is.

The id is a salted hash of the person's anchor: of all identifiers that were joined, the one seen
first; among equally old ones the strongest type, then the smallest value. So

* no order of rows, files or runs changes an id;
* later records keep it, whatever stronger identifiers they bring (an anonymous visitor who signs in
  stays the same person): nothing newer can be older than the anchor;
* when two persons turn out to be one, the older one's anchor, and so its id, survives.

It changes only if an older identifier comes to light late, or if the anchor itself is demoted or
cut off: history.py tells each such case, and the former id leads to the present one.
"""

import duckdb
import numpy as np

from dagster_project.identity.arrow import Integers, integers, write_table
from dagster_project.identity.joining import Joining

# 80 bits: among 100 million persons, two share an id with a probability of about 4 in a billion.
_HEX_DIGITS = 20
_NEVER = np.iinfo(np.int64).max
_SEPARATOR = 31  # ASCII unit separator: no identifier holds a control character


def write_profile_ids(
    connection: duckdb.DuckDBPyConnection, joining: Joining, *, salt: str
) -> None:
    """Make _identity_members, one row a node that joined somebody.

    node, anchor (the person's), profile_id, is_anchor.
    """
    node = np.flatnonzero(~joining.is_demoted)
    write_table(connection, "_identity_labels", {"node": node, "anchor": _anchors(joining, node)})
    connection.execute(
        f"""
        create or replace temp table _identity_members as
        with profiles as (
            select node as anchor,
                {salted_id("p", "nodes.identifier_type", "nodes.value")} as profile_id
            from _identity_nodes as nodes
            where node in (select anchor from _identity_labels)
        )
        select labels.node, labels.anchor, profiles.profile_id, labels.node = labels.anchor
            as is_anchor
        from _identity_labels as labels join profiles using (anchor)
        """,
        [salt],
    )
    connection.execute("drop table _identity_labels")


def _anchors(joining: Joining, node: Integers) -> Integers:
    """The anchor of each node's person."""
    count = joining.evidence.node_count
    first_seen = integers(
        joining.connection,
        f"""
        select coalesce(epoch_us(first_seen_at), {_NEVER}) as first_seen
        from _identity_nodes order by node
        """,
    )["first_seen"][node]
    person = joining.person[node]
    earliest = np.full(count, _NEVER)
    np.minimum.at(earliest, person, first_seen)
    is_oldest = first_seen == earliest[person]
    anchor = np.full(count, count, dtype=np.int64)
    np.minimum.at(anchor, person[is_oldest], node[is_oldest])
    return anchor[person]


def salted_id(prefix: str, *columns: str) -> str:
    """The SQL expression of an id made of texts; the salt is the query's first parameter."""
    hashed = f"sha256(concat_ws(chr({_SEPARATOR}), $1, {', '.join(columns)}))"
    return f"'{prefix}_' || left({hashed}, {_HEX_DIGITS})"
