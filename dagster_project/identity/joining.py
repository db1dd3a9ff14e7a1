"""Persons in the making: which nodes are one, which joined nobody, which links were cut.

The rules' order is kept strictly: the registrations first, then one type of shared identifier after
the other, each judged by the persons that stronger evidence has made by then.
"""

from dataclasses import dataclass, field

import duckdb
import numpy as np

from dagster_project.identity.components import (
    Flags,
    Integers,
    component_labels,
    smallest_member,
)
from dagster_project.identity.cuts import weakest_links
from dagster_project.identity.evidence import Evidence
from dagster_project.identity.people import contradictions, name_of_node


@dataclass(frozen=True, slots=True)
class Demotion:
    """Nodes that join nobody for one reason, with the persons each touched."""

    node: Integers
    reason: str
    person_count: Integers
    person_limit: int


@dataclass(frozen=True, slots=True)
class Touch:
    """Parallel: an identifier, and a person (label) that a record ties it to; no pair twice."""

    node: Integers
    person: Integers


@dataclass
class Joining:
    """The state between two steps. `person` labels every node by its person's smallest node."""

    connection: duckdb.DuckDBPyConnection
    evidence: Evidence
    person: Integers = field(init=False)
    is_demoted: Flags = field(init=False)
    demotions: list[Demotion] = field(default_factory=list)
    cut_links: list[tuple[Integers, Integers]] = field(default_factory=list)
    _name: Integers = field(init=False)

    def __post_init__(self) -> None:
        self.person = np.arange(self.evidence.node_count, dtype=np.int64)
        self.is_demoted = np.zeros(self.evidence.node_count, dtype=np.bool_)
        self._name = name_of_node(self.connection, self.evidence.node_count)

    def demote(
        self, node: Integers, reason: str, person_count: Integers, person_limit: int
    ) -> None:
        """From here on these nodes join nobody."""
        if len(node):
            self.is_demoted[node] = True
            self.demotions.append(Demotion(node, reason, person_count, person_limit))

    def holders(self, weakest: int) -> Integers:
        """Each signal's strongest node of those joined and not weaker than `weakest`, or -1."""
        evidence = self.evidence
        usable = (evidence.mention_strength <= weakest) & ~self.is_demoted[evidence.mention_node]
        signals = evidence.mention_signal[usable]
        first = np.diff(signals, prepend=-1) > 0
        holders = np.full(evidence.signal_count, -1, dtype=np.int64)
        holders[signals[first]] = evidence.mention_node[usable][first]
        return holders

    def person_key(self) -> Integers:
        """A number for each person (by label) that is equal for persons of the same full name."""
        count = self.evidence.node_count
        named = self._name >= 0
        smallest = np.full(count, count, dtype=np.int64)
        np.minimum.at(smallest, self.person[named], self._name[named])
        return np.where(smallest < count, smallest, count + np.arange(count))

    def touches(self, strengths: Flags) -> Touch:
        """Which persons the nodes of these types touch, through the holders of their records."""
        evidence = self.evidence
        chosen = strengths[evidence.mention_strength]
        chosen &= ~self.is_demoted[evidence.mention_node]
        node, signal = evidence.mention_node[chosen], evidence.mention_signal[chosen]
        weakest = int(np.flatnonzero(strengths).max())
        holder = self.holders(weakest)[signal]
        other = (holder >= 0) & (holder != node)
        return Touch(*distinct_pairs(node[other], self.person[holder[other]], evidence.node_count))

    def join(self, strengths: Flags, *, registered: bool = False) -> None:
        """Tie the nodes of these types to the holders of their records.

        Where that would bring contradicting persons together, the weakest links are cut.
        """
        links = self._links(strengths)
        after = self._components(links, np.zeros(len(links.left), dtype=np.bool_))
        described = _described_nodes(self.connection)
        one, other = contradictions(
            self.connection,
            described,
            self.person[described],
            after[described],
            registered=registered,
        )
        cut = np.zeros(len(links.left), dtype=np.bool_)
        if len(one):
            inside = np.flatnonzero(np.isin(after[links.left], after[np.append(one, other)]))
            chosen = links.only(inside)
            cut[inside] = weakest_links(
                self.person[chosen.left],
                self.person[chosen.right],
                chosen.strongest_first(),
                zip(one.tolist(), other.tolist(), strict=True),
            )
            self.cut_links.append((links.left[cut], links.right[cut]))
            after = self._components(links, cut)
        self.person = after

    def components_if_joined(self, strengths: Flags) -> Integers:
        """What `join` would make of the persons if nothing were cut."""
        links = self._links(strengths)
        return self._components(links, np.zeros(len(links.left), dtype=np.bool_))

    def cut_all(self, strengths: Flags, inside: Flags) -> None:
        """Cut every link of these types whose holder is marked in `inside`."""
        links = self._links(strengths)
        cut = inside[links.left]
        self.cut_links.append((links.left[cut], links.right[cut]))

    def _links(self, strengths: Flags) -> "_Links":
        evidence = self.evidence
        chosen = strengths[evidence.mention_strength]
        chosen &= ~self.is_demoted[evidence.mention_node]
        node, signal = evidence.mention_node[chosen], evidence.mention_signal[chosen]
        holder = self.holders(int(np.flatnonzero(strengths).max()))[signal]
        other = (holder >= 0) & (holder != node)
        holder, node, signal = holder[other], node[other], signal[other]
        links = _Links.of(holder, node, signal, evidence)
        for left, right in self.cut_links:
            gone = np.isin(
                links.left * evidence.node_count + links.right, left * evidence.node_count + right
            )
            links = links.only(np.flatnonzero(~gone))
        return links

    def _components(self, links: "_Links", cut: Flags) -> Integers:
        left, right = self.person[links.left[~cut]], self.person[links.right[~cut]]
        labels = component_labels(self.evidence.node_count, left, right)
        return smallest_member(labels)[self.person]


@dataclass(frozen=True, slots=True)
class _Links:
    """Different pairs of a holder (left) and a node tied to it, with what speaks for each."""

    left: Integers
    right: Integers
    record_count: Integers
    first_seen: Integers

    @classmethod
    def of(cls, left: Integers, right: Integers, signal: Integers, evidence: Evidence) -> "_Links":
        count = max(evidence.node_count, 1)
        keys, place = np.unique(left * count + right, return_inverse=True)
        records = np.zeros(len(keys), dtype=np.int64)
        np.add.at(records, place, evidence.signal_record_count[signal])
        first = np.full(len(keys), np.iinfo(np.int64).max, dtype=np.int64)
        np.minimum.at(first, place, evidence.signal_first_seen[signal])
        return cls(keys // count, keys % count, records, first)

    def only(self, places: Integers) -> "_Links":
        return _Links(
            self.left[places],
            self.right[places],
            self.record_count[places],
            self.first_seen[places],
        )

    def strongest_first(self) -> Integers:
        """More records, then older, then the identifiers themselves."""
        return np.lexsort((self.right, self.left, self.first_seen, -self.record_count))


def distinct_pairs(one: Integers, other: Integers, base: int) -> tuple[Integers, Integers]:
    """Each pair once, in order; both below `base`."""
    base = max(base, 1)
    keys = np.unique(one * base + other)
    return keys // base, keys % base


def _described_nodes(connection: duckdb.DuckDBPyConnection) -> Integers:
    rows = connection.execute("select distinct node from _identity_people order by node")
    return np.asarray(rows.fetchnumpy()["node"], dtype=np.int64)
