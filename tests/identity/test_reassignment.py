"""Phones and devices that one person had and then another: each has them in their own time."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from identity_world import EPOCH, Signal, World, customer, member, named, resolved, signal

PHONE = {"phone": "+40721234567"}
ANA, DAN, EVA = (named(*names) for names in (("Ana", "Pop"), ("Dan", "Ene"), ("Eva", "Rusu")))


def bought(name: str, day: int, **fields: Any) -> Signal:
    return signal(name, "pos", day, **PHONE, **fields)


def holders(world: World) -> dict[str | None, Any]:
    """Until when each has the phone, by their profile id; None is for whoever has it now."""
    return dict(
        world.rows(
            "select profile_id, max(held_until) from identity.identifiers "
            "where identifier_type in ('phone', 'device_id') group by profile_id"
        )
    )


def handed_on() -> list[Signal]:
    return [
        member("ana", "L1", 10, **PHONE, **ANA),
        bought("hers", 20),
        bought("hers, by card", 21, payment_card="card 1"),
        signal("her card alone", "pos", 30, payment_card="card 1"),
        customer("dan", "C2", 200, **PHONE, **DAN),
        bought("his", 210),
        bought("his, by card", 211, payment_card="card 2"),
    ]


@pytest.mark.parametrize("seed", range(3))
def test_a_phone_is_its_holders_of_the_time(seed: int) -> None:
    world = resolved(handed_on(), shuffled=seed)
    assert world.same("ana", "hers", "hers, by card", "her card alone")
    assert world.same("dan", "his", "his, by card")
    assert world.different("ana", "dan")
    assert world.demoted() == {}
    since = EPOCH + timedelta(days=200)
    assert holders(world) == {world.people["ana"]: since, world.people["dan"]: None}
    assert world.rows(
        "select to_value, rule from identity.links where to_type = 'payment_card' order by all"
    ) == [("card 1", "passed_on"), ("card 2", "same_record")]


def test_only_the_present_holder_is_tied_to_it() -> None:
    world = resolved(handed_on())
    tied = world.rows(
        "select joined_to_value from identity.ties where identifier_type = 'phone'",
    )
    assert tied == [("C2",)]
    assert world.rows(
        "select distinct profile_id, is_demoted from identity.identifiers "
        "where identifier_type = 'phone' order by is_demoted"
    ) == [(world.people["dan"], False), (world.people["ana"], True)]


def test_a_third_holder_follows_the_second() -> None:
    world = resolved(
        [
            *handed_on(),
            member("eva", "L3", 400, **PHONE, **EVA),
            bought("eva's", 500),
        ]
    )
    assert world.same("ana", "hers")
    assert world.same("dan", "his")
    assert world.same("eva", "eva's")
    assert [held.days for held in sorted(
        until - EPOCH for until in holders(world).values() if until
    )] == [200, 400]  # fmt: skip


@pytest.mark.parametrize(
    ("other", "day"),
    [
        pytest.param(DAN, 25, id="at once"),
        pytest.param(DAN, 45, id="soon after"),
        pytest.param(named("Dan", "Pop"), 200, id="of one family"),
    ],
)
def test_what_people_share_is_nobodys(other: dict[str, Any], day: int) -> None:
    world = resolved(
        [
            member("ana", "L1", 10, **PHONE, **ANA),
            signal("hers", "pos", 30, loyalty_id="L1", **PHONE),
            customer("other", "C2", day, **PHONE, **other),
            bought("whose?", 300),
        ]
    )
    assert list(world.demoted()) == [("phone", "+40721234567")]
    assert world.people["whose?"] is None
    assert world.different("ana", "other")


def test_one_person_who_comes_back_keeps_the_phone() -> None:
    world = resolved(
        [member("card", "L1", 10, **PHONE, **ANA), customer("erp", "C1", 200, **PHONE, **ANA)]
    )
    assert world.same("card", "erp")


def test_a_registration_had_the_phone_when_it_was_last_written() -> None:
    """The card is older than the phone: it was Ana's until Dan wrote it into his record."""
    day = {"last_seen_at": EPOCH + timedelta(days=200)}
    world = resolved(
        [
            customer("ana", "C1", 10, **PHONE, **ANA),
            member("dan", "L2", 0, **PHONE, **DAN) | day,
            bought("hers", 20),
            bought("his", 201),
        ]
    )
    assert world.same("ana", "hers")
    assert world.same("dan", "his")


def test_a_device_is_of_who_signs_in_on_it() -> None:
    world = resolved(
        [
            signal("first", "app", 0, user_id="U1", device_id="tablet"),
            signal("second", "app", 50, user_id="U2", device_id="tablet"),
            signal("unknown then", "app", 10, device_id="tablet"),
            signal("unknown now", "app", 60, device_id="tablet"),
        ]
    )
    assert world.same("first", "unknown then")
    assert world.same("second", "unknown now")
    assert holders(world)[world.people["second"]] is None


def test_the_log_tells_that_it_was_passed_on(tmp_path: Path) -> None:
    alone = [each for each in handed_on() if each["signal_id"] in ("ana", "hers")]
    before = resolved([bought("hers before", 5), *alone]).publish(tmp_path / "published.duckdb")
    world = resolved([bought("hers before", 5), *handed_on()], previous=before)
    reasons = world.rows("select kind, reason from identity.history")
    assert reasons
    assert {reason for _, reason in reasons} == {"passed on: phone"}
    assert world.same("ana", "hers before")
