"""Keeping the ledger during a delivery: intent, sent, answered, each committed before the next.

A batch is noted as sent, its profiles as in doubt, before the call is made; the answer clears both.
Whatever moment a delivery is killed at, the ledger knows who may be held by the channel.
"""

from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from dagster_project.channels.base import UNANSWERED, Answers
from dagster_project.publishing.difference import PlanCounts
from dagster_project.publishing.ledger import transaction
from dagster_project.publishing.report import DeliveryState

Connection = duckdb.DuckDBPyConnection


@dataclass(frozen=True)
class Delivery:
    """The delivery under way, as the ledger names it."""

    delivery_id: str
    run_id: str
    build_id: str
    audience: str
    channel: str
    started_at: datetime

    @property
    def pair(self) -> dict[str, str]:
        """Parameters that name the audience and the channel."""
        return {"audience": self.audience, "channel": self.channel}


def close_interrupted(connection: Connection, audience: str, channel: str) -> None:
    """Mark deliveries that were killed as failed; only called while no other one can be running."""
    connection.execute(
        "update deliveries set state = 'failed', reason = 'It was interrupted.' "
        "where audience = ? and channel = ? and state in ('planned', 'sending')",
        [audience, channel],
    )


def write_plan(
    connection: Connection,
    delivery: Delivery,
    counts: PlanCounts,
    *,
    state: DeliveryState,
    reason: str | None,
    is_approved: bool,
    batch_size: int,
) -> None:
    """Write the delivery and, unless it is stopped, its records with their batches.

    A batch's id is made of what is in it, of the build, and of the last delivery that was done: the
    same batch sent again after a crash has the same id, the same change years later another.
    """
    with transaction(connection):
        connection.execute(
            "insert into deliveries values (nextval('attempts'), $delivery_id, $run_id, $build_id, "
            "$audience, $channel, $state, $reason, $approved, $members, $eligible, $planned, 0, 0, "
            "0, $started_at, null)",
            vars(delivery)
            | {
                "state": state.value,
                "reason": reason,
                "approved": is_approved,
                "members": counts.member_count,
                "eligible": counts.eligible_count,
                "planned": counts.planned,
            },
        )
        if state == DeliveryState.STOPPED:
            return
        connection.execute(
            """
            insert into records
            with last_done as (
                select coalesce(max_by(delivery_id, attempt), '') as delivery_id
                from deliveries
                where audience = $audience and channel = $channel and state = 'done'
            ),

            batched as (
                select *, (position - 1) // $batch_size as batch_number from changes
            ),

            named as (
                select
                    batch_number,
                    md5(concat_ws(
                        '|', $audience, $channel, $build_id, any_value(l.delivery_id), count(*),
                        bit_xor(md5_number(concat_ws('|', profile_id, operation, fingerprint)))
                    )) as batch_id
                from batched, last_done as l
                group by batch_number
            )

            select
                $delivery_id, n.batch_id, b.profile_id, b.operation, b.fingerprint, 'planned',
                null, $at
            from batched as b
            inner join named as n on b.batch_number = n.batch_number
            order by b.position
            """,
            delivery.pair
            | {
                "build_id": delivery.build_id,
                "delivery_id": delivery.delivery_id,
                "batch_size": batch_size,
                "at": delivery.started_at,
            },
        )


def batch_ids(connection: Connection, delivery: Delivery) -> list[str]:
    """Read the ids of a planned delivery's batches, in order."""
    rows = connection.execute(
        "select r.batch_id from records as r inner join changes as c using (profile_id) "
        "where r.delivery_id = ? group by all order by min(c.position)",
        [delivery.delivery_id],
    ).fetchall()
    return [row[0] for row in rows]


def write_sent(connection: Connection, delivery: Delivery, batch_id: str, at: datetime) -> None:
    """Note that a batch is about to be sent: from here on the channel may hold it."""
    batch = {"delivery_id": delivery.delivery_id, "batch_id": batch_id}
    with transaction(connection):
        connection.execute(
            "update records set state = 'sent', changed_at = $at "
            "where delivery_id = $delivery_id and batch_id = $batch_id",
            batch | {"at": at},
        )
        connection.execute(
            "insert into in_doubt select $audience, $channel, profile_id from records "
            "where delivery_id = $delivery_id and batch_id = $batch_id",
            batch | delivery.pair,
        )
        connection.execute(
            """
            update deliveries set
                state = 'sending',
                sent_count = sent_count + (
                    select count(*) from records
                    where delivery_id = $delivery_id and batch_id = $batch_id
                )
            where delivery_id = $delivery_id
            """,
            batch,
        )


def write_answers(
    connection: Connection, delivery: Delivery, batch_id: str, answers: Answers, at: datetime
) -> None:
    """Note the channel's answers: only what it acknowledged becomes membership."""
    connection.register("answers", pa.table(answers.table))
    try:
        with transaction(connection):
            connection.execute(
                """
                create or replace temp table answered as
                select r.profile_id, r.operation, r.fingerprint, a.state, a.reason
                from records as r
                inner join answers as a on r.profile_id = a.profile_id
                where
                    r.delivery_id = $delivery_id
                    and r.batch_id = $batch_id
                    and a.reason is distinct from $unanswered
                """,
                {
                    "delivery_id": delivery.delivery_id,
                    "batch_id": batch_id,
                    "unanswered": UNANSWERED,
                },
            )
            _write_states(connection, delivery, batch_id, at)
            _write_membership(connection, delivery, at)
            _write_refusals(connection, delivery, at)
            connection.execute(
                "delete from in_doubt where audience = $audience and channel = $channel "
                "and profile_id in (select profile_id from answered)",
                delivery.pair,
            )
    finally:
        connection.unregister("answers")


def _write_states(connection: Connection, delivery: Delivery, batch_id: str, at: datetime) -> None:
    connection.execute(
        "update records set state = a.state, reason = a.reason, changed_at = $at "
        "from answered as a where delivery_id = $delivery_id and batch_id = $batch_id "
        "and records.profile_id = a.profile_id",
        {"delivery_id": delivery.delivery_id, "batch_id": batch_id, "at": at},
    )
    connection.execute(
        """
        update deliveries set
            acknowledged_count = acknowledged_count
            + (select count(*) from answered where state = 'acknowledged'),
            refused_count = refused_count
            + (select count(*) from answered where state = 'refused')
        where delivery_id = ?
        """,
        [delivery.delivery_id],
    )


def _write_membership(connection: Connection, delivery: Delivery, at: datetime) -> None:
    """Take out every acknowledged profile, and put back those that weren't removals."""
    connection.execute(
        "delete from membership where audience = $audience and channel = $channel "
        "and profile_id in (select profile_id from answered where state = 'acknowledged')",
        delivery.pair,
    )
    connection.execute(
        "insert into membership select $audience, $channel, profile_id, fingerprint, $at "
        "from answered where state = 'acknowledged' and operation <> 'remove'",
        delivery.pair | {"at": at},
    )


def _write_refusals(connection: Connection, delivery: Delivery, at: datetime) -> None:
    """Keep what was refused, so that it is sent again when it changes; removals always are."""
    connection.execute(
        "delete from refusals where audience = $audience and channel = $channel "
        "and profile_id in (select profile_id from answered)",
        delivery.pair,
    )
    connection.execute(
        "insert into refusals select $audience, $channel, profile_id, fingerprint, reason, $at "
        "from answered where state = 'refused' and operation <> 'remove'",
        delivery.pair | {"at": at},
    )


def finish(
    connection: Connection,
    delivery: Delivery,
    state: DeliveryState,
    reason: str | None,
    at: datetime,
) -> None:
    """Note how the delivery ended."""
    connection.execute(
        "update deliveries set state = $state, reason = coalesce($reason, reason), "
        "finished_at = $at where delivery_id = $delivery_id",
        {
            "state": state.value,
            "reason": reason,
            "at": at,
            "delivery_id": delivery.delivery_id,
        },
    )
