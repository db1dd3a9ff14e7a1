"""What the report shows, in numbers of many people: nothing here is about a single one.

Everything is read from published.duckdb; what an older build doesn't have is left out.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.database import read
from dagster_project.publishing import published as published_file
from dagster_project.publishing import status
from dagster_project.publishing.published import CATALOG, read_build

Rows = list[dict[str, Any]]

STAGES = ("subscriber", "new", "active", "at_risk", "churned", "reactivated")
# The measures of the business, in the order in which they lead to the north star; the sign says
# whether more is better.
MEASURES: dict[str, tuple[str, str, int]] = {
    "subscribers": ("Subscribers who haven't bought yet", "count", 1),
    "subscriber_conversion_rate": ("Subscribers who bought, of those of 30 days", "share", 1),
    "first_time_customers": ("First purchases in 30 days", "count", 1),
    "new_customer_activation_rate": ("New customers who bought again within 30 days", "share", 1),
    "purchase_frequency": ("Purchase days of a buyer in 90 days", "number", 1),
    "average_order_value": ("Average order", "amount", 1),
    "customers_at_risk": ("Customers at risk", "count", -1),
    "churned_customers": ("Churned customers", "count", -1),
    "lifetime_value": ("Value of a customer so far", "amount", 1),
}


@dataclass(frozen=True)
class Figures:
    """The report's numbers; shares are between 0 and 1, amounts in `currency`."""

    as_of: datetime
    currency: str
    kpis: Rows
    moved: Rows
    flow: Rows
    cohorts: Rows
    churn: Rows
    slowdowns: Rows
    value: dict[str, Any]
    backtest: Rows
    calibration: Rows
    reasons: Rows
    audiences: Rows
    gates: Rows
    tables: Rows


def read_figures(published: Path, ledger: Path) -> Figures:
    """Read all of them; raises NotPublishedError where there is no published build."""
    with published_file.opened(published) as connection:
        build = read_build(connection)
        (currency,) = connection.execute(
            f"select reporting_currency from {CATALOG}.meta.run"
        ).fetchone() or ("",)

        def rows(query: str) -> Rows:
            return _rows(connection, query)

        kpis = rows(
            f"""
            select day, {", ".join(f"{name}::double as {name}" for name in MEASURES)}
            from (
                from marts.retention_kpis select * replace (
                    sum(first_time_customers) over (order by day rows 29 preceding)
                        as first_time_customers
                )
            ) as kpis
            where day > (select max(day) from marts.retention_kpis) - 365
            order by day
            """
        )
        return Figures(
            as_of=build.as_of,
            currency=str(currency),
            kpis=kpis,
            moved=_moved(kpis),
            flow=rows(_FLOW),
            cohorts=rows(_COHORTS),
            churn=rows(_CHURN),
            slowdowns=rows(_SLOWDOWNS),
            value=(rows(_VALUE) or [{}])[0],
            backtest=rows(
                "from marts.model_backtest select horizon_days, model, is_published, customers, "
                "returned_share, auc, calibration_error order by horizon_days, model"
            ),
            calibration=rows(
                "from marts.model_calibration join (from marts.model_backtest select seen_on, "
                "model, is_published) using (seen_on, model) select horizon_days, decile, "
                "predicted_share, returned_share where is_published order by all"
            ),
            reasons=rows(
                "from marts.churn_reasons select fact, effect, count(*) as people "
                "where rank = 1 group by all order by people desc, fact, effect"
            ),
            audiences=_audiences(published, ledger),
            gates=rows(
                "from meta.gates select stage, count(*) as checks, count(*) filter (passed) as "
                "passed, count(*) filter (not passed) as warnings group by stage order by stage"
            ),
            tables=rows(
                "from meta.tables select stage, count(*) as tables, sum(row_count)::bigint as rows "
                "group by stage order by min(position)"
            ),
        )


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> Rows:
    connection.execute(f"use {CATALOG}")
    try:
        found: Rows = read(connection, query).to_pylist()
    except duckdb.CatalogException:
        return []
    finally:
        connection.execute("use memory")
    return found


def _moved(kpis: Rows) -> Rows:
    """Each measure now, thirty days before and as long ago as is known within a year."""
    if not kpis:
        return []
    now, then = kpis[-1], kpis[max(len(kpis) - 31, 0)]
    return [
        {"measure": words, "kind": kind, "better": sign, "now": now[name], "before": then[name]}
        for name, (words, kind, sign) in MEASURES.items()
    ]


def _audiences(published: Path, ledger: Path) -> Rows:
    found = status.status(published, ledger)
    held = {(sync.audience, sync.channel): sync.held_count for sync in found.syncs}
    return [
        {
            "audience": audience.name,
            "people": audience.size,
            "channels": {
                channel: held.get((audience.name, channel)) for channel in audience.channels
            },
        }
        for audience in found.audiences
    ]


_FLOW = """
    with today as (select max(as_of) as day from marts.customer_lifecycle),
    stays as (from marts.customer_lifecycle_history cross join today),
    before as (
        select profile_id, stage from stays
        where started_on <= day - 30 and (ended_on is null or ended_on > day - 30)
    ),
    now as (select profile_id, stage from stays where ended_on is null)
    select coalesce(before.stage, 'not known yet') as before, now.stage as now, count(*) as people
    from now left join before using (profile_id)
    group by all order by all
"""

_COHORTS = """
    select cohort, months_since, customers, buyers, retention_rate,
        (value_so_far / customers)::double as value_per_customer
    from marts.value_cohorts
    where cohort > (select max(month) from marts.value_cohorts) - interval 13 month
        and month < (select max(month) from marts.value_cohorts)
    order by cohort, months_since
"""

_CHURN = """
    with bands as (
        select *, case
            when churn_factor is null then 'bought once'
            when churn_factor < 0.5 then 'below 0.5'
            when churn_factor < 1 then '0.5 to 1'
            when churn_factor < 2 then '1 to 2'
            when churn_factor < 4 then '2 to 4'
            when churn_factor < 8 then '4 to 8'
            else '8 and more' end as band
        from marts.churn_factors
    )
    select band, count(*) as people, avg(return_probability) as return_probability,
        quantile_cont(return_probability, 0.1) as low,
        quantile_cont(return_probability, 0.9) as high
    from bands group by band order by min(churn_factor) nulls last
"""

_SLOWDOWNS = """
    select slow.drop_severity as severity, lifecycle.stage, count(*) as people,
        sum(value.expected_value)::double as expected_value,
        sum(value.value_so_far)::double as value_so_far
    from marts.purchase_slowdowns as slow
    join marts.customer_lifecycle as lifecycle using (profile_id)
    join marts.customer_value as value using (profile_id)
    where slow.drop_severity <> 'none'
    group by all order by all
"""

_VALUE = """
    select count(*) as customers, sum(value_so_far)::double as value_so_far,
        sum(expected_value)::double as expected_value, max(value_days) as value_days,
        sum(expected_value) filter (expected_value >= top)::double as expected_of_the_top
    from marts.customer_value
    cross join (select quantile_cont(expected_value, 0.9) as top from marts.customer_value)
"""
