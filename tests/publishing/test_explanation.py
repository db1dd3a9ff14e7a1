"""Why two identifiers are one person's, link by link; and why two others are not."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from delivery_world import World

from dagster_project.publishing.explanation import NoLinksError, explain, path
from dagster_project.publishing.people import AmbiguousPersonError, UnknownPersonError
from dagster_project.publishing.profile import show
from dagster_project.publishing.tree import Row, in_tree_order, labels, link_ends

ANA, RADU = "p_000003", "p_000004"


def link(one: str, other: str, rule: str = "same_record", probability: float | None = None) -> Row:
    ends = {"from_type": one[0], "from_value": one, "to_type": other[0], "to_value": other}
    return ends | {"rule": rule, "probability": probability}


def way(links: Sequence[Row], one: str, other: str) -> list[str]:
    """The values that a path visits."""
    found = path(links, (one[0], one), (other[0], other))
    assert all(link_ends(a)[1] == link_ends(b)[0] for a, b in pairwise(found))
    return [str(hop["from_value"]) for hop in found] + [str(hop["to_value"]) for hop in found[-1:]]


def test_the_path_is_the_shortest_and_is_walked_in_its_direction() -> None:
    links = [link("a", "b"), link("b", "c"), link("c", "d"), link("d", "a"), link("d", "e")]
    assert way(links, "b", "d") in (["b", "a", "d"], ["b", "c", "d"])
    assert way(links, "e", "a") == ["e", "d", "a"]
    assert way(links, "a", "a") == []
    assert way([*reversed(links)], "e", "b")[:2] == ["e", "d"]


def test_the_path_goes_by_records_rather_than_likeness_and_by_likeness_rather_than_a_word() -> None:
    links = [
        link("a", "d", "must_link"),
        link("a", "c", "alike", 0.99),
        link("c", "d"),
        link("a", "b"),
        link("b", "c"),
    ]
    assert way(links, "a", "d") == ["a", "b", "c", "d"]
    assert way(links[:3], "a", "d") == ["a", "c", "d"]
    assert way(links[:1], "a", "d") == ["a", "d"]


def test_what_nothing_ties_has_no_path() -> None:
    assert way([link("a", "b")], "a", "c") == []


def identity(*changes: str) -> list[str]:
    """The tables and columns of identity that a build publishes, with nothing in them."""
    empty = "where false"
    return [
        "alter table marts.customer_identifiers add column demoted_because varchar",
        "alter table marts.customer_identifiers add column steps_to_anchor integer",
        "update marts.customer_identifiers set steps_to_anchor = (identifier_type = 'phone')::int",
        "create table marts.identity_links as select 'email' as from_type, "
        "'p3@example.org' as from_value, 'phone' as to_type, '+40722000003' as to_value, "
        "'same_record' as rule, 'web' as source, now() as first_seen_at, now() as last_seen_at, "
        "2 as record_count, null::double as probability",
        f"create table marts.identity_cut_links as from marts.identity_links {empty}",
        "create table marts.identity_review as select from_type, from_value, to_type, to_value, "
        "'' as from_profile_id, '' as to_profile_id, 0.5::double as probability, '' as reason "
        f"from marts.identity_links {empty}",
        "create table marts.identity_redirects as select 'p_former' as former_profile_id, "
        f"'{ANA}' as profile_id, now() as since",
        *changes,
    ]


def test_two_identifiers_of_one_person_are_explained_by_their_links(world: World) -> None:
    world.rebuild(changes=identity())
    found = explain(world.published, "+40 722 000 003", "P3@example.org")
    assert found.is_one_person
    assert [(hop["from_type"], hop["to_type"], hop["source"]) for hop in found.path] == [
        ("phone", "email", "web")
    ]


@pytest.mark.parametrize("other", ["p_former", ANA, f"o-{ANA}", f"order:o-{ANA}"])
def test_a_former_id_and_an_order_number_lead_to_the_persons_anchor(
    world: World, other: str
) -> None:
    world.rebuild(changes=identity())
    found = explain(world.published, "phone:+40722000003", other)
    assert found.other.profile_id == ANA
    assert [hop["to_type"] for hop in found.path] == ["email"]


def test_two_persons_are_explained_by_what_almost_joined_them(world: World) -> None:
    world.rebuild(
        changes=identity(
            "insert into marts.identity_cut_links select from_type, from_value, 'email', "
            "'p4@example.org', rule, source, now(), now(), 1, null from marts.identity_links",
            "insert into marts.identity_cut_links select from_type, from_value, 'email', "
            "'p5@example.org', rule, source, now(), now(), 1, null from marts.identity_links",
            "insert into marts.identity_review values ('email', 'p4@example.org', 'email', "
            f"'p3@example.org', '{RADU}', '{ANA}', 0.71, 'not sure enough')",
            "insert into marts.customer_identifiers select profile_id, 'device_id', 'tablet', "
            "'app', now(), now(), true, 'joins more registered persons than its limit', null "
            "from marts.customer_profiles",
        )
    )
    found = explain(world.published, ANA, RADU)
    assert not found.is_one_person
    assert found.path == []
    assert [cut["to_value"] for cut in found.cut_links] == ["p4@example.org"]
    assert [pair["probability"] for pair in found.review] == [0.71]
    assert [row["identifier_value"] for row in found.shared] == ["tablet"]
    shown = show(world.published, world.ledger, ANA)
    assert len(shown.cut_links) == 2
    assert [row["former_profile_id"] for row in shown.former_ids] == ["p_former"]
    with pytest.raises(AmbiguousPersonError, match="10 people share that identifier"):
        explain(world.published, ANA, "tablet")


def test_nobody_is_found_by_an_order_that_is_nobodys(world: World) -> None:
    world.rebuild(changes=identity("update marts.customer_orders set profile_id = null"))
    with pytest.raises(UnknownPersonError):
        explain(world.published, ANA, f"o-{ANA}")


def test_the_tree_is_told_from_the_anchor_and_every_parent_before_its_children() -> None:
    def row(value: str, nearer: str | None, steps: int | None) -> Row:
        return {
            "identifier_type": value[0],
            "identifier_value": value,
            "joined_to_type": nearer and nearer[0],
            "joined_to_value": nearer,
            "steps_to_anchor": steps,
        }

    rows = [
        row("e1", "c1", 2), row("demoted", None, None), row("c1", "a1", 1), row("a1", None, 0),
        row("c2", "a1", 1), row("e2", "c2", 2), row("e3", "c1", 2),
    ]  # fmt: skip
    for given in (rows, rows[::-1]):
        values = [found["identifier_value"] for found in in_tree_order(given)]
        assert values == ["a1", "c1", "e1", "e3", "c2", "e2", "demoted"]
        assert labels(given)["e", "e2"] == "e 3"
    deep = [row("x0", None, 0)] + [row(f"x{n}", f"x{n - 1}", n) for n in range(1, 20_000)]
    assert len(in_tree_order(deep)) == 20_000


def test_an_older_build_says_that_it_tells_nothing_of_links(world: World) -> None:
    with pytest.raises(NoLinksError, match="`perennial run` publishes one that does"):
        explain(world.published, ANA, RADU)
