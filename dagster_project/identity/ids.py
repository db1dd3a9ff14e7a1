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

from dagster_project.identity.arrow import write_table
from dagster_project.identity.joining import Joining

# 80 bits: among 100 million persons, two share an id with a probability of about 4 in a billion.
_HEX_DIGITS = 20
_SEPARATOR = 31  # ASCII unit separator: no identifier holds a control character


def write_profile_ids(
    connection: duckdb.DuckDBPyConnection, joining: Joining, *, salt: str
) -> None:
    """Make _identity_members, one row a node that joined somebody: node, profile_id, is_anchor."""
    write_table(
        connection,
        "_identity_labels",
        {
            "node": np.arange(len(joining.person), dtype=np.int64),
            "person": joining.person,
            "is_demoted": joining.is_demoted,
        },
    )
    connection.execute(
        f"""
        create or replace temp table _identity_members as
        with joined as (
            select node, person from _identity_labels where not is_demoted
        ),
        anchors as (
            select joined.person, arg_min(
                joined.node,
                {{'at': coalesce(nodes.first_seen_at, 'infinity'), 'node': joined.node}}
            ) as node
            from joined join _identity_nodes as nodes using (node)
            group by joined.person
        ),
        profiles as (
            select anchors.person, anchors.node as anchor_node,
                {salted_id("p", "nodes.identifier_type", "nodes.value")} as profile_id
            from anchors join _identity_nodes as nodes using (node)
        )
        select joined.node, profiles.profile_id, joined.node = profiles.anchor_node as is_anchor
        from joined join profiles using (person)
        """,
        [salt],
    )
    connection.execute("drop table _identity_labels")


def salted_id(prefix: str, *columns: str) -> str:
    """The SQL expression of an id made of texts; the salt is the query's first parameter."""
    hashed = f"sha256(concat_ws(chr({_SEPARATOR}), $1, {', '.join(columns)}))"
    return f"'{prefix}_' || left({hashed}, {_HEX_DIGITS})"
