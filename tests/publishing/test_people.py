"""One person: shown with everything that is known, and forgotten for ever."""

import json
from dataclasses import asdict

import pytest
from delivery_world import AUDIENCE, Recorder, World

from dagster_project.publishing.people import AmbiguousPersonError, UnknownPersonError
from dagster_project.publishing.profile import show
from dagster_project.publishing.status import status


@pytest.mark.parametrize(
    "identifier",
    ["p_000003", "p3@example.org", " P3@Example.ORG ", "+40 7220 00003", "phone:+40722000003"],
)
def test_a_person_is_found_by_any_identifier(world: World, identifier: str) -> None:
    person = show(world.published, world.ledger, identifier)
    assert person.profile_id == "p_000003"
    assert person.profile["email"] == "p3@example.org"
    assert [i["identifier_type"] for i in person.identifiers] == ["email", "phone"]
    assert [o["order_id"] for o in person.orders] == ["o-p_000003"]
    assert person.consents[0]["state"] == "granted"
    assert person.lifecycle is not None
    assert person.lifecycle["stage"] == "churned"
    assert person.churn is not None
    assert float(person.churn["churn_factor"]) == 2.5
    assert (person.links, person.history) == ([], [])
    assert [(a.name, a.is_member) for a in person.audiences] == [(AUDIENCE, True)]
    assert json.dumps(asdict(person), default=str)


def test_a_person_shows_which_channels_hold_them(world: World, recorder: Recorder) -> None:
    world.deliver(recorder)
    person = show(world.published, world.ledger, "p_000003")
    assert person.audiences[0].acknowledged_by == ("recorder",)


def test_links_between_a_persons_identifiers_are_shown_where_they_are_published(
    world: World,
) -> None:
    world.rebuild(
        changes=[
            "create table marts.identity_links as select 'email' as from_type, email as from_value,"
            " 'phone' as to_type, phone as to_value, 'same_member' as rule, 'web' as source, "
            "now() as first_seen_at "
            "from marts.customer_profiles",
        ]
    )
    links = show(world.published, world.ledger, "p_000003").links
    assert [(link["from_value"], link["rule"]) for link in links] == [
        ("p3@example.org", "same_member")
    ]


def test_an_unknown_identifier_is_not_repeated(world: World) -> None:
    for unknown in ("nobody@example.org", "x' or 1=1 --", "", "email:"):
        with pytest.raises(UnknownPersonError, match="Nobody in the published build") as caught:
            show(world.published, world.ledger, unknown)
        assert "example.org" not in str(caught.value)


def test_an_identifier_of_two_people_asks_which_type_is_meant(world: World) -> None:
    world.rebuild(
        changes=[
            "insert into marts.customer_identifiers values "
            "('p_000001', 'user_id', '7', 'web', now(), now(), false), "
            "('p_000002', 'erp_customer_id', '7', 'erp', now(), now(), false)"
        ]
    )
    with pytest.raises(AmbiguousPersonError, match=r"2 people .* erp_customer_id, user_id"):
        show(world.published, world.ledger, "7")
    assert show(world.published, world.ledger, "erp_customer_id:7").profile_id == "p_000002"


def test_what_was_passed_on_finds_its_present_holder(world: World) -> None:
    world.rebuild(
        changes=[
            "insert into marts.customer_identifiers values "
            "('p_000001', 'device_id', 'tablet', 'app', now(), now(), true), "
            "('p_000002', 'device_id', 'tablet', 'app', now(), now(), false)"
        ]
    )
    assert show(world.published, world.ledger, "tablet").profile_id == "p_000002"


def test_the_status_tells_builds_audiences_and_syncs(world: World, recorder: Recorder) -> None:
    recorder.refuse = {"p_000001": "no"}
    world.deliver(recorder)
    found = status(world.published, world.ledger)
    assert found.build is not None
    assert found.build.run_id == "run-1"
    assert (found.gate_count, found.warnings) == (2, ())
    assert [(a.name, a.size) for a in found.audiences] == [(AUDIENCE, 10)]
    assert found.attempts[0].outcome == "published"
    sync = found.syncs[0]
    assert (sync.state, sync.held_count, sync.refused_count) == ("done", 9, 1)
    assert json.loads(json.dumps(found.as_json()))["syncs"][0]["channel"] == "recorder"


def test_the_status_of_an_empty_data_directory_is_empty(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    found = status(folder / "published.duckdb", folder / "ledger.duckdb")
    assert (found.build, found.audiences, found.attempts, found.syncs) == (None, (), (), ())
    assert list(folder.iterdir()) == []
