"""The truth beside the sample world: complete, and hard in the ways it says."""

from collections.abc import Callable

import duckdb
import pytest
from plain_linker import link, precision_and_recall

from sources.sample import WorldReport
from sources.sample.traps import DEFAULT_CUSTOMER_ID, DEFAULT_LOYALTY_ID

Ask = Callable[[str], object]


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        ("events", "select messageId from events"),
        ("receipt_lines", "select receipt_id from receipt_lines"),
        ("members", "select loyalty_id from members"),
        ("customers", "select customer_id from customers"),
        ("orders", "select order_id from orders"),
        ("returns", "select return_id from returns"),
        ("tickets", "select ticket_id from tickets"),
    ],
)
def test_every_record_has_its_person_and_every_truth_its_record(
    world: duckdb.DuckDBPyConnection, table: str, keys: str
) -> None:
    found = {key for (key,) in world.execute(f"select distinct * from ({keys})").fetchall()}
    told = world.execute(
        f"select record_key from truth_records where \"table\" = '{table}'"
    ).fetchall()

    assert {key for (key,) in told} == found
    assert len(told) == len(found)


def test_only_the_default_customers_own_entries_are_nobodys(
    world: duckdb.DuckDBPyConnection,
) -> None:
    nobodys = world.execute(
        "select record_key from truth_records where person_id is null"
    ).fetchall()

    assert {key for (key,) in nobodys} == {DEFAULT_LOYALTY_ID, DEFAULT_CUSTOMER_ID}


def test_people_are_counted_by_kind(world: duckdb.DuckDBPyConnection, clean: WorldReport) -> None:
    kinds = dict(world.execute("select kind, count(*) from truth_people group by kind").fetchall())

    assert kinds == {"shopper": 120, "subscriber": 13, "visitor": 13}
    assert clean.people == 146


@pytest.mark.parametrize(
    ("trap", "kind", "at_least"),
    [
        ("family_email", "email", 2),
        ("recycled_phone", "phone", 2),
        ("shop_tablet", "anonymous_id", 10),
        ("shop_tablet", "device_id", 10),
        ("default_customer", "loyalty_id", 5),
        ("default_customer", "erp_customer_id", 5),
        ("placeholder", "email", 5),
        ("placeholder", "phone", 5),
        ("placeholder", "user_id", 3),
    ],
)
def test_a_trap_is_shared_by_several_people(one: Ask, trap: str, kind: str, at_least: int) -> None:
    assert (
        one(f"""
        select max(n) >= {at_least} from (
            select count(distinct person_id) as n from truth_identifiers
            where trap = '{trap}' and identifier_type = '{kind}' and is_shared
            group by identifier_value
        )
    """)
        is True
    )


def test_nothing_is_shared_but_by_a_trap(one: Ask) -> None:
    assert one("select count(*) from truth_identifiers where is_shared and trap is null") == 0


def test_a_recycled_phone_is_never_two_peoples_at_once(one: Ask) -> None:
    assert (
        one("""
        select count(*) from truth_identifiers as a inner join truth_identifiers as b
            using (identifier_type, identifier_value)
        where a.trap = 'recycled_phone' and a.person_id <> b.person_id
        and coalesce(a.valid_from, '-infinity') <= coalesce(b.valid_to, 'infinity')
        and coalesce(b.valid_from, '-infinity') <= coalesce(a.valid_to, 'infinity')
    """)
        == 0
    )


def test_traps_are_sprung_in_the_files(one: Ask) -> None:
    assert one(
        "select count(distinct receipt_id) > 5 from receipt_lines "
        f"where loyalty_id = '{DEFAULT_LOYALTY_ID}'"
    )
    assert one(
        "select count(distinct order_id) > 5 from orders "
        f"where customer_id = '{DEFAULT_CUSTOMER_ID}'"
    )
    assert one(
        "select count(distinct told_email) >= 10 from events where anonymousId like 'tablet-%'"
    )
    assert one("""
        select count(*) > 0 from (
            select email from members where email not like 'noemail%' group by email
            having count(distinct loyalty_id) > 1 and count(distinct given_name) > 1
        )
    """)


def test_a_card_is_used_with_and_without_a_loyalty_number(one: Ask) -> None:
    assert one("""
        select count(*) > 20 from (
            select payment_card_hash from receipt_lines where payment_card_hash is not null
            group by payment_card_hash having count(loyalty_id) between 1 and count(*) - 1
        )
    """)


def test_one_person_has_several_addresses_phones_and_browsers(one: Ask) -> None:
    for kind in ("email", "phone", "anonymous_id", "payment_card"):
        assert one(f"""
            select count(*) > 5 from (select person_id from truth_identifiers
            where identifier_type = '{kind}' and trap is null group by 1 having count(*) > 1)
        """), kind


def test_names_lose_accents_and_letters_on_the_way(one: Ask) -> None:
    assert one("""
        select count(*) between 10 and 60 from members
        inner join truth_records on record_key = loyalty_id
        inner join truth_people as told using (person_id)
        where members.given_name <> told.given_name or members.family_name <> told.family_name
    """)


def test_a_plain_linker_finds_the_people(clean: WorldReport) -> None:
    con = link(clean.landing.parent)

    precision, recall = precision_and_recall(con, clean.landing.parent)
    assert precision >= 0.95
    assert recall >= 0.85


def test_without_its_guards_the_linker_falls_into_the_traps(
    clean: WorldReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plain_linker.LIMIT", 100_000)
    con = link(clean.landing.parent)

    precision, _ = precision_and_recall(con, clean.landing.parent)
    assert precision < 0.5
