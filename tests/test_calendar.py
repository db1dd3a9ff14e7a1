"""Public holidays of the countries that customers and stores are in."""

from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from dagster_project import calendar


def _of(country: str, *years: int) -> dict[date, dict]:
    table, unknown = calendar.holidays_of([country], years)
    assert unknown == []
    return {row["holiday_on"]: row for row in table.to_pylist()}


def test_a_holiday_has_its_name_in_the_countrys_language_and_in_english() -> None:
    christmas = _of("RO", 2026)[date(2026, 12, 25)]
    assert (christmas["name"], christmas["english_name"]) == ("Crăciunul", "Christmas Day")
    # Orthodox Easter, by the Julian calendar
    assert _of("RO", 2026)[date(2026, 4, 13)]["english_name"] == "Easter"
    assert date(2026, 4, 6) not in _of("RO", 2026)


def test_the_machines_language_changes_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _of("PT", 2026)
    for variable in ("LANGUAGE", "LANG", "LC_ALL"):
        monkeypatch.setenv(variable, "en_US.UTF-8")
    assert _of("PT", 2026) == before
    assert before[date(2026, 4, 25)]["name"] == "Dia da Liberdade"


def test_a_day_in_lieu_stands_beside_the_holiday_itself() -> None:
    found = _of("US", 2026)
    assert not found[date(2026, 7, 4)]["is_observed"]
    assert found[date(2026, 7, 3)]["is_observed"]
    assert not found[date(2026, 12, 25)]["is_observed"]


def test_two_holidays_of_one_day_are_one_row() -> None:
    assert _of("RO", 2026)[date(2026, 6, 1)]["english_name"] == "Children's Day; Pentecost"


def test_a_code_of_no_country_has_no_holidays_and_stops_nothing() -> None:
    table, unknown = calendar.holidays_of(["XX", "RO", "1!", "EU"], [2026])
    assert unknown == ["XX", "1!", "EU"]
    assert table["country"].unique().to_pylist() == ["RO"]
    assert calendar.holidays_of(["XX"], [2026])[0].schema == table.schema


@pytest.fixture
def connection(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    opened = duckdb.connect(tmp_path / "warehouse.duckdb")
    opened.execute(
        """
        create schema intermediate; create schema staging;
        create table intermediate.int_profile_attributes (country varchar);
        create table staging.stg_pos__stores (country varchar);
        create table intermediate.int_purchase_days (purchased_on date)
        """
    )
    return opened


def _years(connection: duckdb.DuckDBPyConnection) -> list[tuple]:
    return connection.execute(
        "select country, min(year(holiday_on)), max(year(holiday_on)) from calendar.holidays "
        "group by country order by country"
    ).fetchall()


def test_years_reach_from_the_first_purchase_to_next_year(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    connection.execute(
        """
        insert into intermediate.int_profile_attributes values ('RO'), ('RO'), (null), ('XX');
        insert into staging.stg_pos__stores values ('PT'), ('RO'), (null);
        insert into intermediate.int_purchase_days values ('2024-12-31'), ('2026-01-01')
        """
    )
    assert calendar.write_holidays(connection, today=date(2026, 12, 31)) == ["XX"]
    assert _years(connection) == [("PT", 2024, 2027), ("RO", 2024, 2027)]


@pytest.mark.parametrize(
    ("first", "expected"),
    [(None, 2026), (date(2027, 1, 1), 2026), (date(1, 1, 1), 1996)],
    ids=["nobody bought", "sold tomorrow", "a typing error"],
)
def test_years_stay_within_reason(
    connection: duckdb.DuckDBPyConnection, first: date | None, expected: int
) -> None:
    connection.execute("insert into staging.stg_pos__stores values ('PT')")
    if first:
        connection.execute("insert into intermediate.int_purchase_days values (?)", [first])
    calendar.write_holidays(connection, today=date(2026, 12, 31))
    assert _years(connection) == [("PT", expected, 2027)]


def test_written_again_it_is_the_same_and_without_countries_empty(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    def written() -> pa.Table:
        calendar.write_holidays(connection, today=date(2026, 3, 30))
        return connection.sql("from calendar.holidays").to_arrow_table()

    assert len(written()) == 0
    connection.execute("insert into staging.stg_pos__stores values ('RO')")
    assert written() == written()
    connection.execute("delete from staging.stg_pos__stores")
    assert len(written()) == 0
