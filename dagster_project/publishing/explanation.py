"""Why two identifiers are one person's, link by link; or what is known of why they aren't."""

import heapq
import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from dagster_project import database
from dagster_project.errors import PerennialError
from dagster_project.publishing import published as published_file
from dagster_project.publishing.people import Found, find
from dagster_project.publishing.published import CATALOG, has_table
from dagster_project.publishing.tree import Identifier, Row, in_tree_order, link_ends, named


class NoLinksError(PerennialError):
    """The published build doesn't say what joined its persons."""


@dataclass(frozen=True)
class Explanation:
    """What joins two identifiers; personal by nature, so shown and never logged.

    `path`: the links from the one to the other, each as it is walked; empty where the two are two
    persons. Then `cut_links` and `review` say what almost joined these, and `shared` which
    identifiers both use and nobody is joined by.
    """

    one: Found
    other: Found
    path: list[Row]
    cut_links: list[Row]
    review: list[Row]
    shared: list[Row]

    @property
    def is_one_person(self) -> bool:
        """Whether both are the same person's."""
        return self.one.profile_id == self.other.profile_id


def explain(published: Path, identifier: str, other: str) -> Explanation:
    """Explain two identifiers of the published build; UnknownPersonError if one is nobody's.

    Of a profile id or an order number, the person's anchor is explained.
    """
    with published_file.opened(published) as connection:
        if not has_table(connection, "marts", "identity_review"):
            raise NoLinksError(
                "The published build doesn't say what joined its persons: `perennial run` "
                "publishes one that does."
            )
        one, another = (find(connection, name) for name in (identifier, other))
        if one.profile_id != another.profile_id:
            return _explain_apart(connection, one, another)
        links = links_within(connection, one.profile_id)
        ends = (_identifier(connection, found) for found in (one, another))
        return Explanation(one, another, path(links, *ends), [], [], [])


def _explain_apart(connection: duckdb.DuckDBPyConnection, one: Found, other: Found) -> Explanation:
    held = {named(row) for row in identifiers_of(connection, other.profile_id)}
    return Explanation(
        one,
        other,
        path=[],
        cut_links=[
            link
            for link in cut_links_of(connection, one.profile_id)
            if held.intersection(link_ends(link))
        ],
        review=[
            pair
            for pair in review_of(connection, one.profile_id)
            if other.profile_id in (pair["from_profile_id"], pair["to_profile_id"])
        ],
        shared=[row for row in identifiers_of(connection, one.profile_id) if named(row) in held],
    )


def _identifier(connection: duckdb.DuckDBPyConnection, found: Found) -> Identifier:
    """What was found, or the anchor where that is no identifier of the person's."""
    rows = identifiers_of(connection, found.profile_id)
    given = found.identifier_type, found.identifier_value
    return given if given in map(named, rows) else named(rows[0])


def path(links: Sequence[Row], start: Identifier, goal: Identifier) -> list[Row]:
    """The way over links that needs a steward least, then likeness, then the fewest links.

    Each link is turned to the direction it is walked in.
    """
    neighbours: dict[Identifier, list[Row]] = defaultdict(list)
    for link in links:
        one, other = link_ends(link)
        neighbours[one].append(link)
        neighbours[other].append(_turned(link))
    order = itertools.count()
    waiting: list[tuple[tuple[int, int, int], int, Identifier, Row | None]]
    waiting = [((0, 0, 0), next(order), start, None)]
    reached: dict[Identifier, Row | None] = {}
    while waiting and goal not in reached:
        (stewards, likenesses, length), _, here, came_by = heapq.heappop(waiting)
        if here in reached:
            continue
        reached[here] = came_by
        for link in neighbours[here]:
            cost = (
                stewards + (link["rule"] == "must_link"),
                likenesses + (link["rule"] == "alike"),
                length + 1,
            )
            heapq.heappush(waiting, (cost, next(order), link_ends(link)[1], link))
    way: list[Row] = []
    while (link_here := reached.get(goal)) is not None:
        way.append(link_here)
        goal = link_ends(link_here)[0]
    return way[::-1]


def _turned(link: Row) -> Row:
    ends = {"from_type": "to_type", "from_value": "to_value"}
    ends |= {to: one for one, to in ends.items()}
    return {name: link[ends.get(name, name)] for name in link}


def links_within(connection: duckdb.DuckDBPyConnection, profile_id: str) -> list[Row]:
    """The links between two identifiers of a person, the oldest first."""
    return _links(connection, "identity_links", "and", profile_id)


def cut_links_of(connection: duckdb.DuckDBPyConnection, profile_id: str) -> list[Row]:
    """The links at identifiers of a person that were cut, the oldest first."""
    return _links(connection, "identity_cut_links", "or", profile_id)


def identifiers_of(connection: duckdb.DuckDBPyConnection, profile_id: str) -> list[Row]:
    """The identifiers of a person in the order of the tree: the anchor first."""
    rows = rows_of(connection, "customer_identifiers", "profile_id = $id", profile_id, "all")
    return in_tree_order(rows)


def review_of(connection: duckdb.DuckDBPyConnection, profile_id: str) -> list[Row]:
    """The registrations that are alike with one of the person's, the likeliest first."""
    condition = "$id in (from_profile_id, to_profile_id)"
    order = "probability desc, from_type, from_value, to_type, to_value"
    return rows_of(connection, "identity_review", condition, profile_id, order)


def rows_of(
    connection: duckdb.DuckDBPyConnection, table: str, condition: str, profile_id: str, order: str
) -> list[Row]:
    """The rows of a mart of which the condition on $id holds; none where there is no such mart."""
    if not has_table(connection, "marts", table):
        return []
    query = f"select * from {CATALOG}.marts.{table} where {condition} order by {order}"
    found: list[Row] = database.read(connection, query, {"id": profile_id}).to_pylist()
    return found


def _links(
    connection: duckdb.DuckDBPyConnection, table: str, both: str, profile_id: str
) -> list[Row]:
    own = (
        f"(select row(identifier_type, identifier_value) "
        f"from {CATALOG}.marts.customer_identifiers where profile_id = $id)"
    )
    return rows_of(
        connection,
        table,
        f"row(from_type, from_value) in {own} {both} row(to_type, to_value) in {own}",
        profile_id,
        "first_seen_at, from_type, from_value, to_type, to_value, source",
    )
