"""The calendar as an asset: public holidays where customers and stores are."""

import dagster as dg

from dagster_project import calendar
from dagster_project import warehouse as builds
from dagster_project.defs.resources import Warehouse
from dagster_project.publishing import gates


@dg.asset(
    key=["calendar", "holidays"],
    deps=[
        ["staging", "stg_pos__stores"],
        ["intermediate", "int_profile_attributes"],
        ["intermediate", "int_purchase_days"],
    ],
    group_name="calendar",
    kinds={"python", "duckdb"},
    owners=["team:analytics"],
    description="Public holidays of the countries of customers and stores, from the year of the "
    "first purchase to next year. Grain: one row a country and day.",
)
def public_holidays(
    context: dg.AssetExecutionContext, warehouse: Warehouse
) -> dg.MaterializeResult:
    """Write the holidays; a country code that nobody knows has none."""
    with warehouse.connect() as connection:
        gates.invalidate(connection, "calendar")
        unknown = calendar.write_holidays(connection, today=builds.current(connection).today)
        row = connection.execute("select count(*) from calendar.holidays").fetchone()
    if unknown:
        context.log.warning("No holidays are known of %s.", ", ".join(unknown))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": row[0] if row else 0,
            "countries without holidays": ", ".join(unknown) or "none",
        }
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The tables of the calendar schema."""
    return dg.Definitions(assets=[public_holidays])
