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
from dagster_project.identity.overrides import Decisions
from dagster_project.identity.people import (
    Tie,
    contradictions,
    described_nodes,
    name_of_node,
)

_NOBODY: Integers = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Demotion:
    """Nodes that join nobody for one reason, with the persons each touched."""

    node: Integers
    reason: str
    person_count: Integers
    person_limit: int


@dataclass(frozen=True, slots=True)
class Links:
    """Different pairs of a holder (left) and a node its records tie to it (right).

    `weight`: how many records do; of two registrations that are merely alike, how much so.
    """

    left: Integers
    right: Integers
    weight: Integers
    first_seen: Integers

    @classmethod
    def of(cls, left: Integers, right: Integers, signal: Integers, evidence: Evidence) -> "Links":
        """One link for each different pair, with the records of all its signals."""
        order = np.argsort(left * evidence.node_count + right, kind="stable")
        left, right, signal = left[order], right[order], signal[order]
        starts = np.flatnonzero((np.diff(left, prepend=-1) > 0) | (np.diff(right, prepend=-1) != 0))
        if len(starts) == 0:
            return cls(left, right, left, left)
        return cls(
            left[starts],
            right[starts],
            np.add.reduceat(evidence.signal_record_count[signal], starts),
            np.minimum.reduceat(evidence.signal_first_seen[signal], starts),
        )

    def only(self, chosen: Flags) -> "Links":
        """These links alone."""
        return Links(
            self.left[chosen],
            self.right[chosen],
            self.weight[chosen],
            self.first_seen[chosen],
        )

    def strongest_first(self) -> Integers:
        """The weightiest, then the older, then the identifiers themselves."""
        return np.lexsort((self.right, self.left, self.first_seen, -self.weight))


@dataclass
class Joining:
    """The state between two steps. `person` labels every node by its person's smallest node.

    `is_known`: nodes of which not every mention is in the evidence, as they were judged before.
    """

    connection: duckdb.DuckDBPyConnection
    evidence: Evidence
    decisions: Decisions
    person: Integers = field(init=False)
    is_demoted: Flags = field(init=False)
    is_known: Flags = field(init=False)
    demotions: list[Demotion] = field(default_factory=list)
    _later: dict[int, list[Demotion]] = field(default_factory=dict)
    cut_links: list[Links] = field(default_factory=list)
    _name: Integers = field(init=False)
    _described: Integers = field(init=False)

    def __post_init__(self) -> None:
        self.person = np.arange(self.evidence.node_count, dtype=np.int64)
        self.is_demoted = np.zeros(self.evidence.node_count, dtype=np.bool_)
        self.is_known = np.zeros(self.evidence.node_count, dtype=np.bool_)
        self._name = name_of_node(self.connection, self.evidence.node_count)
        self._described = described_nodes(self.connection)

    def demote(
        self, node: Integers, reason: str, person_count: Integers, person_limit: int
    ) -> None:
        """From here on these nodes join nobody; those that are known are left to their step."""
        is_new = ~self.is_known[node]
        if is_new.any():
            self.is_demoted[node[is_new]] = True
            self.demotions.append(
                Demotion(node[is_new], reason, person_count[is_new], person_limit)
            )

    def demote_at(self, step: int, demotion: Demotion) -> None:
        """Demote these when the joining has come to a step."""
        self._later.setdefault(step, []).append(demotion)

    def reach(self, step: int) -> bool:
        """Demote what was to be demoted at this step; False if nothing was."""
        reached = self._later.pop(step, [])
        for demotion in reached:
            self.is_demoted[demotion.node] = True
        self.demotions += reached
        return bool(reached)

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

    def links(self, strengths: Flags) -> Links:
        """What ties the nodes of these types to the holders of their records."""
        evidence = self.evidence
        chosen = strengths[evidence.mention_strength]
        chosen &= ~self.is_demoted[evidence.mention_node]
        node, signal = evidence.mention_node[chosen], evidence.mention_signal[chosen]
        holder = self.holders(int(np.flatnonzero(strengths).max()))[signal]
        other = (holder >= 0) & (holder != node)
        return Links.of(holder[other], node[other], signal[other], evidence)

    def links_left(self, links: Links, strengths: Flags) -> Links:
        """The links after a demotion: a demoted holder's place is taken by the next strongest."""
        if self.is_demoted[links.left].any():
            return self.links(strengths)
        return links.only(~self.is_demoted[links.right])

    def joined_by(self, links: Links) -> Integers:
        """What `person` would be if all these links held."""
        labels = component_labels(
            self.evidence.node_count, self.person[links.left], self.person[links.right]
        )
        return smallest_member(labels)[self.person]

    def join(
        self,
        links: Links,
        tied_by: Tie = "identifier",
        apart: tuple[Integers, Integers] = (_NOBODY, _NOBODY),
    ) -> None:
        """Let these links hold; between contradicting persons, cut the weakest instead.

        So too between those of `apart` and those whom a steward keeps apart.
        """
        after = self.joined_by(links)
        one, other = contradictions(
            self.connection, self._described, self.person, after, tied_by=tied_by
        )
        kept_apart, from_each = map(np.concatenate, zip(self._kept_apart(), apart, strict=True))
        meet = after[kept_apart] == after[from_each]
        one, other = np.append(one, kept_apart[meet]), np.append(other, from_each[meet])
        if len(one):
            inside = np.isin(after[links.left], after[np.append(one, other)])
            doubtful = links.only(inside)
            cut = weakest_links(
                self.person[doubtful.left],
                self.person[doubtful.right],
                doubtful.strongest_first(),
                zip(one.tolist(), other.tolist(), strict=True),
            )
            self.cut_links.append(doubtful.only(cut))
            inside[inside] = cut
            after = self.joined_by(links.only(~inside))
        self.person = after

    def decide(self) -> None:
        """Let the steward's word hold, whatever the records say; to keep apart is the stronger."""
        left, right = self.decisions.one
        cut = weakest_links(
            self.person[left],
            self.person[right],
            np.arange(len(left)),
            zip(*(persons.tolist() for persons in self._kept_apart()), strict=True),
        )
        nobody = np.zeros(len(left), dtype=np.int64)
        self.person = self.joined_by(Links(left, right, nobody, nobody).only(~cut))

    def decided(self) -> tuple[Integers, Integers]:
        """The steward's pairs that hold, between nodes that may join.

        A demoted node's place is taken by the strongest other one that a steward named of its
        person: two cards tied to one demoted phone are tied to each other.
        """
        left, right = self.decisions.one
        holds = self.person[left] == self.person[right]
        left, right = left[holds], right[holds]
        named = np.concatenate([left, right])
        named = named[~self.is_demoted[named]]
        stand_in = np.full(self.evidence.node_count, self.evidence.node_count, dtype=np.int64)
        np.minimum.at(stand_in, self.person[named], named)
        left, right = (
            np.where(self.is_demoted[node], stand_in[self.person[node]], node)
            for node in (left, right)
        )
        differ = left != right
        return left[differ], right[differ]

    def _kept_apart(self) -> tuple[Integers, Integers]:
        left, right = self.decisions.apart
        return self.person[left], self.person[right]


def distinct_pairs(one: Integers, other: Integers, base: int) -> tuple[Integers, Integers]:
    """Each pair once, in order; both below `base`."""
    base = max(base, 1)
    keys = np.sort(one * base + other)
    keys = keys[np.diff(keys, prepend=-1) > 0]
    return keys // base, keys % base
