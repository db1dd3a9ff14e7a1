"""From the countries of customers and stores to schema calendar: their public holidays.

The dates are those of the holidays library, by each country's own laws; those of moon calendars are
its estimates. Holidays of a region alone aren't there.
"""

import logging
from collections.abc import Iterable
from datetime import date

import duckdb
import holidays
import pyarrow as pa

logger = logging.getLogger(__name__)

# Further back lies a typing error, not a purchase.
_MOST_YEARS = 30
_COUNTRIES = """
    select country from intermediate.int_profile_attributes where country is not null
    union
    select country from staging.stg_pos__stores where country is not null
    order by country
"""
_FIRST_YEAR = "select year(min(purchased_on)) from intermediate.int_purchase_days"
_SCHEMA = pa.schema(
    [
        ("country", pa.string()),
        ("holiday_on", pa.date32()),
        ("name", pa.string()),
        ("english_name", pa.string()),
        ("is_observed", pa.bool_()),
    ]
)


def write_holidays(connection: duckdb.DuckDBPyConnection, *, today: date) -> list[str]:
    """Write calendar.holidays, from the year of the first purchase to the one after today's.

    Returns the countries that the library doesn't know: they have no rows.
    """
    countries = [country for (country,) in connection.execute(_COUNTRIES).fetchall()]
    row = connection.execute(_FIRST_YEAR).fetchone()
    first = (row and row[0]) or today.year
    years = range(min(max(first, today.year - _MOST_YEARS), today.year), today.year + 2)
    table, unknown = holidays_of(countries, years)
    # One statement: killed anywhere, the table is the old one or the new one.
    connection.execute("create schema if not exists calendar")
    connection.register("_calendar_holidays", table)
    connection.execute("create or replace table calendar.holidays as from _calendar_holidays")
    connection.unregister("_calendar_holidays")
    logger.info("calendar: %d holidays of %d countries", len(table), len(countries))
    return unknown


def holidays_of(countries: Iterable[str], years: Iterable[int]) -> tuple[pa.Table, list[str]]:
    """The public holidays of the countries, and the countries that the library doesn't know.

    One row a country and day. A day in lieu of one that falls on a day off has a row of its own.
    """
    rows: list[dict[str, str | date | bool]] = []
    unknown = []
    years = list(years)
    for country in countries:
        try:
            rows += _rows(country, years)
        except NotImplementedError:
            unknown.append(country)
    return pa.Table.from_pylist(rows, schema=_SCHEMA), unknown


def _rows(country: str, years: list[int]) -> list[dict[str, str | date | bool]]:
    entity = holidays.country_holidays(country)
    own = entity.default_language
    english = next((la for la in entity.supported_languages if la.startswith("en")), own)

    def named(language: str | None, *, observed: bool = True) -> dict[date, str]:
        # Without a language the library takes that of the machine.
        return dict(
            holidays.country_holidays(country, years=years, language=language, observed=observed)
        )

    names, english_names, lawful = named(own), named(english), named(own, observed=False)
    return [
        {
            "country": country,
            "holiday_on": day,
            "name": name,
            "english_name": english_names[day],
            "is_observed": day not in lawful,
        }
        for day, name in sorted(names.items())
    ]
