"""What every channel keeps to, whichever tool it talks to."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import BaseModel

from dagster_project.channels.base import (
    Answers,
    AnswerState,
    Batch,
    Channel,
    ChannelNotConfiguredError,
    Limits,
    NoSettings,
    UnknownChannelError,
    discover,
    find,
)
from dagster_project.channels.file import FileChannel, FileSettings
from dagster_project.channels.receiver import LocalReceiver
from dagster_project.channels.webhook import WebhookChannel, WebhookSettings

SECRET = "a key for tests"


def batch(operations: list[str], **columns: list[object]) -> Batch:
    table = pa.table(
        {
            "profile_id": [f"p_{i}" for i in range(len(operations))],
            "operation": operations,
            **columns,
        }
    )
    return Batch("b" * 32, "churned", "run-1", datetime(2026, 3, 1, tzinfo=UTC), 1, 1, table)


@pytest.fixture(params=sorted(discover()))
def channel(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Channel]:
    """Every channel there is, ready for use; a new one says here how its tool is stood in for."""
    with ExitStack() as stack:
        if request.param == "file":
            made: Channel = FileChannel(FileSettings(), tmp_path)
        elif request.param == "webhook":
            receiver = stack.enter_context(LocalReceiver(SECRET))
            settings = {"url": receiver.url, "secret": SECRET, "allowed_hosts": "127.0.0.1"}
            made = WebhookChannel(WebhookSettings.model_validate(settings))
        else:
            pytest.fail(f"the channel {request.param} has no stand-in for its tool")
        yield made
        made.close()


def test_a_channel_is_found_under_the_name_of_its_module(channel: Channel) -> None:
    assert type(channel).__module__.rpartition(".")[2] == channel.name
    assert find(channel.name) is type(channel)
    assert channel.title
    assert channel.description.endswith(".")


def test_a_channel_answers_once_for_every_record_in_order(channel: Channel) -> None:
    sent = batch(["remove", "add", "update"], email=[None, "a@example.org", "b@example.org"])
    answers = channel.apply(sent).table
    assert answers.column_names == ["profile_id", "state", "reason"]
    assert answers.column("profile_id").to_pylist() == ["p_0", "p_1", "p_2"]
    assert set(answers.column("state").to_pylist()) == {AnswerState.ACKNOWLEDGED}


def test_a_channel_takes_the_same_batch_twice(channel: Channel) -> None:
    sent = batch(["add"], email=["a@example.org"])
    assert channel.apply(sent).table.equals(channel.apply(sent).table)


def test_a_channel_takes_an_audience_of_profile_ids_only(channel: Channel) -> None:
    assert channel.apply(batch(["add", "remove"])).table.num_rows == 2


def test_a_channel_erases(channel: Channel) -> None:
    answers = channel.erase(batch(["remove"], email=[None])).table
    assert answers.column("state").to_pylist() == [AnswerState.ACKNOWLEDGED]


def test_a_channel_says_whether_it_is_ready(channel: Channel) -> None:
    result = channel.check()
    assert result.is_ready, result.message
    assert result.message


@pytest.mark.parametrize("name", sorted(discover()))
def test_a_channel_can_be_listed_before_it_is_configured(name: str) -> None:
    found = discover()[name]
    unconfigured = found(found.Settings())
    for field in unconfigured.missing():
        assert field in found.Settings.model_fields
    if unconfigured.missing():
        with pytest.raises(ChannelNotConfiguredError, match=f"PERENNIAL_{name.upper()}_"):
            unconfigured.apply(batch(["add"]))


@pytest.mark.parametrize("name", sorted(discover()))
def test_every_setting_of_a_channel_is_described(name: str) -> None:
    fields = discover()[name].Settings.model_fields
    assert all(field.description for field in fields.values())


@pytest.mark.parametrize("name", sorted(discover()))
def test_no_setting_shows_a_secret(name: str) -> None:
    model = discover()[name].Settings
    values = {
        n: "hunter2" for n in model.model_fields if n in {"secret", "key", "token", "password"}
    }
    assert "hunter2" not in repr(model.model_validate(values))


def test_an_unknown_channel_names_those_there_are() -> None:
    with pytest.raises(UnknownChannelError, match=r"no channel 'fax'.*file, webhook"):
        find("fax")


def test_settings_of_another_channel_are_refused() -> None:
    with pytest.raises(TypeError, match="WebhookSettings"):
        WebhookChannel(NoSettings())


def test_answers_leave_nobody_out_and_a_refusal_beats_an_acceptance() -> None:
    sent = batch(["add"] * 4)
    results = [
        ("p_0", True, None),
        ("p_1", True, None),
        ("p_1", False, "late"),
        ("p_9", True, None),
    ]
    table = Answers.by_record(sent, results).table
    assert table.to_pydict() == {
        "profile_id": ["p_0", "p_1", "p_2", "p_3"],
        "state": ["acknowledged", "refused", "refused", "refused"],
        "reason": [None, "late", "unanswered", "unanswered"],
    }
    assert set(Answers.refused(sent, "no").table.column("reason").to_pylist()) == {"no"}


def test_a_reason_never_repeats_what_the_record_holds() -> None:
    sent = batch(["add"], email=["a.b@example.org"], given_name=["Ștefania"], city=["Iași"])
    said = "ștefania (a.b@example.org, +40 722 123 456) of IAȘI is unsubscribed\n<script>"
    reason = Answers.by_record(sent, [("p_0", False, said)]).table.column("reason")[0].as_py()
    assert "is unsubscribed" in reason
    for value in ("tefania", "example", "722", "aș", "\n"):
        assert value not in reason.lower()


def test_a_channel_declares_its_settings_as_a_model() -> None:
    for found in discover().values():
        assert issubclass(found.Settings, BaseModel)
        assert isinstance(found.limits, Limits)
