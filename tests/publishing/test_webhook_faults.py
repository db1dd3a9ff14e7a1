"""Deliveries to a server that misbehaves in every way servers do: nothing lost, nothing doubled."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from delivery_world import AUDIENCE, QUICK, SECRET, Recorder, World, webhook

from dagster_project.channels.receiver import Answer, Behaviour, Call, LocalReceiver
from dagster_project.publishing import ledger as ledger_file
from dagster_project.publishing.report import DeliveryState
from dagster_project.publishing.sending import Retries

EVERYBODY = {f"p_{i:06d}" for i in range(10)}


def first(fault: Answer, *, times: int = 1) -> Behaviour:
    """Answer the first calls with a fault, and the rest as it should be."""
    left = [times]

    def behave(_: Call, answer: Answer) -> Answer:
        left[0] -= 1
        return fault if left[0] >= 0 else answer

    return behave


@pytest.mark.parametrize(
    "fault",
    [
        Answer(500),
        Answer(503),
        Answer(429),
        Answer(200, wait_seconds=1.0),
        Answer(hang_up=True),
        Answer(200, b"<html>back soon</html>"),
        Answer(200, b'["accepted"]'),
        Answer(200, b'{"accepted": true}'),
        Answer(200, b'{"status": "ok"}'),
        Answer(200, b""),
        Answer(202, b'{"accepted": 10}'),
        Answer.of({"results": "all"}),
        Answer.of({"results": [{"status": "accepted"}]}),
    ],
    ids=lambda fault: f"{fault.status}{fault.body[:14]!r}{'hang' if fault.hang_up else ''}",
)
def test_a_call_without_an_answer_is_made_again_and_takes_effect_once(
    world: World, fault: Answer
) -> None:
    with LocalReceiver(SECRET, behaviour=first(fault)) as receiver:
        report = world.deliver(webhook(receiver.url))

        assert (report.state, report.acknowledged_count) == (DeliveryState.DONE, 10)
        assert len(receiver.calls) == report.calls == 2
        # The server had committed before its reply was lost: the key keeps it from doing it twice.
        assert receiver.applied_records == 10
        keys = {call.headers["idempotency-key"] for call in receiver.calls}
        assert len(keys) == 1
        assert receiver.members[AUDIENCE] == world.held("webhook") == EVERYBODY


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Answer(401), "401: check the credentials"),
        (Answer(400), "answered 400"),
        (Answer(301, headers={"Location": "http://127.0.0.1:1/"}), "redirect"),
        (Answer(307, headers={"Location": "http://169.254.169.254/"}), "redirect"),
        (Answer.of({"accepted": 9}), "accepted 9 of 10 records without saying which"),
        (Answer(200, b"x" * 9_000_000), "over 8388608 bytes"),
        (Answer(200, b"\x1f\x8b", {"Content-Encoding": "gzip"}), "compressed its answer"),
    ],
)
def test_an_answer_that_cannot_get_better_ends_the_delivery_at_once(
    world: World, fault: Answer, words: str
) -> None:
    with LocalReceiver(SECRET, behaviour=first(fault, times=99)) as receiver:
        report = world.deliver(webhook(receiver.url))
        assert (report.state, len(receiver.calls)) == (DeliveryState.FAILED, 1)
    assert words in (report.reason or "")
    assert world.held("webhook") == set()


def test_a_server_that_stays_down_fails_the_delivery_and_the_next_one_completes_it(
    world: World,
) -> None:
    with LocalReceiver(SECRET, behaviour=first(Answer(503), times=QUICK.attempts)) as receiver:
        channel = webhook(receiver.url)
        failed = world.deliver(channel)
        assert (failed.state, failed.calls) == (DeliveryState.FAILED, QUICK.attempts)
        assert world.held("webhook") == set()
        assert world.query("select count(*) from in_doubt") == [(10,)]
        assert world.deliver(channel).acknowledged_count == 10
        assert receiver.applied_records == 10
        assert world.query("select count(*) from in_doubt") == [(0,)]


def test_a_server_that_asks_to_wait_is_not_called_before(world: World) -> None:
    times: list[float] = []

    def behave(_: Call, answer: Answer) -> Answer:
        times.append(time.monotonic())
        return Answer(429, headers={"Retry-After": "1"}) if len(times) == 1 else answer

    with LocalReceiver(SECRET, behaviour=behave) as receiver:
        assert world.deliver(webhook(receiver.url)).state == DeliveryState.DONE
    assert 1.0 <= times[1] - times[0] <= 2.0


def test_a_server_that_asks_to_wait_too_long_is_left_alone(world: World) -> None:
    asked = Answer(503, headers={"Retry-After": "3600"})
    with LocalReceiver(SECRET, behaviour=first(asked)) as receiver:
        report = world.deliver(webhook(receiver.url))
        assert (report.state, len(receiver.calls)) == (DeliveryState.FAILED, 1)


def partly(verdict: Callable[[str], dict[str, str]]) -> Behaviour:
    def behave(call: Call, _: Answer) -> Answer:
        records = json.loads(call.body)["records"]
        results = [verdict(record["profile_id"]) for record in records]
        return Answer.of({"results": [entry for entry in results if entry]})

    return behave


def test_a_partial_answer_counts_record_by_record(world: World) -> None:
    def verdict(profile_id: str) -> dict[str, str]:
        if profile_id == "p_000003":
            return {"profile_id": profile_id, "status": "refused", "reason": "no such mailbox"}
        if profile_id == "p_000004":
            return {}  # not a word
        return {"profile_id": profile_id, "status": "accepted"}

    with LocalReceiver(SECRET, behaviour=partly(verdict)) as receiver:
        report = world.deliver(webhook(receiver.url))
    assert report.acknowledged_count == 8
    assert dict(report.refused) == {"no such mailbox": 1, "unanswered": 1}
    assert world.held("webhook") == EVERYBODY - {"p_000003", "p_000004"}
    assert world.query("select profile_id from in_doubt") == [("p_000004",)]
    states = "select state, reason, count(*) from records group by all order by all"
    assert world.query(states) == [
        ("acknowledged", None, 8),
        ("refused", "no such mailbox", 1),
        ("sent", None, 1),
    ]


def test_batches_hold_what_the_channel_takes_and_say_their_place(world: World) -> None:
    with LocalReceiver(SECRET) as receiver:
        seen: list[tuple[int, int]] = []
        report = world.deliver(
            webhook(receiver.url, batch_size=4), progress=lambda *n: seen.append(n)
        )
        bodies = [json.loads(call.body) for call in receiver.calls]
    assert [len(body["records"]) for body in bodies] == [4, 4, 2]
    assert [(b["sequence"], b["batch_count"]) for b in bodies] == [(1, 3), (2, 3), (3, 3)]
    assert len({body["batch_id"] for body in bodies}) == report.calls == 3
    assert seen == [(4, 10), (8, 10), (10, 10)]
    record = bodies[0]["records"][0]
    assert record == {
        "operation": "add",
        "profile_id": "p_000000",
        "attributes": {
            "basket_value": "49.9000",
            "email": "p0@example.org",
            "given_name": "Ana",
            "last_visit_at": "2026-02-28T10:00:00.000000Z",
        },
    }


KILLED = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
from delivery_world import World, webhook
World(Path({folder!r})).deliver(webhook({url!r}, batch_size=10, timeout_seconds=30))
"""


@pytest.mark.parametrize("fatal_call", [1, 4])
def test_a_delivery_that_is_killed_is_completed_by_the_next(world: World, fatal_call: int) -> None:
    """The server commits, the sender dies before the answer; then it dies with it in its hands."""
    world.rebuild(50)
    process: list[subprocess.Popen[bytes]] = []

    def behave(_: Call, answer: Answer) -> Answer:
        if len(receiver.calls) == fatal_call and process:
            os.kill(process[0].pid, signal.SIGKILL)
            process.clear()
        return answer

    with LocalReceiver(SECRET, behaviour=behave) as receiver:
        folder, tests = str(world.folder), str(Path(__file__).parent)
        script = KILLED.format(tests=tests, folder=folder, url=receiver.url)
        process.append(subprocess.Popen([sys.executable, "-c", script]))
        running = process[0]
        assert running.wait(60) == -signal.SIGKILL
        assert len(world.held("webhook")) == (fatal_call - 1) * 10

        report = world.deliver(webhook(receiver.url, batch_size=10, timeout_seconds=30))

        assert report.state == DeliveryState.DONE
        everybody = {f"p_{i:06d}" for i in range(50)}
        assert world.held("webhook") == receiver.members[AUDIENCE] == everybody
        # One batch was sent twice, under one key, and carried out once.
        assert len(receiver.calls) == 6
        assert receiver.applied_records == 50
    assert world.query("select state, reason from deliveries order by attempt") == [
        ("failed", "It was interrupted."),
        ("done", None),
    ]


def test_a_long_wait_for_the_ledger_ends_when_it_is_free(world: World, recorder: Recorder) -> None:
    """A reader of another process holds the ledger for a moment; the delivery waits for it."""
    with ledger_file.opened(world.ledger):
        pass  # the file exists
    script = (
        "import duckdb, sys, time\n"
        f"c = duckdb.connect({str(world.ledger)!r}, read_only=True)\n"
        "print('held', flush=True)\ntime.sleep(1)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        started = time.monotonic()
        assert world.deliver(recorder).acknowledged_count == 10
        assert time.monotonic() - started > 0.5


def test_retries_wait_as_asked_and_give_up_on_what_is_no_use() -> None:
    from dagster_project.channels.base import FatalError, RetriableError

    retries = Retries(first_wait=0.5, longest_wait=10)
    assert retries(FatalError("no")) is False
    assert retries(ValueError()) is False
    assert retries(RetriableError("later")) is True
    assert retries(RetriableError("later", retry_after=11)) is False
    for asked, waited in ((0, 0.5), (7, 7)):
        decided = retries(RetriableError("later", retry_after=asked))
        assert getattr(decided, "total_seconds", lambda: None)() == waited
