"""Who has to be judged together: persons whose records share anything, even what joins nobody.

A family's phone was demoted because of the two who use it: whoever judges one of them anew has to
look at both. So persons are neighbours who share an identifier, demoted or not, a link that was cut
or handed over, or are alike enough to be reviewed, and so are their neighbours. What a crowd shares
(rules.toml says how many are one) makes nobody neighbours: it is demoted, and a few records more or
less don't change that.
"""

import numpy as np

from dagster_project.identity.arrow import Integers, integers, write_table
from dagster_project.identity.components import Flags, component_labels
from dagster_project.identity.evidence import Evidence
from dagster_project.identity.joining import Joining, distinct_pairs
from dagster_project.identity.matching import Pairs
from dagster_project.identity.rules import Rules
from dagster_project.identity.tables import fingerprint


def write_neighbours(joining: Joining, gathered: Evidence, rules: Rules, pairs: Pairs) -> None:
    """Write identity_state.neighbours; `gathered` is the evidence before anything was handed over.

    neighbourhood (a number), and one of: profile_id; identifier_type and identifier_value, of a
    demoted identifier; fingerprint, of a signal that is nobody's. A person without neighbours isn't
    listed, nor is what a crowd shares.
    """
    connection, count = joining.connection, gathered.node_count
    is_crowds = _of_crowds(joining, gathered, rules)
    chosen = ~is_crowds[gathered.mention_node]
    node, signal = gathered.mention_node[chosen], gathered.mention_signal[chosen]
    is_first = np.diff(signal, prepend=-1) > 0
    first = node[is_first][np.cumsum(is_first) - 1]
    previous = _spelled_alike(joining)
    one = joining.person[np.concatenate([first, pairs.left, previous["one"]])]
    other = joining.person[np.concatenate([node, pairs.right, previous["other"]])]
    differ = one != other
    label = component_labels(count, one[differ], other[differ])
    is_several = np.bincount(label[joining.person == np.arange(count)], minlength=count) > 1
    anchor = integers(connection, "select node from _identity_members where is_anchor")["node"]
    anchor = anchor[is_several[label[joining.person[anchor]]]]
    demoted = np.flatnonzero(joining.is_demoted & ~is_crowds)
    holder = joining.holders(len(rules.identifiers) - 1)
    is_nobodys = is_first & (holder[signal] < 0)
    write_table(
        connection,
        "_identity_near",
        {
            "neighbourhood": label[joining.person[np.concatenate([anchor, demoted])]],
            "node": np.concatenate([anchor, demoted]),
        },
    )
    write_table(
        connection,
        "_identity_nobodys",
        {
            "neighbourhood": label[joining.person[node[is_nobodys]]],
            "signal_no": signal[is_nobodys],
        },
    )
    connection.execute(
        f"""
        create or replace table identity_state.neighbours as
        select near.neighbourhood, members.profile_id,
            case when members.node is null then nodes.identifier_type end as identifier_type,
            case when members.node is null then nodes.value end as identifier_value,
            null::ubigint as fingerprint
        from _identity_near as near
        join _identity_nodes as nodes using (node)
        left join _identity_members as members using (node)
        union all
        select nobodys.neighbourhood, null, null, null,
            {fingerprint(connection.table("_identity_signals").columns)}
        from _identity_nobodys as nobodys
        join _identity_signals as signals using (signal_no)
        """
    )


def _of_crowds(joining: Joining, gathered: Evidence, rules: Rules) -> Flags:
    """Demoted nodes that a crowd touches: of registered persons, if it isn't a registration."""
    count = gathered.node_count
    holder = joining.holders(len(rules.identifiers) - 1)[gathered.mention_signal]
    chosen = joining.is_demoted[gathered.mention_node] & (holder >= 0)
    node, person = gathered.mention_node[chosen], joining.person[holder[chosen]]
    contacts = tuple(rule for rule in rules.shared if rule.is_contact)
    tells = gathered.nodes_of((*rules.registered, *contacts)) & ~joining.is_demoted
    is_told = np.zeros(count, dtype=np.bool_)
    is_told[joining.person[tells]] = True
    is_counted = gathered.nodes_of(rules.registered)[node] | is_told[person]
    crowd, _ = distinct_pairs(node[is_counted], joining.person_key()[person[is_counted]], 2 * count)
    return joining.is_known | (np.bincount(crowd, minlength=count) >= rules.crowd)


def _spelled_alike(joining: Joining) -> dict[str, Integers]:
    """Pairs of an account and a browser of one spelling, which an alias names: it may mean both."""
    return integers(
        joining.connection,
        """
        with named as (
            select distinct node from _identity_mentions where is_previous
        )
        select one.node as one, other.node as other
        from named
        join _identity_nodes as one using (node)
        join _identity_nodes as other on other.value = one.value and other.node <> one.node
        where other.identifier_type in ('user_id', 'anonymous_id')
        """,
    )
