"""A steward's word at the terminal: written into the overrides, found again, taken back."""

import csv
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from delivery_world import World

from dagster_project.identity.overrides import Override, OverridesError, read_overrides
from dagster_project.publishing import stewarding
from dagster_project.publishing.people import AmbiguousPersonError, UnknownPersonError
from dagster_project.publishing.stewarding import CANNOT_LINK, MUST_LINK, Decision, StewardError

AT = datetime(2026, 3, 1, tzinfo=UTC)
ANA, DAN = "p3@example.org", "p4@example.org"


@pytest.fixture
def shop(world: World) -> World:
    world.rebuild(
        changes=[
            "alter table marts.customer_identifiers add column steps_to_anchor integer",
            "update marts.customer_identifiers "
            "set steps_to_anchor = (identifier_type = 'phone')::int",
        ]
    )
    return world


def path(world: World) -> Path:
    return world.folder / "identity" / "overrides.csv"


def decide(world: World, kind: str, one: str, other: str, **options: Any) -> Decision:
    path(world).parent.mkdir(exist_ok=True)
    return stewarding.decide(world.published, path(world), kind, one, other, at=AT, **options)


def rows(world: World) -> list[tuple[str, str, str]]:
    return [(row.kind, row.from_value, row.to_value) for row in read_overrides(path(world))]


def test_a_decision_is_written_once_whichever_way_it_is_said(shop: World) -> None:
    assert decide(shop, MUST_LINK, ANA, DAN, note='"asked", by\nphone').is_new
    assert not decide(shop, MUST_LINK, "email:P4@example.org", ANA).is_new
    assert rows(shop) == [("must_link", ANA, DAN)]
    assert path(shop).stat().st_mode & 0o777 == 0o600
    with path(shop).open(newline="") as file:
        [row] = csv.DictReader(file)
    assert (row["note"], row["decided_at"]) == ('"asked", by\nphone', "2026-03-01 00:00:00+00:00")


def test_a_profile_id_or_an_order_stands_for_what_the_id_hangs_on(shop: World) -> None:
    decide(shop, CANNOT_LINK, "p_000003", "o-p_000004")
    assert rows(shop) == [("cannot_link", ANA, DAN)]


def test_what_says_the_opposite_has_to_be_taken_back_first(shop: World) -> None:
    decide(shop, MUST_LINK, ANA, DAN)
    with pytest.raises(StewardError, match=r"Line 2 of overrides.csv says the opposite"):
        decide(shop, CANNOT_LINK, DAN, ANA)
    assert stewarding.undo(shop.published, path(shop), "p_000004", ANA) == 1
    decide(shop, CANNOT_LINK, DAN, ANA)
    assert rows(shop) == [("cannot_link", DAN, ANA)]


def test_a_dry_run_writes_nothing(shop: World) -> None:
    assert decide(shop, MUST_LINK, ANA, DAN, dry_run=True).is_new
    assert not path(shop).exists()


def test_whom_nobody_or_several_are_is_an_error_without_the_value(shop: World) -> None:
    with pytest.raises(UnknownPersonError) as caught:
        decide(shop, MUST_LINK, ANA, "nobody@example.org")
    assert "nobody@" not in str(caught.value)
    with pytest.raises(StewardError, match="same identifier"):
        decide(shop, MUST_LINK, ANA, "p_000003")
    shop.rebuild(
        changes=[
            "insert into marts.customer_identifiers select profile_id, 'device_id', 'tablet', "
            "'app', now(), now(), true from marts.customer_profiles"
        ]
    )
    with pytest.raises(AmbiguousPersonError):
        decide(shop, MUST_LINK, "tablet", ANA)
    assert not path(shop).exists()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xef\xbb\xbfkind,from_type,from_value,to_type,to_value\r\n", id="windows"),
        pytest.param(b"why,to_value,kind,from_type,from_value,to_type\n,x,must_link,email,y,phone",
                     id="its own order, no last newline"),
        pytest.param(b'kind,from_type,from_value,to_type,to_value,note\n'
                     b'must_link,email,a,phone,b,"two\nlines"\n\n', id="a note of two lines"),
    ],
)  # fmt: skip
def test_a_file_of_the_stewards_own_keeps_what_it_is(shop: World, content: bytes) -> None:
    path(shop).parent.mkdir()
    path(shop).write_bytes(content)
    before: list[Override] = read_overrides(path(shop))
    decide(shop, MUST_LINK, ANA, DAN, note="why")
    written = path(shop).read_bytes()
    assert written.startswith(content)
    assert read_overrides(path(shop))[:-1] == before
    assert rows(shop)[-1] == ("must_link", ANA, DAN)
    assert stewarding.undo(shop.published, path(shop), DAN, ANA) == 1
    assert path(shop).read_bytes().removesuffix(b"\n") == content.removesuffix(b"\n")
    assert stewarding.undo(shop.published, path(shop), DAN, ANA) == 0


def test_a_file_that_cannot_be_read_stays_as_it_is(shop: World) -> None:
    path(shop).parent.mkdir()
    path(shop).write_bytes(b"kind,from_type\n")
    with pytest.raises(OverridesError):
        decide(shop, MUST_LINK, ANA, DAN)
    assert path(shop).read_bytes() == b"kind,from_type\n"


def test_killed_in_the_middle_the_old_file_stays(
    shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(shop, MUST_LINK, ANA, DAN)
    before = path(shop).read_bytes()

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stewarding.database, "put_in_place", stop)
    with pytest.raises(KeyboardInterrupt):
        decide(shop, MUST_LINK, ANA, "p5@example.org")
    assert path(shop).read_bytes() == before
    monkeypatch.undo()
    decide(shop, MUST_LINK, ANA, "p5@example.org")
    assert len(rows(shop)) == 2


def test_of_many_at_once_each_is_written(shop: World) -> None:
    others = [f"p{number}@example.org" for number in range(3)]
    stewards = [
        threading.Thread(target=decide, args=(shop, MUST_LINK, ANA, other)) for other in others
    ]
    for steward in stewards:
        steward.start()
    for steward in stewards:
        steward.join()
    assert sorted(row[2] for row in rows(shop)) == others
