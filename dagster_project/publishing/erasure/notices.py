"""Who must be told of an erasure, who was, and what they answered.

Every channel that was ever sent the person is asked to delete them. Until it has, the ledger keeps
the profile id, in doubt: the next delivery, and the next erasure, tell it again.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from dagster_project.channels.base import (
    ERASURE,
    AnswerState,
    Batch,
    Channel,
    FatalError,
    Operation,
    RetriableError,
)
from dagster_project.publishing import ledger as ledger_file
from dagster_project.publishing.erasure.tombstones import PROFILE, hashed


@dataclass(frozen=True)
class Notice:
    """One audience at one channel that was told, or is still to be; no value of the person."""

    audience: str
    channel: str
    told_at: datetime | None
    answer: str | None
    acknowledged_at: datetime | None


def write_notices(
    connection: duckdb.DuckDBPyConnection, profile_ids: Collection[str], *, salt: str
) -> None:
    """Note, within the ledger's transaction, every audience and channel that may hold the person.

    A delivery under way has its records in the ledger already: it counts as sent.
    """
    for profile_id in profile_ids:
        connection.execute(
            """
            insert into erasure_notices
            with sent as (
                select d.audience, d.channel
                from records as r
                inner join deliveries as d on r.delivery_id = d.delivery_id
                where r.profile_id = $id
                union
                select audience, channel from membership where profile_id = $id
                union
                select audience, channel from in_doubt where profile_id = $id
            )

            select audience, channel, $id, $hash, null, null, null
            from sent
            anti join (from erasure_notices where subject_hash = $hash) using (audience, channel)
            """,
            {"id": profile_id, "hash": hashed(profile_id, kind=PROFILE, salt=salt)},
        )
    connection.execute(
        """
        insert into in_doubt
        select audience, channel, profile_id from erasure_notices
        where profile_id is not null
        except
        select audience, channel, profile_id from in_doubt
        """
    )


def open_pairs(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """The audiences and channels that haven't acknowledged yet."""
    return connection.execute(
        "select distinct audience, channel from erasure_notices where profile_id is not null "
        "order by all"
    ).fetchall()


def read_notices(
    connection: duckdb.DuckDBPyConnection, subject_hashes: Collection[str]
) -> list[Notice]:
    """What became of the notices of some profiles."""
    rows = connection.execute(
        "select audience, channel, told_at, answer, acknowledged_at from erasure_notices "
        "where list_contains(?, subject_hash) order by all",
        [list(subject_hashes)],
    ).fetchall()
    return [Notice(*row) for row in rows]


def tell(ledger: Path, channel: Channel, audience: str) -> None:
    """Have a channel delete whom it is still to delete; the caller holds the delivery's lock.

    A channel that can't be reached or refuses is noted, with its reason; it is asked again.
    """
    with ledger_file.opened(ledger) as connection:
        ids = [
            row[0]
            for row in connection.execute(
                "select distinct profile_id from erasure_notices where audience = ? "
                "and channel = ? and profile_id is not null order by all",
                [audience, channel.name],
            ).fetchall()
        ]
    size = channel.batch_size or max(1, len(ids))
    for start in range(0, len(ids), size):
        _tell(ledger, channel, audience, ids[start : start + size])


def _tell(ledger: Path, channel: Channel, audience: str, ids: list[str]) -> None:
    at = datetime.now(UTC)
    batch = Batch(
        # The same people again are the same batch, for a tool that knows idempotency keys.
        batch_id=uuid.uuid5(uuid.NAMESPACE_OID, "|".join([audience, channel.name, *ids])).hex,
        audience=audience,
        build_id=ERASURE,
        at=at,
        sequence=1,
        batch_count=1,
        records=pa.table({"profile_id": ids, "operation": [Operation.REMOVE.value] * len(ids)}),
    )
    try:
        channel.require_settings()
        rows = channel.erase(batch).table.to_pylist()
        answers = [(row["profile_id"], row["state"], row["reason"]) for row in rows]
    except (RetriableError, FatalError) as error:
        answers = [(profile_id, "no answer", str(error)) for profile_id in ids]
    with ledger_file.opened(ledger) as connection, ledger_file.transaction(connection):
        for profile_id, state, reason in answers:
            connection.execute(
                "update erasure_notices set told_at = ?, answer = ? "
                "where audience = ? and channel = ? and profile_id = ?",
                [at, reason or state, audience, channel.name, profile_id],
            )
            if state == AnswerState.ACKNOWLEDGED:
                acknowledge(connection, audience, channel.name, profile_id, datetime.now(UTC))


def acknowledge(
    connection: duckdb.DuckDBPyConnection,
    audience: str,
    channel: str,
    profile_id: str,
    at: datetime,
) -> None:
    """Note that the channel has deleted the person: it holds nobody of that id any more."""
    pair = [audience, channel, profile_id]
    for table in ("membership", "in_doubt", "refusals"):
        connection.execute(
            f"delete from {table} where audience = ? and channel = ? and profile_id = ?", pair
        )
    connection.execute(
        "update erasure_notices set profile_id = null, acknowledged_at = ? "
        "where audience = ? and channel = ? and profile_id = ?",
        [at, *pair],
    )
