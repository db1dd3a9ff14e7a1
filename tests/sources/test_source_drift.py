"""Files that aren't what they were: other columns, types, units, sizes."""

import dataclasses
from datetime import timedelta

import pytest
from landed import EVENT, EVENTS, LOADED_AT, RECEIPTS, World, csv_text, event

from sources.contract import Table
from sources.loader.drift import (
    Finding,
    History,
    changed_shapes,
    changed_sizes,
    changed_units,
    new_columns,
)
from sources.loader.load import load_table


def load(world: World, day: int, table: Table = RECEIPTS) -> History:
    return load_table(table, world.data, loaded_at=LOADED_AT + timedelta(days=day)).history


def land(
    world: World, name: str, rows: int = 200, *, price: str = "5.00", folder: str = "", **more: str
) -> None:
    lines = [{"receipt_id": f"{name}-{n}", "line_amount": price, **more} for n in range(rows)]
    world.land(RECEIPTS, f"{folder}{name}.csv", csv_text(*lines))


def a_week(world: World) -> None:
    for day in range(7):
        land(world, f"day-{day}")
        load(world, day)


def sizes(history: History) -> list[Finding]:
    return changed_sizes(history, warning=5, critical=20)


def all_findings(history: History) -> list[Finding]:
    return [
        *new_columns(history),
        *changed_shapes(history, 0.1),
        *changed_units(history),
        *sizes(history),
    ]


def test_files_like_those_before_them_are_nothing_to_tell_of(world: World) -> None:
    a_week(world)
    land(world, "day-7", rows=260, price="6.10")
    assert all_findings(load(world, 7)) == []


def test_what_the_first_load_brings_is_where_history_begins(world: World) -> None:
    for day in range(7):
        land(world, f"day-{day}", rows=200 if day else 2, price="5.00" if day else "900", colour="")
    assert all_findings(load(world, 0)) == []
    assert all_findings(load(world, 1)) == []


def test_a_new_column_is_kept_and_told_with_the_file_it_came_in(world: World) -> None:
    a_week(world)
    land(world, "day-7", colour="red")
    for day in (7, 8, 30):
        (found,) = new_columns(load(world, day))
        assert found.severity == "warning"
        assert found.message.startswith("colour is new with pos/receipt_lines/day-7.csv")
    land(world, "day-40", colour="red")
    assert new_columns(load(world, 40)) == []
    assert world.query(
        "select count(*) from raw.pos_receipt_lines where _extra ->> 'colour' = 'red'"
    ) == [(400,)]


def test_the_new_key_of_an_event_is_told_and_a_key_that_may_be_an_address_isnt_shown(
    world: World,
) -> None:
    world.land(EVENTS, "a.ndjson", EVENT + "\n")
    load(world, 0, EVENTS)
    odd = event(messageId='"m2"', colour='"red"', **{"ana@example.com": "1"})
    world.land(EVENTS, "b.ndjson", odd + "\n")
    shown = [found.message.split(" is new")[0] for found in new_columns(load(world, 1, EVENTS))]
    assert shown == ["(a name not shown)", "colour"]


@pytest.mark.parametrize("missing", ["receipt_id", "line_amount", "currency"])
def test_a_missing_required_column_closes_and_names_the_file(world: World, missing: str) -> None:
    a_week(world)
    lines = csv_text({}).replace(missing, "another")
    path = world.land(RECEIPTS, "day-7.csv", lines)
    for day in (7, 8):
        (found,) = changed_shapes(load(world, day), 0.1)
        assert found.severity == "critical"
        assert "pos/receipt_lines/day-7.csv is refused (file_columns_missing)" in found.message
    history = load(world, 9)
    accepted = dataclasses.replace(history, accepted={"pos/receipt_lines/day-7.csv"})
    assert changed_shapes(accepted, 0.1) == []
    path.unlink()
    assert changed_shapes(load(world, 10), 0.1) == []


@pytest.mark.parametrize(
    ("price", "rule"), [("5.00 EUR", "invalid_amount"), ("", "missing_value"), ("5,00", "")]
)
def test_a_changed_type_closes_and_names_the_file_and_the_rule(
    world: World, price: str, rule: str
) -> None:
    a_week(world)
    land(world, "day-7", price=price)
    for day in (7, 8):
        (found,) = changed_shapes(load(world, day), 0.1)
        assert found.severity == "critical"
        assert "pos/receipt_lines/day-7.csv: 200 of 200 rows are quarantined" in found.message
        assert f"most by {rule}" in found.message
    mended = csv_text(*({"receipt_id": f"day-7-{n}"} for n in range(200)))
    world.land(RECEIPTS, "day-7.csv", mended)
    assert changed_shapes(load(world, 9), 0.1) == []


def test_a_few_odd_rows_are_no_changed_type(world: World) -> None:
    a_week(world)
    rows = [{"receipt_id": f"x{n}", "line_amount": "?" if n < 10 else "5"} for n in range(200)]
    world.land(RECEIPTS, "day-7.csv", csv_text(*rows))
    assert changed_shapes(load(world, 7), 0.1) == []


@pytest.mark.parametrize(
    ("price", "closes"),
    [("500", True), ("50.00", True), ("49.00", False), ("0.50", True), ("0.51", False)],
)
def test_a_tenfold_median_closes_and_names_the_file(world: World, price: str, closes: bool) -> None:
    a_week(world)
    land(world, "day-7", price=price)
    for day in (7, 8):
        found = changed_units(load(world, day))
        assert len(found) == closes
        assert all("day-7.csv: the median line_amount EUR is" in one.message for one in found)


def test_each_currency_has_a_median_of_its_own(world: World) -> None:
    a_week(world)
    land(world, "day-7", price="800", currency="JPY")
    assert changed_units(load(world, 7)) == []
    land(world, "day-8", price="80000", currency="JPY")
    (found,) = changed_units(load(world, 8))
    assert "day-8.csv: the median line_amount JPY" in found.message


def test_a_unit_that_was_accepted_is_the_one_later_files_are_held_against(world: World) -> None:
    a_week(world)
    land(world, "day-7", price="500")
    load(world, 7)
    land(world, "day-8", price="510")
    assert len(changed_units(load(world, 8))) == 2
    declared = '[pos.receipt_lines]\naccepted = ["day-7.*"]\n'
    (world.data / "formats.toml").write_text(declared)
    assert changed_units(load(world, 8)) == []
    land(world, "day-9", price="5")
    assert ["day-9" in found.message for found in changed_units(load(world, 9))] == [True]


@pytest.mark.parametrize(
    ("rows", "severity"),
    [(200, None), (45, None), (39, "warning"), (9, "critical"), (0, "critical"),
     (990, None), (1_100, "warning"), (4_100, "critical")],
)  # fmt: skip
def test_far_fewer_or_more_rows_than_before_are_told(
    world: World, rows: int, severity: str | None
) -> None:
    a_week(world)
    land(world, "day-7", rows=rows)
    if not rows:
        world.land(RECEIPTS, "day-7.csv", csv_text({}).split("\n")[0] + "\n")
    found = sizes(load(world, 7))
    assert [one.severity for one in found] == [severity] * bool(severity)
    assert all(f"day-7.csv has {rows:,} rows where" in one.message for one in found)


def test_a_file_is_held_against_those_of_its_own_folder(world: World) -> None:
    for day in range(7):
        land(world, f"{day}", folder="daily/")
        land(world, f"{day}", rows=3_000, folder="monthly/", store_id="s2")
        load(world, day)
    land(world, "7", rows=3_000, folder="monthly/", store_id="s3")
    assert sizes(load(world, 7)) == []
    land(world, "8", rows=3_000, folder="daily/", store_id="s4")
    (found,) = sizes(load(world, 8))
    assert "daily/8.csv" in found.message


def test_what_a_build_reads_from_a_database_may_be_of_any_size(world: World) -> None:
    for day in range(7):
        land(world, f"{day}", folder="database/")
        load(world, day)
    land(world, "7", rows=1, folder="database/")
    assert sizes(load(world, 7)) == []
