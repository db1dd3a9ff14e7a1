"""Each identifier says which link ties it towards its person's anchor."""

import random
from pathlib import Path

import duckdb
import pytest
from identity_world import Signal, World, customer, member, named, resolved, signal

from dagster_project.identity.ties import write_tied

TIES = """
    select identifier_value, joined_to_value, joined_by, joined_via, steps_to_anchor
    from identity.ties order by steps_to_anchor, identifier_value
"""
# A tie that isn't a link in either direction, or leads to no identifier that is one step nearer.
LOOSE = """
    select ties.* from identity.ties as ties
    left join identity.ties as nearer
        on (nearer.identifier_type, nearer.identifier_value)
            = (ties.joined_to_type, ties.joined_to_value)
    where ties.steps_to_anchor is null
        or (ties.steps_to_anchor = 0) <> (ties.joined_by is null)
        or (ties.steps_to_anchor > 0) and (
            nearer.steps_to_anchor is distinct from ties.steps_to_anchor - 1
            or not exists (
                select 1 from identity.links as links
                where links.rule = ties.joined_by
                    and links.source is not distinct from ties.joined_via
                    and links.first_seen_at is not distinct from ties.joined_at
                    and coalesce(probability, 1) = ties.joined_score
                    and (from_type, from_value, to_type, to_value) in (
                        (ties.identifier_type, ties.identifier_value,
                            ties.joined_to_type, ties.joined_to_value),
                        (ties.joined_to_type, ties.joined_to_value,
                            ties.identifier_type, ties.identifier_value)
                    )
            )
        )
"""


def overrides(folder: Path, *rows: str) -> Path:
    path = folder / "overrides.csv"
    path.write_text("\n".join(["kind,from_type,from_value,to_type,to_value", *rows]))
    return path


def ties(world: World) -> dict[str, tuple[str | None, str | None, str | None, int]]:
    assert world.rows(LOOSE) == []
    return {value: tuple(rest) for value, *rest in world.rows(TIES)}


def test_a_chain_leads_to_the_identifier_that_was_seen_first() -> None:
    world = resolved(
        [
            signal("visit", "web", anonymous_id="b"),
            signal("login", "web", day=1, anonymous_id="b", user_id="U"),
            signal("checkout", "app", day=2, user_id="U", email="a@example.com"),
            member("card", "L", day=3, email="a@example.com"),
            signal("receipt", "pos", day=4, loyalty_id="L", payment_card="k"),
        ]
    )
    assert ties(world) == {
        "b": (None, None, None, 0),
        "U": ("b", "same_record", "web", 1),
        "a@example.com": ("U", "same_record", "app", 2),
        "L": ("a@example.com", "same_record", "pos", 3),
        "k": ("L", "same_record", "pos", 4),
    }


def test_a_tie_has_the_date_and_the_score_of_its_link() -> None:
    world = resolved([customer("erp", "C", day=5, loyalty_id="L")])
    found = world.rows(
        "select joined_to_type, joined_by, joined_at::date::varchar, joined_score "
        "from identity.ties where identifier_value = 'L'"
    )
    assert found == [("erp_customer_id", "loyalty_id", "2025-01-06", 1.0)]


def test_in_a_circle_the_shorter_way_is_taken() -> None:
    ring = [
        signal(
            f"s{n}",
            "web",
            day=n,
            email=f"e{(n + 1) // 2 % 3}@example.com",
            phone=f"07212345{n // 2}0",
        )
        for n in range(6)
    ]
    steps = [tie[3] for tie in ties(resolved(ring)).values()]
    assert steps == [0, 1, 1, 2, 2, 3]


def test_of_two_links_to_the_same_anchor_the_older_one_is_told() -> None:
    world = resolved(
        [
            customer("erp", "C", email="a@example.com", day=1),
            signal("web", "web", erp_customer_id="C", email="a@example.com", day=0),
        ]
    )
    assert ties(world)["a@example.com"] == ("C", "same_record", "web", 1)


def test_records_are_told_rather_than_likeness_however_long_the_way() -> None:
    person = named("Ștefania", "Wojciechowska", "1987-03-14") | {
        "postal_code": "400001",
        "street_address": "Strada Lungă 17",
        "city": "Cluj",
    }
    world = resolved(
        [
            customer("erp", "C", email="a@example.com", **person),
            signal("login", "web", day=1, email="a@example.com", user_id="U"),
            signal("card", "web", day=2, user_id="U", loyalty_id="L"),
            member("member", "L", day=3, **person),
            member("other", "M", day=4, **person),
        ]
    )
    found = ties(world)
    assert found["L"][1] == "same_record"
    assert found["L"][3] == 3 - (found["U"][3] == 1)
    assert found["M"][1] == "alike"


def test_a_stewards_word_is_told_only_where_nothing_else_ties(tmp_path: Path) -> None:
    signals = [
        customer("erp", "C", email="a@example.com"),
        signal("login", "web", day=1, email="a@example.com", user_id="U"),
        member("card", "L", day=2),
    ]
    word = overrides(
        tmp_path,
        "must_link,erp_customer_id,C,user_id,U",
        "must_link,erp_customer_id,C,loyalty_id,L",
        "must_link,erp_customer_id,C,loyalty_id,L",
    )
    world = resolved(signals, overrides=word)
    assert ties(world)["U"] == ("a@example.com", "same_record", "web", 2)
    assert ties(world)["L"] == ("C", "must_link", "steward", 1)
    assert world.rows("select count(*) from identity.links where rule = 'must_link'") == [(2,)]


def test_two_cards_tied_to_one_demoted_phone_by_a_steward_are_tied_to_each_other(
    tmp_path: Path,
) -> None:
    crowd = [
        member(f"m{n}", f"M{n}", phone="0721234567", **named(f"N{n}a", f"F{n}o")) for n in range(9)
    ]
    word = overrides(
        tmp_path,
        "must_link,loyalty_id,M0,phone,0721234567",
        "must_link,loyalty_id,M1,phone,0721234567",
    )
    world = resolved(crowd, overrides=word)
    assert ("phone", "+40721234567") in world.demoted()
    assert world.same("m0", "m1")
    assert ties(world)["M1"] == ("M0", "must_link", "steward", 1)


def test_a_cut_link_ties_nobody() -> None:
    world = resolved(
        [
            customer("erp", "C", user_id="U", **named("Ana", "Pop", "1980-01-02")),
            member("card", "L", **named("Radu", "Ionescu", "1955-07-30")),
            signal("web", "web", day=1, user_id="U", loyalty_id="L"),
        ]
    )
    assert world.different("erp", "card")
    assert world.report.cut_links == 1
    assert {value: tie[3] for value, tie in ties(world).items() if tie[3] == 0} == {"C": 0, "L": 0}


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_of_two_sources_on_one_day_the_first_by_name_is_told_whatever_the_order(order: str) -> None:
    connection = duckdb.connect()
    connection.execute(
        f"""
        create table _identity_members as select * from (values (0, true), (1, false))
            as members (node, is_anchor);
        create table _identity_link_nodes as
            select 0 as from_node, 1 as to_node, source, is_previous, false as is_passed_on,
                null::timestamptz as first_seen_at, null::double as probability
            from (values ('web', false), ('app', true), ('app', false))
                as seen (source, is_previous)
            order by source {order}, is_previous {order}
        """
    )
    write_tied(connection, node_count=2)
    told = connection.execute(
        "select node, nearer, steps, source, is_previous from _identity_tied "
        "join _identity_link_nodes as links on links.rowid = link"
    ).fetchall()
    assert told == [(1, 0, 1, "app", False)]


def hostile_records(seed: int) -> list[Signal]:
    """Records over a few values of every type, so that everything meets in every way."""
    chosen = random.Random(seed)
    kinds = {
        "anonymous_id": "b", "user_id": "U", "device_id": "d", "loyalty_id": "L",
        "erp_customer_id": "C", "payment_card": "k", "previous_id": "U",
    }  # fmt: skip
    return [
        signal(
            f"s{n}",
            chosen.choice(["web", "app", "pos", "erp"]),
            day=chosen.randrange(5),
            **{
                kind: f"{prefix}{chosen.randrange(12)}"
                for kind, prefix in kinds.items()
                if chosen.random() < 0.25
            },
            **({"email": f"e{chosen.randrange(12)}@example.com"} if chosen.random() < 0.4 else {}),
        )
        for n in range(60)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_every_identifier_leads_to_its_anchor_whatever_the_order_of_rows(
    seed: int, tmp_path: Path
) -> None:
    word = overrides(
        tmp_path,
        *(f"must_link,user_id,U{n},email,e{n}@example.com" for n in range(3)),
        "cannot_link,loyalty_id,L1,loyalty_id,L2",
    )
    world = resolved(hostile_records(seed), overrides=word)
    found = "from identity.ties order by all"
    assert ties(world)
    anchors = "select count(*) from identity.ties where steps_to_anchor = 0"
    assert world.rows(anchors) == [(world.report.profiles,)]
    other = resolved(hostile_records(seed), overrides=word, shuffled=seed + 100)
    assert other.rows(found) == world.rows(found)
