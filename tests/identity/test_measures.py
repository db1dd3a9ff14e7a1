"""The numbers of a build that close the gate: each moves with what it is there to tell."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from identity_world import AS_OF, World, customer, member, named, resolved, signal

from dagster_project.identity import load_rules


def measured(world: World) -> dict[str, tuple[Any, ...]]:
    """Value, before, lowest, highest, is_within, is_accepted by measure."""
    return {name: rest for name, *rest in world.rows("from identity.measures")}


def value(world: World, measure: str) -> float | None:
    found: float | None = measured(world)[measure][0]
    return found


def test_a_first_build_of_a_few_people_is_within_its_limits() -> None:
    world = resolved(
        [customer("one", "C1", email="a@example.com"), signal("x", "web", user_id="U1")]
    )
    assert all(rest[4] for rest in measured(world).values())
    assert value(world, "changed") is None
    assert value(world, "estimated_precision") is None


def test_nothing_at_all_is_within_its_limits() -> None:
    world = resolved([])
    assert all(rest[4] for rest in measured(world).values())


def test_the_largest_profile_is_counted_in_identifiers() -> None:
    browsers = [signal(f"b{n}", "web", user_id="U1", anonymous_id=f"a{n}") for n in range(9)]
    assert value(resolved(browsers), "largest_profile") == 10


def test_records_of_one_identifier_alone_are_not_joined() -> None:
    world = resolved(
        [
            signal("both", "web", user_id="U1", anonymous_id="a1", record_count=3),
            signal("alone", "web", anonymous_id="a2", record_count=1),
        ]
    )
    assert value(world, "share_joined") == 0.75


def test_a_person_with_two_cards_is_counted_among_the_registered() -> None:
    world = resolved(
        [
            member("first", "L1", email="a@example.com"),
            member("second", "L2", email="a@example.com"),
            customer("other", "C1"),
            signal("visitor", "web", anonymous_id="a1"),
        ]
    )
    assert value(world, "several_registrations") == 0.5


def test_people_joined_though_they_contradict_each_other_lower_the_estimated_precision() -> None:
    """A card number in the ERP is somebody's own word: a nickname doesn't part the two."""
    agreeing = [
        record
        for n in range(3)
        for record in (
            customer(f"c{n}", f"C{n}", loyalty_id=f"L{n}", **named("Ana", f"Silva {n}")),
            member(f"m{n}", f"L{n}", **named("Ana", f"Silva {n}")),
        )
    ]
    contradicting = [
        customer("c9", "C9", loyalty_id="L9", **named("Bob", "Marley")),
        member("m9", "L9", **named("Robert", "Marley")),
    ]
    assert value(resolved(agreeing), "estimated_precision") == 1
    world = resolved(agreeing + contradicting)
    assert world.same("c9", "m9")
    assert value(world, "estimated_precision") == 0.75
    assert not measured(world)["estimated_precision"][4]


def test_a_jump_from_one_build_to_the_next_is_beyond_the_limits(tmp_path: Path) -> None:
    people = [signal(f"p{n}", "web", user_id=f"U{n}", anonymous_id=f"a{n}") for n in range(20)]
    published = resolved(people).publish(tmp_path / "published.duckdb")
    renamed = [
        signal(f"r{n}", "web", day=1, user_id="U0", previous_id=f"U{n}") for n in range(1, 6)
    ]
    again = resolved(people, previous=published)
    assert value(again, "changed") == 0
    world = resolved(people + renamed, previous=published)
    assert measured(world)["changed"][0] == 0.25
    assert not measured(world)["changed"][4]
    assert measured(world)["largest_profile"][:4] == [12, 2, None, 102]


def test_what_somebody_accepted_is_marked_and_stays_visible(tmp_path: Path) -> None:
    people = [signal(f"p{n}", "web", user_id=f"U{n}") for n in range(4)]
    published = resolved(people).publish(tmp_path / "published.duckdb")
    world = resolved(people, previous=published, salt="another", accept=True)
    assert measured(world)["changed"] == [1, None, None, 0.1, False, True]


def test_a_share_may_neither_fall_nor_rise_further_than_its_rule_says(tmp_path: Path) -> None:
    people = [signal(f"p{n}", "web", user_id=f"U{n}", anonymous_id=f"a{n}") for n in range(8)]
    strangers = [signal(f"s{n}", "web", anonymous_id=f"s{n}") for n in range(2)]
    published = resolved(people).publish(tmp_path / "published.duckdb")
    world = resolved(people + strangers, previous=published)
    assert measured(world)["share_joined"] == [0.8, 1, 0.9, 1.1, False, False]
    looser = replace(load_rules().gates["share_joined"], may_fall=0.3)
    rules = replace(load_rules(), gates={**load_rules().gates, "share_joined": looser})
    assert measured(resolved(people + strangers, previous=published, rules=rules))["share_joined"][
        4
    ]


@pytest.mark.parametrize("kind", ["must_link", "cannot_link"])
def test_what_a_steward_decided_is_no_jump(tmp_path: Path, kind: str) -> None:
    people = [signal(f"p{n}", "web", user_id=f"U{n}", anonymous_id=f"a{n}") for n in range(3)]
    published = resolved(people).publish(tmp_path / "published.duckdb")
    overrides = tmp_path / "overrides.csv"
    pair = "user_id,U0,user_id,U1" if kind == "must_link" else "user_id,U0,anonymous_id,a0"
    overrides.write_text(f"kind,from_type,from_value,to_type,to_value\n{kind},{pair}\n")
    world = resolved(people, previous=published, overrides=overrides)
    assert world.rows("select count(*) from identity.history where happened_at = $1", AS_OF) == [
        (1,)
    ]
    assert value(world, "changed") == 0
