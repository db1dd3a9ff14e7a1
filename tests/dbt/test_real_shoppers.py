"""Real shoppers through the contract of the tills: churn factors row for row, and who came back."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import pytest
from core_world import INTERMEDIATE, TIMEZONE, build_all, table_rows

from dagster_project.prediction import load_rules, predict
from dagster_project.prediction.backtest import area_under_curve
from tests.prediction.shopping import cdnow, complete_journey

CHURN = "path:seeds/marts fqn:perennial.marts.churn"


@dataclass(frozen=True)
class Shoppers:
    """Receipts of one shop: person, day, amount; what is known by the end of a day is built."""

    receipts: pd.DataFrame
    today: date
    horizon_days: int
    warehouse: Path

    @property
    def known(self) -> pd.DataFrame:
        return self.receipts[self.receipts.day <= self.today]

    @property
    def later(self) -> pd.DataFrame:
        until = self.today + timedelta(days=self.horizon_days)
        return self.receipts[(self.receipts.day > self.today) & (self.receipts.day <= until)]


def _shop(
    folder: Path, purchases: duckdb.DuckDBPyConnection, today: date, horizon_days: int
) -> Shoppers:
    """Land every receipt, those of days to come as well, and build as of the end of today."""
    receipts = purchases.execute(
        "select profile_id as person, purchased_on as day, net_reporting_amount as amount "
        "from intermediate.int_purchase_days order by all"
    ).df()
    receipts["day"] = receipts.day.dt.date
    lines = [
        {
            "receipt_id": f"R{number}",
            "store_id": "S1",
            "sold_at": f"{day}T12:00:00",
            "line_no": 1,
            "product_id": "P1",
            "quantity": 1,
            "line_amount": amount,
            "currency": "EUR",
            "loyalty_id": f"L{int(person):06}",
            "_line": number,
            "_landed_file": "receipts.csv",
            "_loaded_at": datetime(2026, 4, 15, tzinfo=UTC),
            "_is_deleted": False,
        }
        for number, (person, day, amount) in enumerate(receipts.itertuples(index=False))
    ]
    receipts["person"] = receipts.person.map(lambda person: f"p{int(person):06}")
    evening = datetime(today.year, today.month, today.day, 23, 59, tzinfo=ZoneInfo(TIMEZONE))
    path = build_all(
        folder / "warehouse.duckdb",
        {"pos_receipt_lines": lines},
        as_of=evening.astimezone(UTC),
        layers=(INTERMEDIATE, CHURN),
        tested=False,
    )
    return Shoppers(receipts, today, horizon_days, path)


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Shoppers:
    """CDNOW: 23,570 people who first bought in early 1997."""
    days = (date(1998, 6, 30) - date(1997, 12, 31)).days
    return _shop(tmp_path_factory.mktemp("music"), cdnow(), date(1997, 12, 31), days)


@pytest.fixture(scope="module")
def groceries(tmp_path_factory: pytest.TempPathFactory) -> Shoppers:
    """Complete Journey: 2,469 households of a grocer."""
    return _shop(tmp_path_factory.mktemp("groceries"), complete_journey(), date(2017, 9, 30), 30)


def _by_pandas(shoppers: Shoppers) -> set[tuple]:
    """Churn factors as CONTRACTS defines them."""
    found = shoppers.known.groupby("person").day.agg(["nunique", "min", "max"])
    since = (pd.Timestamp(shoppers.today) - pd.to_datetime(found["max"])).dt.days
    span = (pd.to_datetime(found["max"]) - pd.to_datetime(found["min"])).dt.days
    mean = (span / (found["nunique"] - 1)).where(found["nunique"] > 1)
    rows = zip(
        found.index, found["nunique"], found["min"], found["max"], since, mean, since / mean,
        strict=True,
    )  # fmt: skip
    return {tuple(None if pd.isna(value) else value for value in row) for row in rows}


@pytest.mark.parametrize("shop", ["music", "groceries"])
def test_churn_factors_are_those_of_pandas_row_for_row(
    shop: str, request: pytest.FixtureRequest
) -> None:
    shoppers: Shoppers = request.getfixturevalue(shop)
    found = table_rows(
        shoppers.warehouse,
        "(select profile_id, purchase_days, first_purchase_on, last_purchase_on, "
        "days_since_last_purchase, mean_days_between_purchases, churn_factor "
        "from marts.churn_factors)",
    )
    expected = _by_pandas(shoppers)
    assert len(expected) == shoppers.known.person.nunique() > 2000
    assert found == expected


@pytest.mark.parametrize(("shop", "least"), [("music", 0.80), ("groceries", 0.87)])
def test_return_probability_ranks_who_came_back(
    shop: str, least: float, request: pytest.FixtureRequest
) -> None:
    shoppers: Shoppers = request.getfixturevalue(shop)
    rules = replace(load_rules(), horizon_days=shoppers.horizon_days)
    with duckdb.connect(shoppers.warehouse) as connection:
        predict(connection, today=shoppers.today, rules=rules)
        said = connection.execute(
            "select profile_id, return_probability from prediction.customers"
        ).fetchall()
    came = set(shoppers.later.person)
    returned = np.array([float(person in came) for person, _ in said])
    auc = area_under_curve(np.array([chance for _, chance in said]), returned)
    assert 0 < returned.mean() < 1
    assert auc > least
