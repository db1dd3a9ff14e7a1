"""A warehouse with the raw tables of the contract, and what dbt makes of it.

Identity is played: identifiers here end in the number of their person, so that the persons are
known and what is tested is dbt alone.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import pyarrow as pa
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt.contracts.results import RunResult
from marts_world import PROJECT, manifest

from dagster_project import warehouse
from dagster_project.calendar import write_holidays
from dagster_project.prediction import predict
from sources import tables
from sources.loader.values import sql_type

AS_OF = datetime(2026, 3, 30, 12, tzinfo=UTC)
TIMEZONE = "Europe/Bucharest"
LOADED_AT = datetime(2026, 4, 15, tzinfo=UTC)
STAGING, INTERMEDIATE = "fqn:perennial.staging", "fqn:perennial.intermediate"
CORE = (
    INTERMEDIATE,
    "fqn:perennial.marts.customers fqn:perennial.marts.orders fqn:perennial.marts.households",
)
EVERYTHING = (INTERMEDIATE, "fqn:perennial.marts fqn:perennial.audiences")
# What every raw row carries besides the columns of its contract.
_PROVENANCE = (
    "_extra json, _line bigint, _landed_file varchar, _loaded_at timestamptz, _is_deleted boolean"
)
QUIETLY = ["--quiet", "--log-level", "none", "--log-level-file", "none"]

Row = dict[str, Any]
Raw = Mapping[str, list[Row]]


def write_raw(path: Path, raw: Raw, *, as_of: datetime = AS_OF) -> None:
    """Write every raw table, with the rows there are, and meta.build."""
    path.parent.mkdir(exist_ok=True)
    with duckdb.connect(path) as connection:
        connection.execute("set timezone = 'UTC'; create schema raw")
        warehouse.begin(
            connection,
            warehouse.Build("run", as_of, TIMEZONE, "EUR", "RO", as_of),
        )
        for table in tables():
            columns = ", ".join(f'"{c.name}" {sql_type(c)}' for c in table.columns)
            connection.execute(f"create table raw.{table.full_name} ({columns}, {_PROVENANCE})")
            if rows := raw.get(table.full_name):
                _insert(connection, table.full_name, rows)


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[Row]) -> None:
    names = sorted({name for row in rows for name in row})
    connection.register("rows", pa.table({name: [row.get(name) for row in rows] for name in names}))
    connection.execute(f"insert into raw.{table} by name select * from rows")
    connection.unregister("rows")


_IDENTITY = r"""
create schema identity;

create table identity.identifiers as
with signals as (
    select * from staging.stg_identity__signals
),

written as (
    unpivot (from signals select source, first_seen_at, last_seen_at, record_count,
        anonymous_id, user_id, email, loyalty_id, erp_customer_id)
    on anonymous_id, user_id, email, loyalty_id, erp_customer_id
    into name identifier_type value identifier_value
)

select
    'p' || regexp_extract(identifier_value, '[0-9]+') as profile_id,
    identifier_type,
    identifier_value,
    source,
    min(first_seen_at) as first_seen_at,
    max(last_seen_at) as last_seen_at,
    sum(record_count)::bigint as record_count,
    false as is_demoted,
    null::timestamptz as held_until
from written
group by all;

create table identity.resolved as
select
    signal_id,
    'p' || regexp_extract(
        coalesce(user_id, anonymous_id, email, loyalty_id, erp_customer_id), '[0-9]+'
    ) as profile_id
from staging.stg_identity__signals;

create table identity.profiles as
select
    profile_id,
    min(first_seen_at) as first_seen_at,
    max(last_seen_at) as last_seen_at,
    count(*) as identifier_count
from identity.identifiers
group by profile_id;

create table identity.normalised (
    identifier_type varchar, raw_value varchar, country varchar, identifier_value varchar
);
create table identity.household_members (household_id varchar, profile_id varchar);
create table identity.household_links (
    household_id varchar, from_profile_id varchar, to_profile_id varchar, rule varchar,
    value varchar, is_one_name boolean
);
create table identity.demoted (
    identifier_type varchar, identifier_value varchar, reason varchar, person_count bigint,
    person_limit bigint
);
create table identity.links (
    from_type varchar, from_value varchar, to_type varchar, to_value varchar, rule varchar,
    source varchar, first_seen_at timestamptz, last_seen_at timestamptz, record_count bigint,
    probability double
);
create table identity.ties as
select distinct
    identifier_type, identifier_value,
    case when anchor <> identifier then anchor[1] end as joined_to_type,
    case when anchor <> identifier then anchor[2] end as joined_to_value,
    case when anchor <> identifier then 'same_record' end as joined_by,
    'web' as joined_via, null::timestamptz as joined_at, 1.0::double as joined_score,
    (anchor <> identifier)::integer as steps_to_anchor
from (
    select *, [identifier_type, identifier_value] as identifier,
        min([identifier_type, identifier_value]) over (partition by profile_id) as anchor
    from identity.identifiers
) as identifiers;
create table identity.cut_links as from identity.links;
create table identity.review (
    from_type varchar, from_value varchar, to_type varchar, to_value varchar,
    from_profile_id varchar, to_profile_id varchar, probability double, reason varchar
);
create table identity.redirects (
    former_profile_id varchar, profile_id varchar, since timestamptz
);
create table identity.history (
    happened_at timestamptz, kind varchar, from_profile_id varchar, to_profile_id varchar,
    reason varchar
);
"""


def resolve(path: Path) -> None:
    """Write the identity tables that dbt reads, of what staging found."""
    with duckdb.connect(path) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(_IDENTITY)


def build_all(
    path: Path,
    raw: Raw,
    *,
    as_of: datetime = AS_OF,
    layers: Sequence[str] = EVERYTHING,
    tested: bool = True,
    identify: Callable[[Path], None] = resolve,
) -> Path:
    """Build the layers of what has landed with what Python writes between; run their tests."""
    write_raw(path, raw, as_of=as_of)
    unwanted = "resource_type:unit_test" if tested else "resource_type:unit_test resource_type:test"
    for select in (STAGING, *layers):
        found = _dbt(path, "build", select, unwanted)
        failed = {
            result.node.name: str(result.message)
            for result in found
            if result.status not in {"success", "pass"}
        }
        assert failed == {}
        if select == STAGING:
            identify(path)
        elif select == INTERMEDIATE:
            with duckdb.connect(path) as connection:
                today = warehouse.current(connection).today
                predict(connection, today=today)
                write_holidays(connection, today=today)
    return path


def unit_test_results(path: Path, select: str) -> dict[str, str]:
    """Run dbt's unit tests of the selected models; the outcome of each by its name."""
    found = _dbt(path, "test", select, "test_type:data")
    return {result.node.name: str(result.message or result.status) for result in found}


def _dbt(path: Path, command: str, select: str, exclude: str) -> list[RunResult]:
    """Run dbt in this process on the warehouse, with everything it writes beside that."""
    places = ["--project-dir", PROJECT, "--profiles-dir", PROJECT, "--target-path", path.parent]
    chosen = ["--select", *select.split(), "--exclude", *exclude.split()]
    try:
        with patch.dict(os.environ, {"PERENNIAL_WAREHOUSE": str(path)}):
            outcome = dbtRunner(manifest=manifest()).invoke(
                [*QUIETLY, command, *map(str, places), *chosen]
            )
    finally:
        DuckDBConnectionManager.close_all_connections()
    assert outcome.exception is None, outcome.exception
    return list(outcome.result)


def table_rows(path: Path, table: str) -> set[tuple]:
    """Every row of a table, without their order."""
    with duckdb.connect(path, read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        found = connection.execute(f"select * from {table}").fetchall()
    assert len(found) == len(set(found)), f"{table} holds one row twice"
    return set(found)
