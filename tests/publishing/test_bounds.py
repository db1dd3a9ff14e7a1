"""Plans that look like an accident send nothing until somebody approves them."""

import shutil
from pathlib import Path

import pytest
from delivery_world import AUDIENCE, Recorder, World

from dagster_project.channels.base import NoSettings
from dagster_project.publishing.report import DeliveryState

REMOVE = f"delete from audiences.{AUDIENCE} where profile_id < 'p_{{:06d}}'"


@pytest.fixture(scope="module")
def delivered_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = World(tmp_path_factory.mktemp("delivered"))
    made.rebuild(100)
    made.deliver(Recorder(NoSettings()))
    return made.folder


@pytest.fixture
def delivered(delivered_world: Path, tmp_path: Path) -> World:
    """A channel that holds 100 people."""
    shutil.copytree(delivered_world, tmp_path, dirs_exist_ok=True)
    return World(tmp_path, run_count=1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (REMOVE.format(16), "would remove 16 of the 100"),
        (f"delete from audiences.{AUDIENCE}", "nobody is left to reach, and the channel holds 100"),
        ("update marts.customer_consents set state = 'denied'", "nobody is left to reach"),
        ("delete from marts.customer_consents", "nobody is left to reach"),
        (
            f"update audiences.{AUDIENCE} set profile_id = null where profile_id < 'p_000002'",
            "2 rows of the audience have no profile_id",
        ),
        (
            f"insert into audiences.{AUDIENCE} from audiences.{AUDIENCE} limit 3",
            "3 rows of the audience repeat a profile_id",
        ),
    ],
)
def test_a_plan_beyond_its_bounds_sends_nothing_until_it_is_approved(
    delivered: World, recorder: Recorder, change: str, words: str
) -> None:
    before = delivered.query("from membership order by all")
    # A change to somebody who stays, so that there is always something that could have been sent.
    other = f"update audiences.{AUDIENCE} set basket_value = 1 where profile_id = 'p_000099'"
    delivered.rebuild(100, changes=[change, other])
    stopped = delivered.deliver(recorder)

    assert stopped.state == DeliveryState.STOPPED
    assert words in (stopped.reason or "")
    assert (len(recorder.batches), stopped.sent_count) == (0, 0)
    assert delivered.query("from membership order by all") == before

    approved = delivered.deliver(recorder, approve=True)
    assert (approved.state, approved.is_approved) == (DeliveryState.DONE, True)
    assert len(recorder.batches) == 1
    latest = "select state, approved, reason from deliveries order by attempt desc limit 2"
    log = delivered.query(latest)
    assert log[0][:2] == ("done", True)
    assert log[0][2].startswith("Approved: ")
    assert log[1][:2] == ("stopped", False)


def test_a_plan_within_its_bounds_goes_out_without_asking(
    delivered: World, recorder: Recorder
) -> None:
    delivered.rebuild(100, changes=[REMOVE.format(15)])
    report = delivered.deliver(recorder)
    assert (report.state, report.planned["remove"]) == (DeliveryState.DONE, 15)


def test_the_bound_is_a_setting(delivered: World, recorder: Recorder) -> None:
    delivered.rebuild(100, changes=[REMOVE.format(15)])
    assert delivered.deliver(recorder, maximum_removal_share=0.1).state == DeliveryState.STOPPED
    assert delivered.deliver(recorder, maximum_removal_share=0.2).state == DeliveryState.DONE


def test_approving_what_needs_no_approval_is_not_logged_as_one(
    world: World, recorder: Recorder
) -> None:
    assert world.deliver(recorder, approve=True).is_approved is False


def test_an_audience_that_was_always_empty_is_no_accident(world: World, recorder: Recorder) -> None:
    world.rebuild(0)
    assert world.deliver(recorder).state == DeliveryState.DONE


def test_approved_doubles_are_sent_once(world: World, recorder: Recorder) -> None:
    world.rebuild(
        changes=[
            f"insert into audiences.{AUDIENCE} from audiences.{AUDIENCE} limit 3",
            f"insert into audiences.{AUDIENCE} (email) values ('x@example.org')",
        ]
    )
    report = world.deliver(recorder, approve=True)
    assert report.acknowledged_count == 10
    ids = recorder.batches[0].records.column("profile_id").to_pylist()
    assert sorted(ids) == [f"p_{i:06d}" for i in range(10)]


def test_erased_people_are_removed_without_asking_even_the_last_one(
    world: World, recorder: Recorder
) -> None:
    world.rebuild(1)
    world.deliver(recorder)
    report = world.forget("p0@example.org", recorder)
    assert report.unacknowledged == []
    assert recorder.operations() == {"p_000000": "erase"}
