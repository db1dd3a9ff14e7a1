"""Deliveries: the difference and nothing else, to those who may be reached and nobody else."""

import threading
from pathlib import Path

import pytest
from delivery_world import AS_OF, AUDIENCE, SALT, Recorder, World, spec

from dagster_project.channels.base import (
    Answers,
    Batch,
    ChannelNotConfiguredError,
    FatalError,
    NoSettings,
    RetriableError,
)
from dagster_project.channels.file import FileChannel, FileSettings
from dagster_project.channels.webhook import WebhookChannel, WebhookSettings
from dagster_project.database import DatabaseLockedError
from dagster_project.publishing.audience import UnknownAudienceError
from dagster_project.publishing.deliver import WrongChannelError
from dagster_project.publishing.difference import AudienceTableError
from dagster_project.publishing.report import (
    DeliveryFailedError,
    DeliveryState,
    DeliveryStoppedError,
)


def test_a_first_delivery_adds_everybody_who_may_be_reached(
    world: World, recorder: Recorder
) -> None:
    report = world.deliver(recorder)

    assert report.state == DeliveryState.DONE
    assert report.planned == {"add": 10, "update": 0, "remove": 0}
    assert report.acknowledged_count == report.sent_count == report.eligible_count == 10
    assert world.held("recorder") == {f"p_{i:06d}" for i in range(10)}
    row = recorder.batches[0].records.to_pylist()[0]
    assert row["email"] == "p0@example.org"
    assert row["operation"] == "add"
    assert "fingerprint" not in row


def test_an_unchanged_rerun_makes_no_call(world: World, recorder: Recorder) -> None:
    world.deliver(recorder)
    world.rebuild()  # another build of the same data
    again = world.deliver(recorder)

    assert len(recorder.batches) == 1
    assert (again.state, again.calls, again.sent_count) == (DeliveryState.DONE, 0, 0)
    assert world.query("select count(*) from records") == [(10,)]


def test_only_what_changed_is_sent_and_removals_come_first(
    world: World, recorder: Recorder
) -> None:
    world.deliver(recorder)
    world.rebuild(
        11,
        changes=[
            f"delete from audiences.{AUDIENCE} where profile_id = 'p_000009'",
            f"update audiences.{AUDIENCE} set basket_value = 50 where profile_id = 'p_000000'",
        ],
    )
    report = world.deliver(recorder)

    assert report.planned == {"add": 1, "update": 1, "remove": 1}
    assert list(recorder.operations().items()) == [
        ("p_000009", "remove"),
        ("p_000000", "update"),
        ("p_000010", "add"),
    ]
    removal = recorder.batches[-1].records.to_pylist()[0]
    assert removal["email"] is None
    assert "p_000009" not in world.held("recorder")


def test_an_update_that_is_undone_is_sent_again(world: World, recorder: Recorder) -> None:
    change = [f"update audiences.{AUDIENCE} set basket_value = 1 where profile_id = 'p_000000'"]
    world.deliver(recorder)
    for changes in (change, []):
        world.rebuild(changes=changes)
        world.deliver(recorder)
    assert len({batch.batch_id for batch in recorder.batches}) == 3
    assert recorder.operations() == {"p_000000": "update"}


def test_a_refused_record_is_not_acknowledged_and_waits_until_it_changes(
    world: World, recorder: Recorder
) -> None:
    recorder.refuse = {"p_000003": "p3@example.org is not a mailbox"}
    first = world.deliver(recorder)
    assert dict(first.refused) == {"[…] is not a mailbox": 1}
    assert "p_000003" not in world.held("recorder")

    again = world.deliver(recorder)
    assert (again.calls, again.held_back) == (0, 1)

    recorder.refuse = {}
    world.rebuild(
        changes=[f"update audiences.{AUDIENCE} set basket_value = 1 where profile_id = 'p_000003'"]
    )
    world.deliver(recorder)
    assert recorder.operations() == {"p_000003": "add"}
    assert "p_000003" in world.held("recorder")


def test_a_refused_removal_is_tried_at_every_delivery(world: World, recorder: Recorder) -> None:
    world.deliver(recorder)
    recorder.refuse = {"p_000009": "busy"}
    world.rebuild(9)
    for _ in range(2):
        world.deliver(recorder)
        assert recorder.operations() == {"p_000009": "remove"}
    assert "p_000009" in world.held("recorder")


class _Silent(Recorder):
    """Answers for nobody."""

    name = "recorder"

    def apply(self, batch: Batch) -> Answers:
        self.batches.append(batch)
        return Answers.by_record(batch, [])


def test_an_unanswered_record_is_sent_again(world: World) -> None:
    silent = _Silent(NoSettings())
    for _ in range(2):
        report = world.deliver(silent)
        assert (report.acknowledged_count, dict(report.refused)) == (0, {"unanswered": 10})
    assert len(silent.batches) == 2


class _Failing(Recorder):
    """Answers the first `good` batches and then fails."""

    name = "recorder"
    batch_size = 4
    good = 1
    error: Exception = FatalError("The key was withdrawn.")

    def apply(self, batch: Batch) -> Answers:
        if len(self.batches) >= self.good:
            raise self.error
        return super().apply(batch)


def test_a_failed_delivery_keeps_what_was_acknowledged_and_the_next_sends_the_rest(
    world: World, recorder: Recorder
) -> None:
    report = world.deliver(_Failing(NoSettings()))

    assert (report.state, report.acknowledged_count) == (DeliveryState.FAILED, 4)
    with pytest.raises(DeliveryFailedError, match=r"The key was withdrawn\. 4 of 10"):
        report.raise_unless_done()
    assert len(world.held("recorder")) == 4
    world.deliver(recorder)
    assert len(recorder.operations()) == 6
    assert len(world.held("recorder")) == 10


def test_who_was_sent_without_an_answer_is_removed_when_no_longer_eligible(
    world: World, recorder: Recorder
) -> None:
    failing = _Failing(NoSettings())
    failing.good, failing.error = 0, RetriableError("It took too long.")
    world.deliver(failing)
    assert world.held("recorder") == set()
    assert world.query("select count(*) from in_doubt") == [(4,)]

    world.rebuild(
        changes=[
            "update marts.customer_consents set state = 'denied' where profile_id = 'p_000001'"
        ]
    )
    world.deliver(recorder, maximum_removal_share=1)

    assert recorder.operations()["p_000001"] == "remove"
    assert world.query("select count(*) from in_doubt") == [(0,)]


def test_a_bug_in_a_channel_leaves_the_ledger_true(world: World, recorder: Recorder) -> None:
    failing = _Failing(NoSettings())
    failing.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        world.deliver(failing)
    assert world.query("select state from deliveries") == [("failed",)]
    assert len(world.held("recorder")) == 4


def test_a_dry_run_counts_and_changes_nothing(world: World, recorder: Recorder) -> None:
    report = world.deliver(recorder, dry_run=True)
    assert (report.state, report.planned["add"]) == (DeliveryState.PLANNED, 10)
    assert recorder.batches == []
    assert world.query("select count(*) from deliveries") == [(0,)]


def test_two_deliveries_at_once_send_once(world: World) -> None:
    entered, leave = threading.Event(), threading.Event()

    class Slow(Recorder):
        def apply(self, batch: Batch) -> Answers:
            entered.set()
            leave.wait(10)
            return super().apply(batch)

    slow, second = Slow(NoSettings()), Recorder(NoSettings())
    first = threading.Thread(target=world.deliver, args=(slow,))
    first.start()
    assert entered.wait(10)
    with pytest.raises(DatabaseLockedError, match=f"A delivery of {AUDIENCE} to recorder"):
        world.deliver(second)
    leave.set()
    first.join(10)

    assert second.batches == []
    assert world.deliver(second).calls == 0
    assert len(slow.batches) == 1


def test_a_report_holds_no_personal_value(world: World, recorder: Recorder) -> None:
    recorder.refuse = {"p_000001": "Ana <p1@example.org> +4072200001 unsubscribed"}
    text = str(world.deliver(recorder).as_json())
    assert "unsubscribed" in text
    for value in ("example.org", "+4072200001", "Ana", "p_000001"):
        assert value not in text
    reasons = str(world.query("select reason from records where reason is not null"))
    assert "unsubscribed" in reasons
    assert "example.org" not in reasons


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (f"alter table audiences.{AUDIENCE} rename profile_id to person", "profile_id as a text"),
        (f"alter table audiences.{AUDIENCE} rename email to operation", "column named operation"),
    ],
)
def test_an_audience_table_that_cannot_be_sent_is_explained(
    world: World, recorder: Recorder, change: str, words: str
) -> None:
    world.rebuild(changes=[change])
    with pytest.raises(AudienceTableError, match=words):
        world.deliver(recorder)
    assert recorder.batches == []


def test_unknown_audiences_and_channels_are_named(world: World, recorder: Recorder) -> None:
    options = {"run_id": "d", "at": AS_OF, "holdout_salt": SALT}
    from dagster_project.publishing.deliver import deliver

    for name in ("nobody", "../../etc/passwd", "x'; drop table membership; --"):
        with pytest.raises(UnknownAudienceError, match=f"There are: {AUDIENCE}"):
            deliver(world.published, world.ledger, recorder, name, **options)
    world.spec = spec(channels=("file",))
    world.rebuild()
    with pytest.raises(WrongChannelError, match="goes to file, not to recorder"):
        world.deliver(recorder)
    with pytest.raises(ChannelNotConfiguredError, match="PERENNIAL_WEBHOOK_URL and PERENNIAL_"):
        world.deliver(WebhookChannel(WebhookSettings()))


def test_files_are_written_for_what_changed_and_not_otherwise(world: World, tmp_path: Path) -> None:
    channel = FileChannel(FileSettings(), tmp_path / "out")
    world.deliver(channel)
    first = sorted(p.name for p in (tmp_path / "out" / AUDIENCE).iterdir())
    assert [name.split(".", 2)[2] for name in first] == ["csv", "manifest.json"]
    world.deliver(channel)
    assert sorted(p.name for p in (tmp_path / "out" / AUDIENCE).iterdir()) == first
    world.rebuild(9)
    world.deliver(channel)
    assert len(list((tmp_path / "out" / AUDIENCE).iterdir())) == 4


def test_a_stopped_delivery_says_how_to_approve_it(world: World, recorder: Recorder) -> None:
    world.deliver(recorder)
    world.rebuild(8)
    report = world.deliver(recorder)
    with pytest.raises(DeliveryStoppedError, match=r"would remove 2 of the 10 .* --approve"):
        report.raise_unless_done()


def test_an_unanswered_update_is_sent_again_though_the_data_went_back(
    world: World, recorder: Recorder
) -> None:
    """The channel may hold the update that nobody acknowledged."""
    world.deliver(recorder)
    failing = _Failing(NoSettings())
    failing.good, failing.error = 0, RetriableError("It took too long.")
    world.rebuild(
        changes=[f"update audiences.{AUDIENCE} set basket_value = 1 where profile_id = 'p_000000'"]
    )
    world.deliver(failing)
    world.rebuild()
    assert world.deliver(recorder).planned == {"add": 0, "update": 1, "remove": 0}
    assert world.deliver(recorder).calls == 0


def test_the_same_change_twice_in_one_build_is_two_batches(
    world: World, recorder: Recorder
) -> None:
    """A tool that knows the key of the first would take the second for a repetition."""
    world.spec = spec(holdout=0.5)
    world.rebuild(40)
    for salt in ("one", "two", "one", "two"):
        world.deliver(recorder, holdout_salt=salt, approve=True)
    first, second = recorder.batches[1].records, recorder.batches[3].records
    assert first.equals(second)
    assert len({batch.batch_id for batch in recorder.batches}) == 4
