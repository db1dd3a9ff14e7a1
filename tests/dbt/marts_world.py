"""A warehouse whose purchases are made by hand, and the steering marts that dbt builds of them.

What the marts read of earlier layers is written straight into tables; dbt builds only what is under
test, in this process.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import yaml
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from dagster_project.prediction import predict

PROJECT = Path(__file__).parents[2] / "dbt"
# In the business time zone it is the day after already.
AS_OF = datetime(2026, 6, 30, 22, 30, tzinfo=UTC)
TIMEZONE = "Europe/Bucharest"
TODAY = date(2026, 7, 1)
MARTS = "path:seeds/marts fqn:perennial.marts.churn fqn:perennial.marts.lifecycle"
_QUIETLY = ["--quiet", "--log-level", "none", "--log-level-file", "none"]
EVERYTHING = (
    f"{MARTS} fqn:perennial.marts.kpis fqn:perennial.marts.value "
    "fqn:perennial.audiences source:prediction"
)

Histories = dict[str, list[date]]


@dataclass(frozen=True)
class World:
    """Purchase days of each customer, and the day on which each person could first be reached."""

    histories: Histories
    reachable: dict[str, date]


@cache
def defaults() -> dict[str, int]:
    """Return the vars of the project as a marketer finds them."""
    found: dict[str, int] = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]
    return found


def days_ago(*counts: int) -> list[date]:
    """Return the dates so many days before today, oldest first."""
    return [TODAY - timedelta(days=count) for count in sorted(counts, reverse=True)]


def random_histories(people: int, *, seed: int) -> Histories:
    """Draw people of every rhythm: regular, hasty, fading, one-time; a few bought 'tomorrow'."""
    random = np.random.default_rng(seed)
    drawn: Histories = {}
    for number in range(people):
        scale = random.lognormal(2.7, 1.0)
        gaps = np.ceil(random.gamma(2.0, scale / 2.0, size=random.geometric(0.12))).astype(int)
        first = int(random.integers(0, 600))
        ages = first - np.concatenate([[0], np.cumsum(gaps)])
        drawn[f"p{number:04}"] = days_ago(*{int(age) for age in ages if age >= -1})
    return drawn


def write(path: Path, world: World) -> None:
    """Write the tables that the steering marts and the audiences read."""
    bought = [(person, day) for person, days in world.histories.items() for day in days]
    connection = duckdb.connect(path)
    connection.execute("set timezone = 'UTC'")
    for schema in ("meta", "intermediate", "marts", "identity"):
        connection.execute(f"create schema {schema}")
    connection.execute(
        "create table meta.build as select 'run' as run_id, $as_of::timestamptz as as_of, "
        "$zone as business_timezone, 'EUR' as reporting_currency, 'RO' as default_country, "
        "$as_of::timestamptz as started_at",
        {"as_of": AS_OF, "zone": TIMEZONE},
    )
    connection.register(
        "bought",
        pa.table(
            {
                "profile_id": pa.array([person for person, _ in bought], pa.string()),
                "purchased_on": pa.array([day for _, day in bought], pa.date32()),
            }
        ),
    )
    connection.register(
        "reached",
        pa.table(
            {
                "profile_id": pa.array(list(world.reachable), pa.string()),
                "day": pa.array(list(world.reachable.values()), pa.date32()),
            }
        ),
    )
    connection.execute(_TABLES)
    predict(connection, today=TODAY)
    connection.close()


# Purchases of even days have a second order, made elsewhere and often before the first; every tenth
# day somebody unknown buys as well.
_TABLES = """
create table intermediate.int_orders as
with orders as (
    select profile_id, purchased_on, unnest(range(2 - dayofyear(purchased_on) % 2)) as nth
    from bought
    union all
    select null, day, 0 from (select distinct purchased_on as day from bought) as days
    where dayofyear(day) % 10 = 0
),
placed as (
    select *, row_number() over (order by purchased_on, profile_id, nth)::varchar as order_id,
        (dayofyear(purchased_on) + nth * 2 + coalesce(ascii(reverse(profile_id)), 0)) % 7 as place
    from orders
)
select
    order_id,
    'pos:' || order_id as order_key,
    profile_id,
    purchased_on,
    purchased_on::timestamptz + to_hours(8 + (dayofyear(purchased_on) + nth * 5) % 9) as ordered_at,
    -- The last is a store that the ERP doesn't name.
    ['store', 'store', 'store', 'web', 'app', 'phone', 'store'][place + 1] as channel,
    case when place < 3 then 'S' || place end as store_id,
    (10 + dayofyear(purchased_on) % 90 + nth)::decimal(18, 4) as reporting_amount,
    0::decimal(18, 4) as discount_amount, 0::decimal(18, 4) as refunded_amount,
    1::decimal(18, 8) as reporting_rate
from placed;

create table intermediate.int_purchase_days as
select
    profile_id,
    purchased_on,
    count(*) as order_count,
    sum(reporting_amount)::decimal(18, 4) as net_reporting_amount
from intermediate.int_orders
where profile_id is not null
group by profile_id, purchased_on;

create table marts.customer_identifiers as
select profile_id, 'email' as identifier_type, profile_id || '@example.com' as identifier_value,
    ['web', 'app', 'pos', 'erp'][dayofyear(day) % 4 + 1] as source,
    day::timestamptz + interval 12 hour as first_seen_at,
    day::timestamptz + interval 12 hour as last_seen_at, false as is_demoted
from reached
union all
select profile_id, 'anonymous_id', profile_id, 'web', timestamptz '2020-01-01 00:00:00+00',
    timestamptz '2020-01-01 00:00:00+00', false
from (select profile_id from reached union select profile_id from bought) as everybody
-- Nobody knows more of this one than a cookie.
union all
select 'visitor', 'anonymous_id', 'visitor', 'web', timestamptz '2026-06-01 00:00:00+00',
    timestamptz '2026-06-01 00:00:00+00', false;

create table marts.customer_profiles as
with people as (
    select profile_id from reached union select profile_id from bought union select 'visitor'
),
totals as (
    select profile_id, count(*) as order_count,
        (sum(reporting_amount) / count(*))::decimal(18, 4) as average_order_value
    from intermediate.int_orders group by profile_id
)
select
    people.profile_id,
    case when reached.profile_id is not null then people.profile_id || '@example.com' end as email,
    null::varchar as phone, 'Ana' as given_name,
    ['RO', 'DE', null][ascii(reverse(people.profile_id)) % 3 + 1] as country,
    'wine' as favourite_category,
    coalesce(totals.order_count, 0)::bigint as order_count, totals.average_order_value,
    'EUR' as currency, null::timestamptz as last_visit_at, 'none' as cart_state,
    null::decimal(18, 4) as cart_value, null::timestamptz as cart_updated_at
from people
left join totals using (profile_id)
left join reached using (profile_id);
"""


def build(path: Path, select: str = EVERYTHING) -> None:
    """Build the selection in the warehouse and run its data tests; none may fail."""
    unsound = {
        name: status
        for name, status in outcomes(path, select).items()
        if status not in {"success", "pass"}
    }
    assert unsound == {}


def outcomes(
    path: Path,
    select: str = EVERYTHING,
    *,
    command: str = "build",
    exclude: str = "resource_type:unit_test",
) -> dict[str, str]:
    """Run dbt in the warehouse; return what became of each node."""
    nodes = ["--select", *select.split(), "--exclude", exclude]
    places = ["--project-dir", PROJECT, "--profiles-dir", path.parent, "--target-path", path.parent]
    _write_profile(path)
    try:
        outcome = dbtRunner(manifest=manifest()).invoke(
            [*_QUIETLY, command, *map(str, places), *nodes]
        )
    finally:
        DuckDBConnectionManager.close_all_connections()
    assert outcome.exception is None, outcome.exception
    return {result.node.name: str(result.status) for result in outcome.result.results}


def _write_profile(path: Path) -> None:
    profile = yaml.safe_load((PROJECT / "profiles.yml").read_text())
    profile["perennial"]["outputs"]["duckdb"]["path"] = str(path)
    (path.parent / "profiles.yml").write_text(yaml.safe_dump(profile))


@cache
def manifest() -> Manifest:
    """Return the project, parsed anew."""
    places = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    outcome = dbtRunner().invoke(
        [*_QUIETLY, "parse", "--no-write-json", "--no-partial-parse", *places]
    )
    assert isinstance(outcome.result, Manifest), outcome.exception
    return outcome.result


def rows(path: Path, query: str) -> list[tuple]:
    """Return what the query finds in the warehouse."""
    with duckdb.connect(path, read_only=True) as connection:
        return connection.execute(query).fetchall()
