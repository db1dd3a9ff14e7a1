"""What a channel must be told: the difference between who may be reached and what it acknowledged.

Set-based, in the ledger's own connection with the published build attached. Who was sent and never
answered is in doubt: sent again when eligible, removed when not, whatever the ledger holds.
"""

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from dagster_project import database
from dagster_project.channels.normalise import json_expression, quoted
from dagster_project.errors import PerennialError
from dagster_project.publishing.audience import AudienceSpec
from dagster_project.publishing.eligibility import decide
from dagster_project.publishing.erasure.tombstones import find_erased
from dagster_project.publishing.ledger import scalar
from dagster_project.publishing.published import CATALOG

_RESERVED = {"operation", "_operation", "_position"}


class AudienceTableError(PerennialError):
    """The table of an audience can't be sent as it is."""


@dataclass(frozen=True)
class PlanCounts:
    """A plan in numbers.

    `member_count` counts distinct profiles of the audience; `held_count` what the channel holds or
    may hold; `held_back` who was refused before with what would be sent again.
    """

    member_count: int
    null_id_count: int
    doubled_id_count: int
    eligible_count: int
    excluded: dict[str, int]
    held_count: int
    held_back: int
    adds: int
    updates: int
    removals: int
    erased_removals: int

    @property
    def planned(self) -> int:
        """How many records would be sent."""
        return self.adds + self.updates + self.removals


@dataclass(frozen=True)
class Difference:
    """A plan whose records lie in temp table changes: profile_id, operation, fingerprint, position.

    Positions start at 1, removals first: who may not be reached is told before anything else.
    """

    counts: PlanCounts
    source: str
    columns: tuple[str, ...]

    def records(self, connection: duckdb.DuckDBPyConnection) -> pa.Table:
        """Read what is to be sent, in order: profile_id, operation, and the audience's columns."""
        payload = "".join(f", m.{quoted(column)}" for column in self.columns)
        return database.read(
            connection,
            f"""
            with keyed as (
                -- A second condition in the join makes it a nested loop: 200 s for 500,000 rows.
                select *, case when operation <> 'remove' then profile_id end as member_id
                from changes
            )

            select c.profile_id, c.operation{payload}
            from keyed as c
            left join {self.source} as m on c.member_id = m.profile_id
            order by c.position
            """,
        )


def plan(
    connection: duckdb.DuckDBPyConnection,
    spec: AudienceSpec,
    channel: str,
    *,
    holdout_salt: str,
    erasure_salt: str,
) -> Difference:
    """Write temp table changes for one audience and channel, and count."""
    table = f'{CATALOG}.audiences."{spec.name}"'
    columns, source, nulls, doubled = _members(connection, spec, table)
    pair = {"audience": spec.name, "channel": channel}
    connection.execute(
        """
        create or replace temp table held as
        with acknowledged as (
            select profile_id, fingerprint from membership
            where audience = $audience and channel = $channel
        ),

        doubted as (
            select distinct profile_id from in_doubt
            where audience = $audience and channel = $channel
        )

        select
            coalesce(a.profile_id, d.profile_id) as profile_id,
            a.fingerprint,
            d.profile_id is not null as is_in_doubt
        from acknowledged as a
        full join doubted as d on a.profile_id = d.profile_id
        """,
        pair,
    )
    find_erased(connection, salt=erasure_salt)
    excluded = decide(connection, spec, holdout_salt=holdout_salt)
    _write_changes(connection, pair)
    return Difference(_count(connection, nulls, doubled, excluded), source, columns)


def _members(
    connection: duckdb.DuckDBPyConnection, spec: AudienceSpec, table: str
) -> tuple[tuple[str, ...], str, int, int]:
    """Write temp table members (profile_id, fingerprint); the fingerprint is of what is sent."""
    try:
        relation = connection.table(table)
    except duckdb.CatalogException:
        raise AudienceTableError(
            f"The published build has no table audiences.{spec.name}: `perennial run` builds it."
        ) from None
    kinds = dict(zip(relation.columns, relation.types, strict=True))
    if "profile_id" not in kinds or kinds["profile_id"].id != "varchar":
        raise AudienceTableError(f"audiences.{spec.name} needs profile_id as a text: add it.")
    if taken := sorted(_RESERVED & kinds.keys()):
        raise AudienceTableError(
            f"audiences.{spec.name} has a column named {taken[0]}, which files and batches use "
            "themselves: rename it."
        )
    columns = tuple(column for column in relation.columns if column != "profile_id")
    body = json_expression([(column, kinds[column]) for column in columns])
    rows = scalar(connection, f"select count(*) from {table}")
    with_id = scalar(connection, f"select count(profile_id) from {table}")
    distinct = scalar(connection, f"select count(distinct profile_id) from {table}")
    source = table
    if with_id > distinct:
        # Only ever sent when somebody approved it; then one row a person, always the same one.
        source = (
            f"(select * from {table} "
            f"qualify row_number() over (partition by profile_id order by {body}) = 1)"
        )
    connection.execute(
        f"create or replace temp table members as "
        f"select profile_id, md5({body}) as fingerprint from {source} where profile_id is not null"
    )
    return columns, source, rows - with_id, with_id - distinct


def _write_changes(connection: duckdb.DuckDBPyConnection, pair: dict[str, str]) -> None:
    connection.execute(
        """
        create or replace temp table judged as
        with eligible as (
            select m.profile_id, m.fingerprint
            from members as m
            inner join decisions as d on m.profile_id = d.profile_id
            where d.reason is null
        ),

        refused as (
            select profile_id, fingerprint from refusals
            where audience = $audience and channel = $channel
        ),

        compared as (
            select
                coalesce(e.profile_id, h.profile_id) as profile_id,
                e.fingerprint,
                coalesce(h.is_in_doubt, false) as is_in_doubt,
                case
                    when e.profile_id is null then 'remove'
                    when h.fingerprint is null then 'add'
                    when h.is_in_doubt or h.fingerprint <> e.fingerprint then 'update'
                end as operation
            from eligible as e
            full join held as h on e.profile_id = h.profile_id
        )

        select
            c.profile_id,
            c.operation,
            c.fingerprint,
            r.profile_id is not null and not c.is_in_doubt as is_held_back
        from compared as c
        left join refused as r on c.profile_id = r.profile_id and c.fingerprint = r.fingerprint
        where c.operation is not null
        """,
        pair,
    )
    connection.execute(
        """
        create or replace temp table changes as
        select
            profile_id,
            operation,
            fingerprint,
            row_number() over (order by operation <> 'remove', profile_id) as position
        from judged
        where not is_held_back
        """
    )


def _count(
    connection: duckdb.DuckDBPyConnection, nulls: int, doubled: int, excluded: dict[str, int]
) -> PlanCounts:
    operations = dict(
        connection.execute("select operation, count(*) from changes group by all").fetchall()
    )
    return PlanCounts(
        member_count=scalar(connection, "select count(*) from members"),
        null_id_count=nulls,
        doubled_id_count=doubled,
        eligible_count=scalar(connection, "select count(*) from decisions where reason is null"),
        excluded=excluded,
        held_count=scalar(connection, "select count(*) from held"),
        held_back=scalar(connection, "select count(*) from judged where is_held_back"),
        adds=operations.get("add", 0),
        updates=operations.get("update", 0),
        removals=operations.get("remove", 0),
        erased_removals=scalar(
            connection,
            "select count(*) from changes semi join erased using (profile_id) "
            "where operation = 'remove'",
        ),
    )
