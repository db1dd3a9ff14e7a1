"""Ids that last."""

import re

from identity_world import AS_OF, Signal, customer, member, named, resolved, signal

from dagster_project.identity import resolve

LETTERS = "abcdefgh"


def a_town(people: int) -> list[Signal]:
    """Everybody has an ERP customer, a card, an account; some share what they shouldn't."""
    signals = []
    for number in range(people):
        names = named(LETTERS[number % 8] * 4 + LETTERS[number // 8] * 4, f"Family{number:03d}")
        email, phone = f"e{number}@example.com", f"07210{number:05d}"
        signals += [
            signal(f"visit {number}", "web", day=number % 7, anonymous_id=f"b{number}"),
            signal(
                f"login {number}",
                "web",
                day=number % 7,
                anonymous_id=f"b{number}",
                user_id=f"U{number}",
                email=email,
            ),
            customer(f"erp {number}", f"C{number}", day=10, email=email, phone=phone, **names),
            member(f"card {number}", f"L{number}", day=20, phone=phone, **names),
            signal(
                f"family {number}",
                "web",
                day=30,
                user_id=f"U{number}",
                email=f"family{number // 2}@example.com",
            ),
            signal(f"tablet {number}", "app", day=31, user_id=f"U{number}", device_id="tablet"),
            signal(
                f"paid {number}",
                "pos",
                day=32,
                loyalty_id=f"L{number}",
                payment_card=f"card{number // 3}",
            ),
        ]
    return signals


def test_a_rebuild_from_shuffled_rows_gives_every_table_back() -> None:
    town = a_town(60)
    first = resolved(town)
    for seed in range(4):
        again = resolved(town, shuffled=seed)
        for table in ("resolved", "profiles", "identifiers", "links", "cut_links", "demoted"):
            query = f"select * from identity.{table} order by all"
            assert again.rows(query) == first.rows(query), table
    assert first.report.profiles == 60


def test_newer_records_keep_every_id() -> None:
    town = a_town(40)
    first = resolved(town)
    later = [
        customer("registers at last", "C900", day=100, email="new@example.com"),
        signal("new email", "web", day=101, user_id="U1", email="new@example.com"),
        signal("new phone", "pos", day=102, loyalty_id="L2", phone="+351912345678"),
        signal("somebody new", "web", day=103, anonymous_id="new browser"),
    ]
    again = resolved(town + later)
    assert {name: again.people[name] for name in first.people} == first.people
    assert again.same("visit 1", "registers at last")
    assert again.report.profiles == first.report.profiles + 1


def test_a_visitor_who_signs_in_keeps_the_id() -> None:
    visit = signal("visit", "web", anonymous_id="b")
    before = resolved([visit])
    after = resolved(
        [
            visit,
            signal("login", "web", day=1, anonymous_id="b", user_id="U1", email="a@example.com"),
        ]
    )
    assert after.people["visit"] == before.people["visit"] == after.people["login"]


def test_on_a_merge_the_older_id_survives() -> None:
    older = signal("older", "web", day=1, user_id="zz")
    newer = customer("newer", "C1", day=5)
    apart = resolved([older, newer])
    joined = resolved([older, newer, customer("both", "C1", day=9, user_id="zz")])
    assert apart.different("older", "newer")
    assert set(joined.people.values()) == {apart.people["older"]}


def test_an_id_tells_nothing_without_the_salt_and_has_one_form() -> None:
    world = resolved([signal("s", "web", email="a@example.com")])
    (person,) = world.people.values()
    assert re.fullmatch(r"p_[0-9a-f]{20}", person)
    resolve(world.connection, as_of=AS_OF, default_country="RO", salt="another", previous=None)
    assert world.rows("select profile_id from identity.resolved") != [(person,)]
