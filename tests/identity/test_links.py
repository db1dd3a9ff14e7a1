"""What joins two records into one person."""

from datetime import date, timedelta

import pytest
from identity_world import customer, member, named, resolved, signal


@pytest.mark.parametrize(
    ("identifier", "value"),
    [
        ("user_id", "U1"),
        ("email", "ana@example.com"),
        ("phone", "+40721234567"),
        ("loyalty_id", "L1"),
        ("device_id", "a-phone"),
        ("anonymous_id", "a-browser"),
        ("payment_card", "a-card"),
        ("tax_id", "1900101123456"),
    ],
)
def test_records_that_carry_the_same_identifier_are_one_person(identifier: str, value: str) -> None:
    world = resolved(
        [
            signal("one", "web", **{identifier: value}),
            signal("two", "app", day=3, **{identifier: value}),
            signal("else", "web", **{identifier: value.replace("1", "2") + "x"}),
        ]
    )
    assert world.same("one", "two")
    assert world.people["else"] != world.people["one"]


def test_the_erp_customer_the_card_it_notes_and_the_account_it_notes_are_one_person() -> None:
    world = resolved(
        [
            customer("erp", "C1", loyalty_id="L1", user_id="U1"),
            signal("order", "erp", erp_customer_id="C1"),
            signal("receipt", "pos", loyalty_id="L1"),
            signal("visit", "web", user_id="U1"),
        ]
    )
    assert world.same("erp", "order", "receipt", "visit")
    rules = world.rows("select to_type, rule from identity.links order by all")
    assert rules == [("loyalty_id", "loyalty_id"), ("user_id", "web_user_id")]


def test_an_order_joins_the_browser_that_placed_it_to_the_customer_of_the_erp() -> None:
    world = resolved(
        [
            customer("erp", "C1"),
            signal("placed", "erp", erp_customer_id="C1", anonymous_id="browser"),
            signal("visit", "web", anonymous_id="browser"),
        ]
    )
    assert world.same("erp", "placed", "visit")
    assert world.rows("select to_type, rule from identity.links") == [
        ("anonymous_id", "web_order_id")
    ]


def test_an_alias_joins_the_browser_to_the_account_and_the_old_account_to_the_new() -> None:
    world = resolved(
        [
            signal("before", "web", anonymous_id="browser"),
            signal("alias", "web", day=1, user_id="U2", previous_id="browser"),
            signal("old", "web", user_id="U1"),
            signal("renamed", "web", day=2, user_id="U2", previous_id="U1"),
        ]
    )
    assert world.same("before", "alias", "old", "renamed")
    assert set(world.rows("select distinct rule from identity.links")) == {("alias",)}


def test_a_previous_id_that_is_an_account_and_a_browser_is_taken_as_the_browser() -> None:
    world = resolved(
        [
            signal("visit", "web", anonymous_id="x"),
            signal("account", "web", day=1, user_id="x"),
            signal("alias", "web", day=2, user_id="U2", previous_id="x"),
        ]
    )
    assert world.same("visit", "alias")
    assert world.different("visit", "account")


def test_a_login_joins_what_the_browser_did_before_it() -> None:
    world = resolved(
        [
            signal("visit", "web", anonymous_id="b1"),
            signal("login", "web", day=1, anonymous_id="b1", user_id="U1"),
            signal("elsewhere", "app", day=2, anonymous_id="b2", user_id="U1", device_id="d"),
        ]
    )
    assert world.same("visit", "login", "elsewhere")


def test_an_email_joins_the_account_the_customer_and_the_member() -> None:
    world = resolved(
        [
            signal("account", "web", user_id="U1", email="ana.pop@gmail.com"),
            customer("erp", "C1", email="AnaPop@googlemail.com", **named("Ana", "Pop")),
            member("card", "L1", email="ana.pop+shop@gmail.com", **named("Ána", "POP")),
        ]
    )
    assert world.same("account", "erp", "card")


def test_a_typo_an_initial_or_a_lost_accent_is_no_contradiction() -> None:
    world = resolved(
        [
            customer(
                "erp", "C1", email="e@example.com", **named("Ștefan Ion", "Łącki", "1990-05-04")
            ),
            member("typo", "L1", email="e@example.com", **named("Stefan", "Lacky", "1990-04-05")),
            member("initial", "L2", email="e@example.com", **named("Ș.", "Łącki")),
        ]
    )
    assert world.same("erp", "typo", "initial")


def test_two_letters_swapped_in_a_given_name_are_no_contradiction() -> None:
    world = resolved(
        [
            customer("erp", "C1", phone="0721234567", **named("Maria", "Popescu")),
            member("card", "L1", phone="0721234567", **named("Maira", "Popescu")),
        ]
    )
    assert world.same("erp", "card")


def test_names_in_each_others_place_are_no_contradiction() -> None:
    world = resolved(
        [
            customer("erp", "C1", phone="0721234567", **named("Maria", "Popescu")),
            member("card", "L1", phone="0721234567", **named("Popescu", "Maria")),
        ]
    )
    assert world.same("erp", "card")


def test_a_customer_that_registered_twice_is_one_person() -> None:
    world = resolved(
        [
            customer(
                f"guest order {number}", f"C{number}", email="e@example.com", **named("Ion", "Pop")
            )
            for number in range(60)
        ]
    )
    assert world.report.profiles == 1
    assert world.demoted() == {}


def test_ten_thousand_registrations_of_one_name_are_compared_in_seconds() -> None:
    world = resolved(
        [
            customer(f"guest {n}", f"C{n}", email="e@example.com", **named("Ion", "Pop"))
            for n in range(10_000)
        ]
        + [
            customer(f"{n}", f"D{n}", email="f@example.com", **named("Ion", "Pop", birthday(n)))
            for n in range(10_000)
        ]
    )
    assert world.same("guest 0", "guest 9999")
    assert world.different("0", "9999")
    assert list(world.demoted()) == [("email", "f@example.com")]


def birthday(number: int) -> str:
    return (date(1950, 1, 1) + timedelta(days=number)).isoformat()


def test_a_chain_of_ten_thousand_links_is_one_person() -> None:
    world = resolved(
        [
            signal(
                f"s{number}",
                "web",
                email=f"e{(number + 1) // 2}@example.com",
                phone=f"+40721{number // 2:06d}",
            )
            for number in range(10_000)
        ]
    )
    assert world.report.profiles == 1
    assert world.report.links == 10_000


def test_every_link_ties_two_identifiers_of_one_person() -> None:
    world = resolved(
        [
            customer("erp", "C1", email="a@example.com", phone="0721234567", loyalty_id="L1"),
            signal("visit", "web", user_id="U1", anonymous_id="b", email="a@example.com"),
            signal("receipt", "pos", loyalty_id="L1", payment_card="card"),
            signal("other", "web", user_id="U2", anonymous_id="c"),
        ]
    )
    apart = world.rows(
        """
        select * from identity.links
        join identity.identifiers as one
            on (from_type, from_value) = (one.identifier_type, one.identifier_value)
        join identity.identifiers as other
            on (to_type, to_value) = (other.identifier_type, other.identifier_value)
        where one.profile_id <> other.profile_id
        """
    )
    assert apart == []
    assert world.report.links == 7
    assert world.report.largest_profile == 7


def test_a_record_with_nothing_usable_is_nobody() -> None:
    world = resolved([signal("blocked", "web", user_id="null", email="test@example.com")])
    assert world.people == {"blocked": None}
    assert world.report.unresolved_signals == 1
    assert world.report.profiles == 0


def test_no_signals_make_empty_tables() -> None:
    world = resolved([])
    assert world.report.signals == world.report.profiles == world.report.links == 0
    for table in (
        "normalised",
        "identifiers",
        "links",
        "demoted",
        "resolved",
        "profiles",
        "history",
    ):
        assert world.rows(f"select count(*) from identity.{table}") == [(0,)]
