"""What the published build says about the business, for people and for machines: counts only."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from dagster_project.publishing import published as published_file
from dagster_project.publishing.published import CATALOG, PublishedBuild, read_build

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_BACKTESTS = """
    select shown.horizon_days, shown.model, shown.auc, said.share, shown.returned_share,
        plain.model, plain.auc
    from published.marts.model_backtest as shown
    join (
        select horizon_days, model, sum(predicted_share * customers) / sum(customers) as share
        from published.marts.model_calibration group by all
    ) as said using (horizon_days, model)
    join (
        select horizon_days, arg_max(model, auc) as model, max(auc) as auc
        from published.marts.model_backtest
        where model in ('recency', 'churn_factor', 'frequency') group by all
    ) as plain using (horizon_days)
    where shown.is_published and shown.auc is not null
    order by shown.horizon_days
"""


class BacktestLine(NamedTuple):
    """The published model and the best plain rule of a past day; shares of the customers."""

    days: int
    model: str
    auc: float
    said: float
    returned: float
    plain: str
    plain_auc: float


@dataclass(frozen=True)
class Summary:
    """One published build: rows by stage, people by lifecycle stage and segment, churn factors.

    `churn_factors` maps a quantile to the churn factor at it, over customers who have one.
    """

    build: PublishedBuild
    stages: dict[str, tuple[int, int]]
    lifecycle: dict[str, int]
    segments: dict[str, int]
    churn_factors: dict[float, float | None]
    backtests: list[BacktestLine]
    gates: dict[tuple[str, str, bool], int]


def summarise(published: Path) -> Summary:
    """Read the summary of the published build."""
    with published_file.opened(published) as connection:

        def pairs(query: str) -> list[tuple]:  # type: ignore[type-arg]
            return connection.execute(query.replace("published.", f"{CATALOG}.")).fetchall()

        quantiles = pairs(
            f"select quantile_cont(churn_factor, {list(QUANTILES)}) "
            "from published.marts.churn_factors"
        )[0][0]
        return Summary(
            build=read_build(connection),
            stages={
                stage: (tables, rows)
                for stage, tables, rows in pairs(
                    "select stage, count(*), sum(row_count)::bigint from published.meta.tables "
                    "group by stage order by min(position)"
                )
            },
            lifecycle=dict(
                pairs(
                    "select stage, count(*) from published.marts.customer_lifecycle "
                    "group by stage order by count(*) desc"
                )
            ),
            segments=dict(
                pairs(
                    "select segment, count(*) from published.marts.customer_lifecycle "
                    "where segment is not null group by segment order by count(*) desc"
                )
            ),
            churn_factors=dict(zip(QUANTILES, quantiles or [None] * len(QUANTILES), strict=True)),
            backtests=[BacktestLine(*row) for row in pairs(_BACKTESTS)],
            gates={
                (engine, severity, passed): count
                for engine, severity, passed, count in pairs(
                    "select engine, severity, passed, count(*) from published.meta.gates "
                    "group by all order by all"
                )
            },
        )
