"""What looks like a link and isn't one: things that many people share."""

from datetime import date, timedelta
from typing import Any

from identity_world import EPOCH, Signal, customer, member, named, resolved, signal

GIVEN = ["Ana", "Ion", "Maria", "Vasile", "Elena", "Dumitru", "Ioana", "Radu", "Sorin", "Tudor"]


def people(count: int) -> list[tuple[str, dict[str, Any]]]:
    return [(str(number), named(GIVEN[number % 10], f"Familie{number}")) for number in range(count)]


def test_a_shop_tablet_joins_nobody() -> None:
    world = resolved(
        [
            signal(
                f"login {number}",
                "app",
                anonymous_id="tablet",
                device_id="the tablet",
                user_id=f"U{number}",
            )
            for number in range(40)
        ]
        + [signal("nobody's", "app", anonymous_id="tablet", device_id="the tablet")]
    )
    assert world.report.profiles == 40
    assert world.people["nobody's"] is None
    assert set(world.demoted()) == {("anonymous_id", "tablet"), ("device_id", "the tablet")}
    assert world.rows("select distinct person_count, person_limit from identity.demoted") == [
        (40, 5)
    ]


def test_a_tablet_on_which_guests_leave_their_email_joins_nobody() -> None:
    world = resolved(
        [
            signal(
                f"guest {number}", "web", anonymous_id="tablet", email=f"guest{number}@example.com"
            )
            for number in range(12)
        ]
    )
    assert world.report.profiles == 12
    assert ("anonymous_id", "tablet") in world.demoted()


def test_two_accounts_on_one_family_computer_stay_two_persons() -> None:
    world = resolved(
        [
            signal("ana", "web", anonymous_id="family", user_id="U1", email="ana@example.com"),
            signal("ion", "web", anonymous_id="family", user_id="U2", email="ion@example.com"),
        ]
    )
    assert world.different("ana", "ion")


def test_half_a_name_or_a_birth_date_is_no_agreement() -> None:
    world = resolved(
        [
            signal(f"{kind} {n}", "web", anonymous_id=kind, user_id=f"{kind}{n}", **known)
            for kind, known in (
                ("given name", {"given_name": "Ana"}),
                ("birth date", {"birth_date": date(1980, 1, 20)}),
            )
            for n in (1, 2)
        ]
    )
    assert world.different("given name 1", "given name 2")
    assert world.different("birth date 1", "birth date 2")


def test_one_person_with_two_accounts_in_one_browser_is_joined_when_the_names_agree() -> None:
    world = resolved(
        [
            signal("old", "web", anonymous_id="b", user_id="U1", **named("Ana", "Pop")),
            signal("new", "web", anonymous_id="b", user_id="U2", **named("Ana", "Popp")),
        ]
    )
    assert world.same("old", "new")


def test_a_family_email_joins_nobody_and_is_listed_as_contradicting() -> None:
    world = resolved(
        [
            customer("ana", "C1", email="familia@example.com", **named("Ana", "Pop")),
            customer("ion", "C2", email="familia@example.com", **named("Ion", "Pop")),
            signal("newsletter", "web", email="familia@example.com"),
        ]
    )
    assert world.different("ana", "ion")
    assert world.people["newsletter"] is None
    assert "contradict" in world.demoted()["email", "familia@example.com"]


def test_a_shared_email_is_listed_with_each_of_its_users() -> None:
    world = resolved(
        [
            customer("ana", "C1", email="familia@example.com", **named("Ana", "Pop")),
            customer("ion", "C2", email="familia@example.com", **named("Ion", "Pop")),
        ]
    )
    listed = world.rows(
        "select profile_id, is_demoted from identity.identifiers "
        "where identifier_type = 'email' order by 1"
    )
    assert listed == sorted((person, True) for person in world.people.values())
    assert world.rows("select distinct identifier_count from identity.profiles") == [(1,)]


def test_father_and_son_of_one_name_are_told_apart_by_their_birth_dates() -> None:
    world = resolved(
        [
            customer("father", "C1", email="pop@example.com", **named("Ion", "Pop", "1955-03-02")),
            member("son", "L1", email="pop@example.com", **named("Ion", "Pop", "1986-11-23")),
        ]
    )
    assert world.different("father", "son")


def test_a_birth_date_that_a_form_filled_in_contradicts_nobody() -> None:
    world = resolved(
        [
            customer("erp", "C1", email="pop@example.com", **named("Ion", "Pop", "1900-01-01")),
            member("card", "L1", email="pop@example.com", **named("Ion", "Pop", "1986-11-23")),
        ]
    )
    assert world.same("erp", "card")


def test_a_tills_default_card_doesnt_join_those_who_pay_with_it() -> None:
    signals = []
    for number, names in people(30):
        signals += [
            member(f"member {number}", f"L{number}", **names),
            signal(f"own {number}", "pos", loyalty_id=f"L{number}", payment_card=f"card{number}"),
            signal(f"till {number}", "pos", loyalty_id="TILL", payment_card=f"card{number}"),
        ]
    world = resolved(signals)
    assert world.report.profiles == 30
    assert list(world.demoted()) == [("loyalty_id", "TILL")]
    assert all(world.same(f"member {n}", f"own {n}", f"till {n}") for n in range(30))


def test_a_small_shops_default_card_is_recognised_by_what_it_shares_with_others() -> None:
    signals = []
    for number, names in people(8):
        signals += [
            member(f"member {number}", f"L{number}", **names),
            signal(f"own {number}", "pos", loyalty_id=f"L{number}", payment_card=f"card{number}"),
            signal(f"till {number}", "pos", loyalty_id="TILL", payment_card=f"card{number}"),
        ]
    world = resolved(signals)
    assert world.report.profiles == 8
    assert all(world.same(f"member {n}", f"own {n}", f"till {n}") for n in range(8))


def test_a_default_customer_of_the_erp_doesnt_join_the_accounts_it_is_noted_with() -> None:
    signals = [
        customer(f"sale {number}", "CASH", user_id=f"U{number}", email=f"e{number}@example.com")
        for number in range(30)
    ]
    world = resolved(signals)
    assert world.report.profiles == 30
    assert ("erp_customer_id", "CASH") in world.demoted()


def test_an_erp_customer_named_for_nobody_is_nobody() -> None:
    world = resolved(
        [
            customer("till", "C1", email="e@example.com", **named("CLIENTE", "Final")),
            signal("sold in a hurry", "erp", erp_customer_id="C1"),
            member("ana", "L1", email="e@example.com", **named("Ana", "Final")),
            customer("walk-in", "C2", **named("Walk-In", "Customer")),
        ]
    )
    assert world.people["sold in a hurry"] is None
    assert world.people["walk-in"] is None
    assert world.people["ana"] is not None
    assert set(world.demoted()) == {("erp_customer_id", "C1"), ("erp_customer_id", "C2")}


def test_a_card_that_pays_at_the_till_all_day_is_nobodys() -> None:
    first, last = EPOCH, EPOCH + timedelta(days=99)
    seen = {"first_seen_at": first, "last_seen_at": last}
    world = resolved(
        [
            signal("till", "pos", loyalty_id="L0", **seen, record_count=10_101),
            signal("keen", "pos", loyalty_id="L1", **seen, record_count=10_000),
            signal("one wild day", "pos", loyalty_id="L2", record_count=3_000),
        ]
    )
    assert world.people["till"] is None
    assert world.different("keen", "one wild day", "till")
    assert list(world.demoted()) == [("loyalty_id", "L0")]


def test_an_email_of_more_accounts_than_the_limit_joins_none_of_them() -> None:
    def accounts(count: int) -> list[Signal]:
        return [
            signal(f"account {number}", "web", user_id=f"U{number}", email="e@example.com")
            for number in range(count)
        ]

    assert resolved(accounts(5)).report.profiles == 1
    world = resolved(accounts(6))
    assert world.report.profiles == 6
    assert "more registered persons" in world.demoted()["email", "e@example.com"]


def test_browsers_that_a_tablet_replaced_are_not_joined_by_the_tablet() -> None:
    world = resolved(
        [
            signal(f"login {number}", "web", anonymous_id="tablet", user_id=f"U{number}")
            for number in range(9)
        ]
        + [
            signal("one", "web", anonymous_id="tablet", previous_id="browser 1"),
            signal("other", "web", anonymous_id="tablet", previous_id="browser 2"),
        ]
    )
    assert world.different("one", "other")
    assert None not in (world.people["one"], world.people["other"])


def test_the_shops_own_email_typed_for_everybody_joins_nobody() -> None:
    world = resolved(
        [
            member(f"member {number}", f"L{number}", email="shop@example.com", **names)
            for number, names in people(30)
        ]
    )
    assert world.report.profiles == 30
    assert ("email", "shop@example.com") in world.demoted()


def test_a_payment_card_of_a_couple_joins_neither_card_to_the_other() -> None:
    world = resolved(
        [
            member("ana", "L1", **named("Ana", "Pop")),
            member("ion", "L2", **named("Ion", "Pop")),
            signal("ana pays", "pos", loyalty_id="L1", payment_card="shared"),
            signal("ion pays", "pos", loyalty_id="L2", payment_card="shared"),
            signal("no card shown", "pos", payment_card="shared"),
        ]
    )
    assert world.different("ana", "ion")
    assert world.people["no card shown"] is None


def test_a_registration_noted_by_mistake_is_cut_and_not_the_person() -> None:
    world = resolved(
        [
            customer("erp", "C1", loyalty_id="L9", **named("Ana", "Pop", "1980-01-20")),
            member("card", "L9", **named("Dragoș", "Ene", "1961-07-07")),
            signal("receipt", "pos", loyalty_id="L9"),
            signal("order", "erp", erp_customer_id="C1"),
        ]
    )
    assert world.same("card", "receipt")
    assert world.same("erp", "order")
    assert world.different("erp", "card")
    cut = world.rows("select from_type, to_type from identity.cut_links")
    assert cut == [("erp_customer_id", "loyalty_id")]
    assert world.report.links == 0


def test_a_contradiction_over_two_links_cuts_the_weaker_one() -> None:
    ana, ion = named("Ana", "Pop", "1980-01-20"), named("Dragoș", "Ene", "1961-07-07")
    world = resolved(
        [
            customer("ana", "C1", email="ana@example.com", **ana),
            customer("ion", "C2", email="ion@example.com", **ion),
            signal("account", "web", user_id="U1", email="ana@example.com", record_count=9),
            signal("once", "web", user_id="U1", email="ion@example.com", record_count=1),
        ]
    )
    assert world.different("ana", "ion")
    assert world.same("ana", "account", "once")
    assert world.demoted() == {}
    cut = world.rows("select from_value, to_value from identity.cut_links")
    assert cut == [("U1", "ion@example.com")]


def test_different_tax_numbers_tell_namesakes_apart() -> None:
    world = resolved(
        [
            customer("one", "C1", email="e@example.com", tax_id="271845904", **named("Ana", "Pop")),
            member("other", "L1", email="e@example.com", tax_id="193500211", **named("Ana", "Ene")),
        ]
    )
    assert world.different("one", "other")


def test_a_tax_number_of_a_company_doesnt_join_its_staff() -> None:
    world = resolved(
        [
            customer("ana", "C1", tax_id="RO 1234567", **named("Ana", "Pop")),
            customer("ion", "C2", tax_id="RO1234567", **named("Ion", "Ene")),
        ]
    )
    assert world.different("ana", "ion")
    assert list(world.demoted()) == [("tax_id", "RO1234567")]


def test_a_crowd_chained_by_identifiers_within_their_limits_is_taken_apart() -> None:
    signals = [
        signal(
            f"u{number}{side}", "web", user_id=f"U{number}", email=f"e{number + side}@example.com"
        )
        for number in range(100)
        for side in (0, 1)
    ]
    world = resolved(signals)
    assert world.report.profiles == 100
    assert set(world.demoted().values()) == {"chains more persons into one than the limit"}


def test_a_blocked_value_of_every_kind_is_no_identifier() -> None:
    blocked = [
        "0",
        "000-000",
        "-1",
        "NULL",
        "none",
        "N/A",
        "anonymous",
        "Undefined",
        "--",
        "{{id}}",
    ]
    world = resolved(
        [signal(f"s{number}", "web", user_id=value) for number, value in enumerate(blocked)]
        + [
            signal("email", "web", email="Test@Example.com"),
            signal("card", "pos", loyalty_id="99999999"),
        ]
    )
    assert set(world.people.values()) == {None}
    assert world.rows("select count(identifier_value), count(*) from identity.normalised") == [
        (0, 12)
    ]
