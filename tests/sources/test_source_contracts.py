"""What every table of every source keeps, whichever tables there are."""

import re
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from landed import LOADED_AT, TABLES, World

from sources import tables
from sources.contract import Column, Table
from sources.loader.values import sql_type

CONTRACT = {
    "web_events",
    "app_events",
    "erp_customers",
    "erp_products",
    "erp_orders",
    "erp_order_lines",
    "erp_returns",
    "erp_tickets",
    "pos_receipt_lines",
    "pos_members",
    "pos_stores",
}
every_table = pytest.mark.parametrize("table", tables(), ids=lambda table: table.full_name)


def test_every_table_of_the_contract_is_found() -> None:
    assert set(TABLES) >= CONTRACT


def test_a_module_with_tables_needs_no_registration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sources

    (tmp_path / "kiosk.py").write_text(
        "from sources.pos import STORES\n"
        "from dataclasses import replace\n"
        "TABLES = (replace(STORES, source='kiosk', name='places'),)\n"
    )
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path)])
    assert "kiosk_places" in {table.full_name for table in tables()}


@every_table
def test_names_say_what_they_are(table: Table) -> None:
    assert re.fullmatch("[a-z]+", table.source)
    assert re.fullmatch("[a-z]+(_[a-z]+)*", table.name)
    folded = [column.lower() for column in table.column_names]
    assert len(set(folded)) == len(folded)
    assert not [column for column in folded if column.startswith("_")]


@every_table
def test_everything_is_described(table: Table) -> None:
    assert table.description.startswith("One row a")
    for column in table.columns:
        assert column.description.endswith("."), column.name
    for rule in table.rules:
        assert re.fullmatch("[a-z]+(_[a-z]+)*", rule.name)
        assert rule.description


@every_table
def test_no_row_lacks_its_key(table: Table) -> None:
    assert table.key
    assert set(table.key) <= set(table.required)


@every_table
def test_money_stands_beside_its_currency(table: Table) -> None:
    money = [c for c in table.columns if c.name.endswith(("_amount", "_price"))]
    assert all(column.type == "amount" for column in money)
    if money and table.full_name != "erp_order_lines":  # their order has it
        assert "currency" in table.column_names


@every_table
def test_the_event_time_is_a_time_of_the_table(table: Table) -> None:
    if table.event_time:
        (column,) = [c for c in table.columns if c.name == table.event_time]
        assert column.type in ("timestamp", "local_timestamp")


@every_table
def test_rules_are_sql_over_the_columns(table: Table) -> None:
    columns = ", ".join(f'cast(null as {sql_type(c)}) as "{c.name}"' for c in table.columns)
    with duckdb.connect() as connection:
        for rule in table.rules:
            (kind,) = connection.execute(
                f"select any_value(typeof({rule.sql})) from (select {columns})"
            ).fetchall()[0]
            assert kind in ("BOOLEAN", '"NULL"'), rule.name


@every_table
def test_a_table_nobody_has_landed_has_its_columns_and_no_rows(table: Table, world: World) -> None:
    report = world.load(table)
    assert (report.files_seen, report.rows) == (0, 0)
    assert world.files() == []
    assert (world.data / "raw" / table.source / table.name / "_schema.parquet").exists()
    described = world.query(f"describe raw.{table.full_name}")
    own = [(c.name, sql_type(c)) for c in table.columns]
    types = {"timestamptz": "TIMESTAMP WITH TIME ZONE", "decimal(18, 4)": "DECIMAL(18,4)"}
    assert [row[:2] for row in described] == [
        *((name, types.get(kind, kind.upper())) for name, kind in own),
        ("_extra", "JSON"),
        ("_line", "BIGINT"),
        ("_landed_file", "VARCHAR"),
        ("_loaded_at", "TIMESTAMP WITH TIME ZONE"),
        ("_is_deleted", "BOOLEAN"),
    ]
    assert world.raw(table) == []


@every_table
def test_views_work_before_anything_was_loaded(table: Table, world: World) -> None:
    assert world.raw(table) == []


def test_a_contract_may_get_a_column_though_nothing_new_has_landed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = TABLES["pos_stores"]
    world.land(stores, "a.csv", "store_id,square_metres\nS1,900\n")
    world.load(stores)
    grown = replace(stores, columns=(*stores.columns, Column("square_metres", "integer", "")))
    monkeypatch.setattr("sources.loader.load.tables", lambda: (grown,))
    columns = "store_id, square_metres, json_extract_string(_extra, 'square_metres')"
    assert world.raw(stores, columns) == [("S1", None, "900")]


def test_loading_needs_a_time_zone(world: World) -> None:
    from sources.loader.load import load_table

    with pytest.raises(ValueError, match="time zone"):
        load_table(TABLES["pos_stores"], world.data, loaded_at=LOADED_AT.replace(tzinfo=None))
