"""Identifiers that tell nothing about who somebody is, and are demoted before they join anybody.

Each function judges by what stronger evidence has joined so far, and says why.
"""

import numpy as np

from dagster_project.database import read
from dagster_project.identity.arrow import Integers, integers, write_table
from dagster_project.identity.components import Flags
from dagster_project.identity.joining import Demotion, Joining, Links, distinct_pairs
from dagster_project.identity.people import nobodys, telling_apart
from dagster_project.identity.rules import IdentifierRule, Rules

# Reasons of identity.demoted.
NOBODY = "is named as nobody: a stand-in for customers without a record"
TOO_BUSY = "has more records a day than one person makes"
TOO_MANY_PERSONS = "joins more registered persons than its limit"
TOO_MANY_CONTACTS = "joins more persons known by a contact than its limit"
TOO_MANY_VALUES = "is seen with more values of another type than its limit"
EVERYBODYS = "shares identifiers with more persons than its limit"
CONTRADICTION = "is shared by persons whose records contradict each other"
UNCONFIRMED = "is shared by persons whose records don't say that they are one"
CROWD = "chains more persons into one than the limit"

# An identifier that more persons touch than this tells nothing about any single one of them.
_HUB_IDENTIFIER_PERSONS = 10

# Steps at which somebody is demoted, beside the strength of each shared type: before anybody is
# joined, and when the registrations are.
FIRST, HUBS = -2, -1
_BEFORE_ANYBODY_JOINED = (NOBODY, TOO_BUSY, TOO_MANY_VALUES)

# Stands for all registered types together, where the others stand for themselves.
_REGISTERED = -1

# In microseconds: calendar arithmetic on a million times takes seconds.
_DAY = 86_400_000_000

# One record names as many registrations beside its own, or browsers with the one before, at most.
_MOST_OF_A_KIND = 3

# A busy day is no habit: records are averaged over a month at least.
_SHORTEST_DAYS = 30


def demote_known(joining: Joining, rules: Rules) -> None:
    """What crowds use stays as it was judged when all of them were looked at (increment.py).

    Each at the step at which it was: until then it holds records as it did. Needs _identity_known:
    identifier_type, identifier_value, reason, person_count, person_limit.
    """
    known = read(
        joining.connection,
        """
        select nodes.node, nodes.strength, known.reason, known.person_count, known.person_limit
        from _identity_known as known
        join _identity_nodes as nodes
            on nodes.identifier_type = known.identifier_type
            and nodes.value = known.identifier_value
        order by nodes.node
        """,
    )
    node, strength, count, limit = (
        known.column(name).to_numpy().astype(np.int64)
        for name in ("node", "strength", "person_count", "person_limit")
    )
    reason = np.array(known.column("reason").to_pylist(), dtype=object)
    joining.is_known[node] = True
    is_first = np.isin(reason, _BEFORE_ANYBODY_JOINED) | (strength <= rules.weakest_registered)
    step = np.where(reason == EVERYBODYS, HUBS, np.where(is_first, FIRST, strength))
    for at in np.unique(step).tolist():
        for one in sorted(set(reason[step == at])):
            for most in np.unique(limit[(step == at) & (reason == one)]):
                chosen = (step == at) & (reason == one) & (limit == most)
                joining.demote_at(at, Demotion(node[chosen], one, count[chosen], int(most)))
    joining.reach(FIRST)


def demote_stand_ins(joining: Joining, rules: Rules) -> None:
    """A till's or an ERP's default customer, by its name or by what is written to its name."""
    found = nobodys(joining.connection)
    found = found[~joining.is_demoted[found]]
    joining.demote(found, NOBODY, np.zeros(len(found), dtype=np.int64), 0)
    limits = ", ".join(f"({rule.strength}, {rule.records_per_day})" for rule in rules.registered)
    busy = integers(
        joining.connection,
        f"""
        with busy as (
            select node, strength,
                record_count // greatest({_SHORTEST_DAYS},
                    coalesce(epoch_us(last_seen_at) - epoch_us(first_seen_at), 0)
                        // {_DAY} + 1) as daily_count
            from _identity_nodes
        )
        select busy.node, busy.daily_count, limits.daily_limit
        from busy
        join (values {limits}) as limits (strength, daily_limit) using (strength)
        where busy.daily_count > limits.daily_limit
        order by busy.node
        """,
    )
    _demote_above(joining, TOO_BUSY, busy["node"], busy["daily_count"], busy["daily_limit"])


def demote_crowded(joining: Joining, rules: Rules) -> None:
    """A customer number, a card or an e-mail that is seen with everybody's cards and browsers."""
    limits = ", ".join(
        f"({rule.strength}, {strength}, {limit})"
        for rule in rules.identifiers
        for strength, limit in _value_limits(rule, rules).items()
    )
    evidence = joining.evidence
    key = joining.person_key()[joining.person]
    write_table(
        joining.connection,
        "_identity_keys",
        {"node": np.arange(len(key), dtype=np.int64), "key": key},
    )
    # With so few records it can't be seen with more values than the smallest limit of its type.
    fewest = np.full(len(rules.identifiers), len(evidence.mention_node))
    for rule in rules.identifiers:
        values = _value_limits(rule, rules).values()
        fewest[rule.strength] = min(values, default=fewest[rule.strength]) // _MOST_OF_A_KIND
    records = np.bincount(evidence.mention_node, minlength=evidence.node_count)
    chosen = (records > fewest[evidence.node_strength])[evidence.mention_node]
    write_table(
        joining.connection,
        "_identity_limited",
        {"signal_no": evidence.mention_signal[chosen], "node": evidence.mention_node[chosen]},
    )
    crowded = integers(
        joining.connection,
        f"""
        with limits (strength, other_strength, value_limit) as (values {limits}),
        seen as (
            select limited.node, own.strength,
                case when other.strength <= {rules.weakest_registered} then {_REGISTERED}
                    else other.strength end as other_strength,
                count(distinct _identity_keys.key) as value_count
            from _identity_limited as limited
            join _identity_nodes as own on own.node = limited.node
            join _identity_mentions as mentions
                on mentions.signal_no = limited.signal_no and mentions.node <> limited.node
            join _identity_nodes as other on other.node = mentions.node
            join _identity_keys on _identity_keys.node = mentions.node
            group by all
        )
        select seen.node, seen.other_strength, seen.value_count, limits.value_limit
        from seen join limits using (strength, other_strength)
        where seen.value_count > limits.value_limit
        order by seen.node, seen.other_strength
        """,
    )
    joining.connection.execute("drop table _identity_keys; drop table _identity_limited")
    by_persons = crowded["other_strength"] == _REGISTERED
    for reason, chosen in ((TOO_MANY_PERSONS, by_persons), (TOO_MANY_VALUES, ~by_persons)):
        _demote_above(
            joining,
            reason,
            crowded["node"][chosen],
            crowded["value_count"][chosen],
            crowded["value_limit"][chosen],
        )


def _value_limits(rule: IdentifierRule, rules: Rules) -> dict[int, int]:
    """The limits of a type by the strength of the other type, or of all registrations."""
    registrations = {_REGISTERED: rule.person_limit} if rule.is_registered else {}
    return registrations | {
        other.strength: rule.value_limits[other.name]
        for other in rules.identifiers
        if other.name in rule.value_limits
    }


def _demote_above(
    joining: Joining, reason: str, node: Integers, counts: Integers, limits: Integers
) -> None:
    """Demote nodes for the first limit each one breaks; `node` is in order."""
    first = (np.diff(node, prepend=-1) > 0) & ~joining.is_demoted[node]
    for limit in np.unique(limits[first]):
        chosen = first & (limits == limit)
        joining.demote(node[chosen], reason, counts[chosen], int(limit))


def demote_hubs(joining: Joining, rules: Rules) -> bool:
    """A default customer or e-mail shares each of many identifiers with another person.

    A registration is judged by contacts and cards alone: whoever works in a shop signs in on the
    browsers of many.
    """
    evidence = joining.evidence
    contacts = tuple(rule for rule in rules.shared if rule.is_contact)
    cards = tuple(rule for rule in rules.shared if rule.name == "payment_card")
    holder = joining.holders(max(rule.strength for rule in (*rules.registered, *contacts)))
    mention_holder = holder[evidence.mention_signal]
    is_shared = ~evidence.nodes_of(rules.registered)[evidence.mention_node]
    is_shared &= (mention_holder >= 0) & (mention_holder != evidence.mention_node)
    is_shared &= ~joining.is_known[evidence.mention_node]
    by_contact = is_shared & evidence.nodes_of(contacts)[mention_holder]
    tells = evidence.nodes_of((*contacts, *cards))
    asked = tells.copy()
    asked[evidence.mention_node[by_contact]] = True
    chosen = is_shared & asked[evidence.mention_node]
    node, holder = distinct_pairs(
        evidence.mention_node[chosen], mention_holder[chosen], evidence.node_count
    )
    person = joining.person_key()[joining.person[holder]]
    several = _differ_within(node, person, evidence.node_count)
    node, holder, person = node[several], holder[several], person[several]
    write_table(
        joining.connection,
        "_identity_shared",
        {
            "node": node,
            "holder": holder,
            "person": person,
            "is_judged": tells[node] | evidence.nodes_of(contacts)[holder],
        },
    )
    found = integers(
        joining.connection,
        f"""
        with shared as (
            select * from _identity_shared
            where node in (
                select node from _identity_shared group by node
                having count(distinct person) between 2 and {_HUB_IDENTIFIER_PERSONS}
            )
        )
        select one.holder as node,
            least(count(distinct one.node), count(distinct other.person)) as person_count
        from shared as one
        join shared as other on one.node = other.node and one.person <> other.person
        where one.is_judged
        group by one.holder
        having person_count > {rules.hub_limit}
        order by node
        """,
    )
    joining.connection.execute("drop table _identity_shared")
    joining.demote(found["node"], EVERYBODYS, found["person_count"], rules.hub_limit)
    is_any_known = joining.reach(HUBS)
    return is_any_known or len(found["node"]) > 0


def _differ_within(node: Integers, person: Integers, node_count: int) -> Flags:
    """Of pairs of a node and a person, those whose node has more than one person."""
    least = np.full(node_count, np.iinfo(np.int64).max)
    greatest = np.full(node_count, -1)
    np.minimum.at(least, node, person)
    np.maximum.at(greatest, node, person)
    return np.asarray(least[node] < greatest[node])


def demote_shared(joining: Joining, rules: Rules, rule: IdentifierRule, links: Links) -> None:
    """Demote the identifiers of one type that touch too many persons, or different ones."""
    count = joining.evidence.node_count
    node, person = distinct_pairs(links.right, joining.person[links.left], count)
    is_registered, is_contact = _kinds_of_person(joining, rules, rule)
    contacts = np.bincount(node[is_contact[person]], minlength=count)
    node, person = node[is_registered[person]], person[is_registered[person]]
    named, _ = distinct_pairs(node, joining.person_key()[person], 2 * count)
    persons = np.bincount(named, minlength=count)
    above = persons > rule.person_limit
    crowded = ~above & (contacts > rule.contact_limit)
    _demote_flagged(joining, above, TOO_MANY_PERSONS, persons, rule.person_limit)
    _demote_flagged(joining, crowded, TOO_MANY_CONTACTS, contacts, rule.contact_limit)
    several = np.bincount(node, minlength=count) > 1
    doubtful = several[node] & ~joining.is_demoted[node]
    refused = telling_apart(
        joining.connection,
        node[doubtful],
        person[doubtful],
        joining.person,
        must_agree=rule.names_must_agree,
    )
    reason = UNCONFIRMED if rule.names_must_agree else CONTRADICTION
    joining.demote(refused, reason, persons[refused], rule.person_limit)


def demote_crowds(joining: Joining, rules: Rules, links: Links) -> None:
    """No type of identifier chains a crowd into one profile, each link within its limit."""
    sizes = persons_within(joining, rules, joining.joined_by(links))
    crowded = sizes > rules.profile_person_limit
    if not crowded.any():
        return
    count = joining.evidence.node_count
    node, _ = distinct_pairs(links.right, joining.person[links.left], count)
    joins_several = np.bincount(node, minlength=count) > 1
    _demote_flagged(joining, joins_several & crowded, CROWD, sizes, rules.profile_person_limit)


def _demote_flagged(
    joining: Joining, flags: Flags, reason: str, counts: Integers, limit: int
) -> None:
    nodes = np.flatnonzero(flags)
    joining.demote(nodes, reason, counts[nodes], limit)


def _kinds_of_person(joining: Joining, rules: Rules, rule: IdentifierRule) -> tuple[Flags, Flags]:
    """By label: has a registration; has none, but a contact of a stronger type than `rule`."""
    evidence = joining.evidence
    stronger = tuple(
        other for other in rules.shared if other.is_contact and other.strength < rule.strength
    )
    is_registered = np.zeros(evidence.node_count, dtype=np.bool_)
    is_registered[joining.person[evidence.nodes_of(rules.registered) & ~joining.is_demoted]] = True
    is_contact = np.zeros(evidence.node_count, dtype=np.bool_)
    is_contact[joining.person[evidence.nodes_of(stronger) & ~joining.is_demoted]] = True
    return is_registered, is_contact & ~is_registered


def persons_within(joining: Joining, rules: Rules, after: Integers) -> Integers:
    """For each node, how many registered persons its component of `after` would hold."""
    registered = joining.evidence.nodes_of(rules.registered) & ~joining.is_demoted
    label, _ = distinct_pairs(
        after[registered],
        joining.person_key()[joining.person[registered]],
        2 * joining.evidence.node_count,
    )
    sizes = np.bincount(label, minlength=joining.evidence.node_count).astype(np.int64)
    return sizes[after]
