"""Why an identifier belongs to its person: the link that ties it towards the person's anchor.

Of all ways from an identifier to the anchor (ids.py says which identifier that is), the one taken
needs a steward's word least often, then likeness least often, then the fewest links; of equal ones
it begins with the oldest link. The links taken are a tree of each person, rooted in the anchor.
"""

from collections.abc import Sequence

import duckdb
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from dagster_project.identity.arrow import Integers, integers, write_table

# The length of a link; a million links of records are shorter than one likeness, and a million
# likenesses than one word of a steward. Exact in a double for 4,000 such words on one way.
_LIKENESS = 2**20
_STEWARD = 2**40
_NEVER = np.iinfo(np.int64).max
_LENGTH = f"""case
    when source = 'steward' then {_STEWARD} + 1
    when probability is not null then {_LIKENESS} + 1
    else 1 end"""


def write_tied(connection: duckdb.DuckDBPyConnection, node_count: int) -> None:
    """Make _identity_tied: one row a node that joined somebody and is no anchor.

    node, nearer (the node it is tied to), link (rowid of _identity_link_nodes), steps (to the
    anchor).
    """
    anchors = integers(connection, "select node from _identity_members where is_anchor")["node"]
    distance = _distances(connection, node_count, anchors)
    links = integers(
        connection,
        f"""
        select rowid as link, from_node, to_node, {_LENGTH} as length,
            coalesce(epoch_us(first_seen_at), {_NEVER}) as seen,
            4 * coalesce(list_position((
                select list(distinct source order by source) from _identity_link_nodes
            ), source), 0) + 2 * is_passed_on::bigint + is_previous::bigint as kind
        from _identity_link_nodes
        """,
    )
    towards = []
    for away, nearer in (("from_node", "to_node"), ("to_node", "from_node")):
        length = distance[links[nearer]]
        chosen = np.isfinite(length) & (distance[links[away]] == length + links["length"])
        towards.append([links[name][chosen] for name in (away, "seen", nearer, "kind", "link")])
    columns = [np.concatenate(both) for both in zip(*towards, strict=True)]
    node, (_, nearer_node, _, link) = _first_of_each(columns[0], columns[1:], node_count)
    write_table(
        connection,
        "_identity_tied",
        {
            "node": node,
            "nearer": nearer_node,
            "link": link,
            "steps": distance[node].astype(np.int64) % _LIKENESS,
        },
    )


def _distances(
    connection: duckdb.DuckDBPyConnection, node_count: int, anchors: Integers
) -> NDArray[np.float64]:
    """The length of each node's shortest way to an anchor; infinite where there is none."""
    if len(anchors) == 0:
        return np.full(node_count, np.inf)
    pairs = integers(
        connection,
        f"""
        select from_node, to_node, min({_LENGTH}) as length
        from _identity_link_nodes group by from_node, to_node
        """,
    )
    graph = csr_array(
        (pairs["length"].astype(np.float64), (pairs["from_node"], pairs["to_node"])),
        shape=(node_count, node_count),
    )
    return np.asarray(dijkstra(graph, directed=False, indices=anchors, min_only=True))


def _first_of_each(
    node: Integers, keys: Sequence[Integers], node_count: int
) -> tuple[Integers, Sequence[Integers]]:
    """Each node once, with the keys of the row that comes first by all of them."""
    for position in range(len(keys)):
        least = np.full(node_count, _NEVER)
        np.minimum.at(least, node, keys[position])
        first = keys[position] == least[node]
        node, keys = node[first], [key[first] for key in keys]
    return node, keys
