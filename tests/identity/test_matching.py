"""Registrations without a common key: joined where their records are of one person, not two."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from febrl import SETS, learnt, measured, signals
from identity_world import Signal, customer, member, named, resolved, signal, warehouse

from dagster_project.errors import PerennialError
from dagster_project.identity import learn, load_rules, weights

HOME = {"street_address": "Strada Lungă 12", "city": "Brașov", "postal_code": "500001"}
ANA = named("Ana-Maria", "Popescu", "1990-02-03")


@pytest.mark.parametrize("number", SETS)
@pytest.mark.parametrize(("with_tax_id", "f1"), [(True, 0.995), (False, 0.990)])
def test_the_febrl_sets_are_joined_by_a_model_that_learnt_without_labels(
    tmp_path: Path, number: int, with_tax_id: bool, f1: float
) -> None:
    found = signals(number, with_tax_id=with_tax_id)
    quality = measured(resolved(found, country="AU", model=learnt(found, tmp_path)))
    assert quality.precision >= 0.999
    assert quality.f1 >= f1


def test_the_model_that_is_shipped_joins_nobody_wrongly() -> None:
    quality = measured(resolved(signals(3, with_tax_id=False), country="AU"))
    assert quality.precision >= 0.999
    assert quality.f1 >= 0.96


def test_a_customer_and_a_member_of_one_description_are_one_and_the_link_says_so() -> None:
    world = resolved([customer("erp", "C1", **ANA, **HOME), member("pos", "L1", **ANA, **HOME)])
    assert world.same("erp", "pos")
    ((rule, source, probability),) = world.rows(
        "select rule, source, probability from identity.links"
    )
    assert (rule, source) == ("alike", None)
    assert probability > 0.999
    assert world.report.alike == 1
    assert world.rows("select * from identity.review") == []


def test_likeness_never_joins_two_accounts() -> None:
    described = ANA | HOME
    world = resolved(
        [
            customer("erp", "C1", user_id="U1", **described),
            customer("other", "C2", user_id="U2", **described),
            member("card", "L1", **described),
        ]
    )
    assert world.different("erp", "other")
    assert world.same("card", "erp") or world.same("card", "other")
    reasons = world.rows("select distinct reason from identity.review")
    assert reasons == [("their records contradict each other, or each has an account",)]
    alone = [customer("erp", "C1", user_id="U1", **described), member("card", "L1", **described)]
    assert resolved(alone).same("erp", "card")


# Two people, each with what the other has too.
RELATIVES = {
    "spouses": (named("Ana", "Popescu", "1990-02-03"), named("Ion", "Popescu", "1988-07-01")),
    "spouses without birth dates": (named("Ana", "Popescu"), named("Ion", "Popescu")),
    "one birth date": (named("Ana", "Popescu", "1990-02-03"), named("Ion", "Popescu")),
    "sisters": (named("Ana", "Popescu"), named("Anca", "Popescu")),
    "a short name in a long one": (named("Ben", "Savage"), named("Brenda", "Savage")),
    "brother and sister": (named("Gabriel", "Popescu"), named("Gabriela", "Popescu")),
    "a couple": (named("Maria", "Popescu"), named("Marin", "Popescu")),
    "father and son of one name": (
        {**named("Ion", "Popescu", "1960-07-01"), "tax_id": "1600701080014"},
        {**named("Ion", "Popescu", "1988-02-11"), "tax_id": "1880211080027"},
    ),
    "father and son": (named("Ion", "Popescu", "1960-07-01"), named("Ioan", "Pop", "1988-02-11")),
    "mother and daughter of like names": (
        named("Milena", "Nemes", "1984-09-08"),
        named("Mirela", "Nemes", "2004-12-11"),
    ),
    "a couple born two days apart": (
        named("Fernando", "Pires", "1964-01-11"),
        named("Gaspar", "Pires", "1964-01-13"),
    ),
}


@pytest.mark.parametrize("pair", RELATIVES)
def test_people_who_live_together_stay_two(pair: str) -> None:
    one, other = RELATIVES[pair]
    phone = {"phone": "+40721000111", "email": "familia@example.com"}
    world = resolved(
        [customer("one", "C1", **one, **HOME, **phone), member("other", "L1", **other, **HOME)],
        rules=replace(load_rules(), join=0.6),
    )
    assert world.different("one", "other")


@pytest.mark.parametrize("pair", [("Luis", "Luisa"), ("Gabriele", "Gabriel"), ("Mario", "Maria")])
def test_a_familys_email_joins_no_brother_and_sister(pair: tuple[str, str]) -> None:
    one, other = (named(name, "Carvalho") for name in pair)
    email = {"email": "familia@example.com"}
    world = resolved(
        [customer("one", "C1", **one, **email), member("other", "L1", **other, **email)]
    )
    assert world.different("one", "other")
    short = named("Alexandra", "Lima"), named("Alex", "Lima")
    one, other = ({**name, **email} for name in short)
    assert resolved([customer("one", "C1", **one), member("other", "L1", **other)]).same(
        "one", "other"
    )


def test_a_record_without_a_given_name_makes_no_couple_one() -> None:
    world = resolved(
        [
            customer("ana", "C1", **named("Ana", "Popescu"), **HOME),
            member("ion", "L1", **named("Ion", "Popescu"), **HOME),
            member("family", "L2", **named("A", "Popescu"), **HOME),
        ]
    )
    assert world.different("ana", "ion")


def test_namesakes_elsewhere_stay_two_though_their_addresses_differ_by_a_digit() -> None:
    names = named("Valentina", "Almeida")
    world = resolved(
        [
            signal("one", "web", user_id="u1", email="valentina.almeida1@example.com", **names),
            signal("other", "web", user_id="u2", email="valentina.almeida2@example.com", **names),
        ]
    )
    assert world.different("one", "other")


def test_what_the_staff_types_for_everybody_makes_nobody_alike() -> None:
    people = [named(f"Name{chr(97 + n)}", "Popescu") for n in range(12)]
    world = resolved(
        [
            member(f"m{n}", f"L{n}", email="shop@example.com", **names)
            for n, names in enumerate(people)
        ]
    )
    assert world.report.profiles == len(people)


def test_pairs_that_are_not_sure_are_for_somebody_to_decide() -> None:
    world = resolved(
        [
            member("ana", "L1", **named("Ana", "Popescu"), **HOME),
            customer("ion", "C1", **named("Ion", "Popescu"), **HOME),
        ]
    )
    ((one, other, apart, reason, probability),) = world.rows(
        "select from_value, to_value, from_profile_id <> to_profile_id, reason, probability"
        " from identity.review"
    )
    assert (one, other, apart, reason) == ("C1", "L1", True, "not sure enough")
    assert 0.5 <= probability < 0.95
    assert (world.report.review, world.report.alike) == (1, 0)


def test_a_name_and_a_city_alone_are_for_somebody_to_decide() -> None:
    others = [
        customer(f"c{n}", f"C{n}", phone=f"+4072100{n}", city=f"C{n}", **named(f"G{n}", f"F{n}"))
        for n in range(1000, 5000)
    ]
    alike = named("Zoltan", "Kovacs")
    world = resolved(
        [
            customer("one", "Z1", **alike, city="Zalău", phone="+40721000111"),
            member("other", "Z2", **alike, city="Zalău", email="z@example.com"),
            *others,
        ]
    )
    assert world.different("one", "other")
    review = world.rows("select from_value, to_value, probability from identity.review")
    assert review == [("Z1", "Z2", 0.5)]


def test_what_contradicts_is_listed_and_not_joined() -> None:
    world = resolved(
        [
            customer("one", "C1", **named("Gabriel", "Popescu"), **HOME),
            member("other", "L1", **named("Gabriela", "Popescu"), **HOME),
        ]
    )
    assert world.different("one", "other")
    review = world.rows("select from_value, to_value, reason from identity.review")
    assert review == [("C1", "L1", "their records contradict each other, or each has an account")]


def test_a_merge_by_likeness_is_told_in_the_history(tmp_path: Path) -> None:
    first = [customer("erp", "C1", 1, **ANA, **HOME), member("pos", "L1", 2, **ANA)]
    before = resolved(first)
    assert before.different("erp", "pos")
    later = [first[0], member("pos", "L1", 2, **ANA, **HOME)]
    world = resolved(later, previous=before.publish(tmp_path / "published.duckdb"))
    assert world.same("erp", "pos")
    told = world.rows("select kind, reason from identity.history")
    assert told == [("merge", "joined as alike")]
    assert world.people["erp"] == before.people["erp"]


def test_no_order_of_rows_changes_what_is_joined() -> None:
    found = signals(1, with_tax_id=False)
    people = [resolved(found, country="AU", shuffled=seed).people for seed in (1, 2, 3)]
    assert people[0] == people[1] == people[2]


def test_a_training_is_saved_under_the_next_number_and_says_what_it_learnt(tmp_path: Path) -> None:
    found = signals(1, with_tax_id=True)
    assert learnt(found, tmp_path).name == "model-0001.json"
    second = learnt(found, tmp_path)
    assert second.name == "model-0002.json"
    bits = {(name, kind): bit for name, kind, bit in weights(json.loads(second.read_text()))}
    assert bits["birth_date", "Exact match on date of birth"] > 5
    assert bits["birth_date", "All other comparisons"] < -2


def test_too_little_to_learn_from_is_said(tmp_path: Path) -> None:
    few: list[Signal] = [customer(f"c{n}", f"C{n}", **ANA, **HOME) for n in range(20)]
    with warehouse(few) as connection, pytest.raises(PerennialError, match="20 registrations"):
        learn(connection, default_country="RO")
    strangers = [
        customer(f"c{n}", f"C{n}", **named(f"Given{n}", f"Family{n}"), phone=f"+4072100{n:04}")
        for n in range(300)
    ]
    with warehouse(strangers) as connection, pytest.raises(PerennialError, match="in common"):
        learn(connection, default_country="RO")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"comparisons": 5', "\0"])
def test_a_damaged_model_is_one_clear_error(tmp_path: Path, content: str) -> None:
    damaged = tmp_path / "model-0001.json"
    damaged.write_text(content)
    with pytest.raises(PerennialError, match=r"model-0001\.json is no matching model"):
        resolved([customer("c", "C1", **ANA)], model=damaged)
