"""Deterministic links: who is joined by what, who is joined by nothing.

What one record carries belongs together: its weaker identifiers are tied to its strongest one. An
identifier that many persons touch, or that people with different names share, is demoted first.
"""

import duckdb
import numpy as np

from dagster_project.identity.arrow import Integers, integers, write_table
from dagster_project.identity.components import Flags
from dagster_project.identity.demotion import (
    demote_crowded,
    demote_crowds,
    demote_hubs,
    demote_known,
    demote_shared,
    demote_stand_ins,
    persons_within,
)
from dagster_project.identity.evidence import Evidence
from dagster_project.identity.joining import Joining, Links
from dagster_project.identity.matching import Pairs
from dagster_project.identity.overrides import Decisions
from dagster_project.identity.reassignment import begin, hand_over
from dagster_project.identity.rules import IdentifierRule, Rules

_MILLION = 1_000_000


def join_all(
    connection: duckdb.DuckDBPyConnection, rules: Rules, evidence: Evidence, decisions: Decisions
) -> Joining:
    """Join what belongs together; the result says who is who, what was demoted and what was cut."""
    begin(connection)
    joining = Joining(connection, evidence, decisions)
    if evidence.node_count == 0:
        return joining
    demote_known(joining, rules)
    demote_stand_ins(joining, rules)
    demote_crowded(joining, rules)
    nobody_joined = joining.person
    _join_registered(joining, rules)
    if demote_hubs(joining, rules):
        joining.person = nobody_joined
        joining.cut_links.clear()
        _join_registered(joining, rules)
    for rule in rules.shared:
        _join_shared(joining, rules, rule)
    return joining


def join_alike(joining: Joining, rules: Rules, pairs: Pairs) -> None:
    """Join registrations that no identifier ties, where the model is sure that they are one."""
    sure = pairs.probability >= rules.join
    links = Links(
        pairs.left[sure],
        pairs.right[sure],
        weight=np.rint(pairs.probability[sure] * _MILLION).astype(np.int64),
        first_seen=np.zeros(np.count_nonzero(sure), dtype=np.int64),
    )
    after = joining.joined_by(links)
    sizes = persons_within(joining, rules, after)
    links = links.only(sizes[links.left] <= rules.profile_person_limit)
    joining.join(links, "likeness", apart=_with_one_each(joining, rules, after))


def _with_one_each(joining: Joining, rules: Rules, after: Integers) -> tuple[Integers, Integers]:
    """Pairs of persons whom `after` brings together, each with an identifier of a type of which
    nobody has two because of likeness alone."""
    rivals = joining.evidence.nodes_of(tuple(rule for rule in rules.registered if rule.is_one_each))
    node = np.flatnonzero(rivals & ~joining.is_demoted & (after != joining.person))
    node = np.flatnonzero(rivals & ~joining.is_demoted & np.isin(after, after[node]))
    write_table(
        joining.connection,
        "_identity_rivals",
        {
            "person": joining.person[node],
            "component": after[node],
            "strength": joining.evidence.node_strength[node],
        },
    )
    pairs = integers(
        joining.connection,
        """
        select distinct one.person as one, other.person as other
        from _identity_rivals as one
        join _identity_rivals as other
            on one.component = other.component and one.strength = other.strength
            and one.person < other.person
        order by all
        """,
    )
    joining.connection.execute("drop table _identity_rivals")
    return pairs["one"], pairs["other"]


def _join_shared(joining: Joining, rules: Rules, rule: IdentifierRule) -> None:
    """Join by the identifiers of one type that pass its limits."""
    strengths = _of([rule], rules)
    joining.reach(rule.strength)
    links = joining.links(strengths)
    if len(links.left) == 0:
        return
    if rule.reassigned_after_days and hand_over(joining, rules, rule, links):
        links = joining.links(strengths)
    demote_shared(joining, rules, rule, links)
    links = joining.links_left(links, strengths)
    demote_crowds(joining, rules, links)
    joining.join(joining.links_left(links, strengths))


def _join_registered(joining: Joining, rules: Rules) -> None:
    links = joining.links(_of(list(rules.registered), rules))
    sizes = persons_within(joining, rules, joining.joined_by(links))
    crowded = sizes[links.left] > rules.profile_person_limit
    joining.cut_links.append(links.only(crowded))
    joining.join(links.only(~crowded), "registration")


def _of(chosen: list[IdentifierRule], rules: Rules) -> Flags:
    """A flag for each strength."""
    strengths = np.zeros(len(rules.identifiers), dtype=np.bool_)
    strengths[[rule.strength for rule in chosen]] = True
    return strengths
