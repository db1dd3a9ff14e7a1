"""Carrying out a plan: batch by batch, each noted before it is sent and when it is answered."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import stamina

from dagster_project.channels.base import (
    UNANSWERED,
    Answers,
    AnswerState,
    Batch,
    Channel,
    FatalError,
    RetriableError,
)
from dagster_project.publishing import ledger as ledger_file
from dagster_project.publishing import records
from dagster_project.publishing.records import Delivery
from dagster_project.publishing.report import DeliveryState

# records sent so far, records planned
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Retries:
    """How a call is made again: exponential waits with jitter, or the wait that the tool asks for.

    A tool that asks for a longer wait than `longest_wait` ends the delivery; the next one goes on.
    """

    attempts: int = 5
    first_wait: float = 0.5
    longest_wait: float = 120.0
    jitter: float = 0.5

    def __call__(self, error: Exception) -> bool | timedelta:
        """Decide whether and when to call again after an error."""
        if not isinstance(error, RetriableError):
            return False
        if error.retry_after is None:
            return True
        # A zero would use up the attempts within a moment.
        wait = max(error.retry_after, self.first_wait)
        return timedelta(seconds=wait) if wait <= self.longest_wait else False


@dataclass
class Tally:
    """What was sent and answered so far."""

    calls: int = 0
    sent: int = 0
    acknowledged: int = 0
    refused: dict[str, int] = field(default_factory=dict)

    def add(self, answers: Answers) -> None:
        """Count the answers of one batch."""
        counted = pa.TableGroupBy(answers.table, ["state", "reason"]).aggregate([([], "count_all")])
        for row in counted.to_pylist():
            if row["state"] == AnswerState.ACKNOWLEDGED:
                self.acknowledged += row["count_all"]
            else:
                reason = row["reason"] or UNANSWERED
                self.refused[reason] = self.refused.get(reason, 0) + row["count_all"]


@dataclass(frozen=True)
class Outbox:
    """What one delivery has to send: records in order, cut into batches that the ledger knows."""

    delivery: Delivery
    batch_ids: Sequence[str]
    records: pa.Table
    batch_size: int

    def batches(self) -> Iterator[Batch]:
        """Cut the records into batches."""
        for number, batch_id in enumerate(self.batch_ids):
            yield Batch(
                batch_id=batch_id,
                audience=self.delivery.audience,
                build_id=self.delivery.build_id,
                at=self.delivery.started_at,
                sequence=number + 1,
                batch_count=len(self.batch_ids),
                records=self.records.slice(number * self.batch_size, self.batch_size),
            )


def carry_out(
    ledger: Path,
    channel: Channel,
    outbox: Outbox,
    tally: Tally,
    retries: Retries,
    progress: Progress | None,
) -> tuple[DeliveryState, str | None]:
    """Send everything; returns how it ended, and why it failed if it did.

    A batch is noted as sent before its call; its answers are noted with the opening of the ledger
    that notes the next batch as sent.
    """
    delivery = outbox.delivery
    state: DeliveryState = DeliveryState.FAILED
    failure: str | None = "It was interrupted."
    answered: tuple[str, Answers] | None = None
    try:
        for batch in outbox.batches():
            with ledger_file.opened(ledger) as connection:
                _note(connection, delivery, answered)
                answered = None
                records.write_sent(connection, delivery, batch.batch_id, datetime.now(UTC))
            tally.sent += batch.size
            answers = _call(channel, batch, tally, retries)
            answered = (batch.batch_id, answers)
            tally.add(answers)
            if progress is not None:
                progress(tally.sent, outbox.records.num_rows)
    except (RetriableError, FatalError) as error:
        failure = str(error)
    else:
        state, failure = DeliveryState.DONE, None
    finally:
        with ledger_file.opened(ledger) as connection:
            _note(connection, delivery, answered)
            records.finish(connection, delivery, state, failure, datetime.now(UTC))
    return state, failure


def _note(
    connection: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    answered: tuple[str, Answers] | None,
) -> None:
    if answered is not None:
        records.write_answers(connection, delivery, *answered, datetime.now(UTC))


def _call(channel: Channel, batch: Batch, tally: Tally, retries: Retries) -> Answers:
    """Make the call, again where that may help."""
    for attempt in stamina.retry_context(
        on=retries,
        attempts=retries.attempts,
        timeout=None,
        wait_initial=retries.first_wait,
        wait_max=retries.longest_wait,
        wait_jitter=retries.jitter,
    ):
        with attempt:
            tally.calls += 1
            answers = channel.apply(batch)
    return answers
