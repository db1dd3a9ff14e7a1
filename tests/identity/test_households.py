"""Who lives together is of one household, and stays a person of their own."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import pytest
from identity_world import Signal, World, customer, member, named, resolved, signal

from dagster_project.identity import Rules, load_rules

FLOWERS = {"street_address": "Rua das Flores, 12", "postal_code": "1000-001", "city": "Lisboa"}
ELSEWHERE = {"street_address": "Strada Mare 5", "postal_code": "400001", "city": "Cluj"}


def homes(world: World) -> set[frozenset[str]]:
    """The households, each as the signals of its members."""
    found = world.rows(
        "select list(signal_id) from identity.household_members "
        "join identity.resolved using (profile_id) group by household_id"
    )
    return {frozenset(names) for (names,) in found}


def reasons(world: World) -> set[tuple[str, str, bool]]:
    return set(world.rows("select rule, value, is_one_name from identity.household_links"))


def at(place: dict[str, Any], *names: tuple[str, str]) -> list[Signal]:
    """One member for each full name, all of one address."""
    return [
        member(f"{given} {family}", f"L{number}", number, **named(given, family), **place)
        for number, (given, family) in enumerate(names)
    ]


def test_a_family_at_one_address_is_a_household_of_different_people() -> None:
    world = resolved(
        [
            member("ana", "L1", **named("Ana", "Silva"), **FLOWERS),
            customer(
                "rui",
                "C1",
                **named("Rui", "Sílva"),
                street_address="12 RUA DAS FLORES",
                postal_code="1000001",
            ),
        ]
    )
    assert homes(world) == {frozenset({"ana", "rui"})}
    assert reasons(world) == {("address", "12 das flores rua, 1000001", True)}
    assert world.different("ana", "rui")
    assert world.report.households == 1


def test_neighbours_are_no_household() -> None:
    assert homes(resolved(at(FLOWERS, ("Ana", "Silva"), ("Ion", "Pop")))) == set()


@pytest.mark.parametrize(
    ("one", "other", "is_family"),
    [
        ("Kowalski", "Kowalska", True),
        ("Ivanov", "Ivanova", True),
        ("Santos Silva", "Silva", True),
        ("Pop", "Pop", True),
        ("dos Santos", "dos Reis", False),
        ("Pop", "Popescu", False),
        ("Popa", "Pope", False),
    ],
)
def test_a_family_name_is_one_with_its_endings_and_not_with_its_prepositions(
    one: str, other: str, is_family: bool
) -> None:
    found = homes(resolved(at(FLOWERS, ("Ana", one), ("Rui", other))))
    assert bool(found) == is_family


def test_a_shared_email_needs_the_family_name_or_the_address() -> None:
    def two(family: str, place: dict[str, Any]) -> World:
        return resolved(
            [
                member("ana", "L1", email="we@x.ro", **named("Ana", "Pop"), **FLOWERS),
                member("ion", "L2", email="we@x.ro", **named("Ion", family), **place),
            ]
        )

    assert reasons(two("Pop", ELSEWHERE)) == {("email", "we@x.ro", True)}
    assert reasons(two("Ene", FLOWERS)) == {
        ("email", "we@x.ro", False),
        ("address", "12 das flores rua, 1000001", False),
    }
    assert homes(two("Ene", ELSEWHERE)) == set()
    assert all(two(name, FLOWERS).different("ana", "ion") for name in ("Pop", "Ene"))


def test_a_recycled_phone_makes_strangers_no_household() -> None:
    phone = {"phone": "+40721234567"}
    world = resolved(
        [
            member("ana", "L1", 0, **phone, **named("Ana", "Pop"), **FLOWERS),
            member("ion", "L2", 300, **phone, **named("Ion", "Ene"), **ELSEWHERE),
        ]
    )
    assert homes(world) == set()


def test_an_address_of_more_persons_than_the_limit_ties_nobody() -> None:
    limit = load_rules().household_person_limit
    given = ["Ana", "Rui", "Eva", "Gil", "Ida", "Leo", "Nuno", "Olga", "Paulo"]
    crowd = at(FLOWERS, *((name, "Silva") for name in given))
    assert len(crowd) == limit + 1
    assert homes(resolved(crowd)) == set()
    assert len(*homes(resolved(crowd[1:]))) == limit


@pytest.mark.parametrize(
    "nowhere",
    [
        *({"street_address": street} for street in ("-", "  ", "N/A", "Unknown", "0000", None)),
        {"postal_code": None, "city": None},
        {"postal_code": "-", "city": "?"},
    ],
)
def test_an_address_that_is_none_ties_nobody(nowhere: dict[str, Any]) -> None:
    family = at(FLOWERS | nowhere, ("Ana", "Silva"), ("Rui", "Silva"))
    assert homes(resolved(family)) == set()


def test_an_address_of_ten_thousand_makes_no_household_and_takes_no_time() -> None:
    crowd = [
        member(f"m{n}", f"L{n}", **named(f"Ana{n}", "Silva"), **FLOWERS) for n in range(10_000)
    ]
    assert homes(resolved(crowd)) == set()


def test_a_chain_of_more_persons_than_a_household_has_makes_none() -> None:
    rules = replace(load_rules(), household_member_limit=2)
    family = at(FLOWERS, ("Ana", "Silva"), ("Rui", "Silva"), ("Eva", "Silva"))
    assert homes(resolved(family, rules=rules)) == set()
    assert reasons(resolved(family, rules=rules)) == set()
    assert len(*homes(resolved(family[:2], rules=rules))) == 2


def test_who_moved_out_lives_at_the_newest_address() -> None:
    moved = customer("new", "C9", 200, loyalty_id="L9", **named("Eva", "Silva"), **ELSEWHERE)
    old = member("old", "L9", 1, **named("Eva", "Silva"), **FLOWERS)
    world = resolved([*at(FLOWERS, ("Ana", "Silva"), ("Rui", "Silva")), old, moved])
    assert world.same("old", "new")
    assert homes(world) == {frozenset({"Ana Silva", "Rui Silva"})}


def test_a_browser_that_knows_the_familys_email_is_not_one_more_of_them() -> None:
    world = resolved(
        [
            member("ana", "L1", email="we@x.ro", **named("Ana", "Pop")),
            member("ion", "L2", email="we@x.ro", **named("Ion", "Pop")),
            signal("browser", "web", anonymous_id="b1", email="we@x.ro"),
        ]
    )
    assert homes(world) == {frozenset({"ana", "ion"})}


def _write_none(connection: duckdb.DuckDBPyConnection, _: Rules, *, salt: str) -> None:
    """Households as they are where nobody lives together."""
    connection.execute("create table identity.household_members (household_id varchar)")


def test_households_change_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    family = at(FLOWERS, ("Ana", "Silva"), ("Rui", "Silva"), ("Ion", "Pop"))
    with_households = resolved(family)
    # `identity.resolve` is the function; its module goes by the same name.
    module = import_module("dagster_project.identity.resolve")
    monkeypatch.setattr(module, "write_households", _write_none)
    without = resolved(family)
    assert (with_households.report.households, without.report.households) == (1, 0)
    assert with_households.people == without.people
    for table in ("profiles", "identifiers", "links"):
        query = f"from identity.{table} order by all"
        assert with_households.rows(query) == without.rows(query)


def test_an_id_hangs_on_no_order_of_rows_and_outlives_who_joins_later(tmp_path: Path) -> None:
    family = at(FLOWERS, ("Ana", "Silva"), ("Rui", "Silva"), ("Eva", "Silva"))
    world = resolved(family)
    again = resolved(family, shuffled=3, previous=world.publish(tmp_path / "published.duckdb"))
    for table in ("household_members", "household_links"):
        query = f"from identity.{table} order by all"
        assert world.rows(query) == again.rows(query)
    ids = "select distinct household_id from identity.household_members"
    assert resolved(family[:2]).rows(ids) == world.rows(ids)
    ((household_id,),) = world.rows(ids)
    assert len(household_id) == 22
    assert household_id.startswith("h_")
