"""Rows that have left their source: each is told by its key alone, and its going is believed."""

import io
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from landed import EVENTS, MEMBERS, RECEIPTS, TABLES, World

from sources.contract import Table

ORDERS = TABLES["erp_orders"]
ORDER = {
    "order_id": "o1",
    "ordered_at": "2024-05-01T10:00:00Z",
    "status": "confirmed",
    "channel": "web",
    "currency": "EUR",
    "total_amount": "5.00",
    "web_order_id": "w1",
    "updated_at": "2024-05-02T10:00:00Z",
}
every_table = pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.full_name)


def land(world: World, table: Table, *rows: dict[str, Any], gone: bool = True) -> None:
    """Land rows of texts, in a file that can say that they are gone."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: pa.array([row.get(name) for row in rows]) for name in names}
    columns["_is_deleted"] = pa.array([row.get("_is_deleted", gone) for row in rows], pa.bool_())
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    world.land(table, f"{len(list((world.data / 'landing').rglob('*')))}.parquet", sink.getvalue())
    world.load(table)


@every_table
def test_a_row_that_is_gone_needs_nothing_but_its_key(world: World, table: Table) -> None:
    land(world, table, dict.fromkeys(table.key, "1"))
    others = [name for name in table.column_names if name not in table.key]
    assert world.quarantine(table) == []
    ((is_deleted, *values),) = world.raw(table, f"_is_deleted, {', '.join(map(_quoted, others))}")
    assert is_deleted
    assert set(values) == {None}


@every_table
def test_nothing_that_is_wrong_with_its_values_keeps_a_row_that_is_gone(
    world: World, table: Table
) -> None:
    kinds = {
        "amount": "-1",
        "integer": "one",
        "coordinate": "999",
        "boolean": "maybe",
        "date": "30.01.1980",
        "timestamp": "0001-01-01T00:00:00Z",
        "local_timestamp": "0001-01-01T00:00:00",
        "object": "[1]",
    }
    wrong = {c.name: kinds.get(c.type, "x" * 3_000) for c in table.columns}
    nul = {c.name: "a\0b" for c in table.columns}
    keys = [{key: str(number) for key in table.key} for number in (1, 2)]
    land(world, table, wrong | keys[0], nul | keys[1])
    assert world.quarantine(table) == []
    assert len(world.raw(table)) == 2
    others = ", ".join(_quoted(name) for name in table.column_names if name not in table.key)
    ((*values,),) = world.query(f"select {others} from raw.{table.full_name} where _line = 2")
    assert set(values) == {None}


@every_table
def test_a_row_that_is_there_is_judged_as_ever_beside_one_that_is_gone(
    world: World, table: Table
) -> None:
    keys = dict.fromkeys(table.key, "1")
    land(world, table, keys, keys | {"_is_deleted": False})
    needs_more = set(table.needed_in_header) > set(table.key)
    assert world.quarantine(table) == ([(2, "missing_value")] if needs_more else [])


@every_table
def test_a_row_that_is_gone_is_refused_without_a_key_that_can_be_read(
    world: World, table: Table
) -> None:
    # The other columns are wrong as well, and mustn't hide it.
    others = {name: "a\0b" for name in table.column_names if name not in table.key}
    row = others | dict.fromkeys(table.key, "1")
    unreadable = (None, "", "a\0b", "x" * 3_000)
    rows = [row | {key: value} for key in table.key for value in unreadable]
    land(world, table, *rows)
    assert world.raw(table) == []
    assert len(world.quarantine(table)) == len(rows)


def _quoted(column: str) -> str:
    return f'"{column}"'


def test_a_row_that_is_gone_keeps_the_values_that_can_be_believed(world: World) -> None:
    land(world, ORDERS, ORDER | {"total_amount": "-5.00", "status": "lost", "customer_id": "c1"})
    found = world.raw(
        ORDERS, "web_order_id, customer_id, channel, currency, total_amount, status, ordered_at"
    )
    noon = datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert found == [("w1", "c1", "web", "EUR", None, None, noon)]


def test_a_rule_over_several_columns_leaves_none_of_them(world: World) -> None:
    """Half of a return: which of the two is wrong can't be known."""
    line = {
        "receipt_id": "r1",
        "line_no": "1",
        "quantity": "-1",
        "line_amount": "5",
        "store_id": "s",
    }
    land(world, RECEIPTS, line)
    assert world.raw(RECEIPTS, "quantity, line_amount, store_id") == [(None, None, "s")]


def test_a_row_that_is_there_is_refused_for_what_one_that_is_gone_is_excused(world: World) -> None:
    wrong = ORDER | {"total_amount": "-5.00"}
    land(world, ORDERS, wrong, wrong | {"order_id": "o2"}, ORDER | {"order_id": "a\0"}, gone=False)
    land(world, ORDERS, wrong)
    assert world.raw(ORDERS, "order_id, _is_deleted") == [("o1", True)]
    assert [rule for _, rule in world.quarantine(ORDERS)] == [
        "negative_amount",
        "negative_amount",
        "nul_character",
    ]


def test_a_file_that_can_say_that_rows_are_gone_still_has_to_name_its_key(world: World) -> None:
    land(world, RECEIPTS, {"receipt_id": "r1"})
    assert world.quarantine(RECEIPTS) == [(None, "file_columns_missing")]


def test_an_unknown_mark_is_no_going(world: World) -> None:
    land(world, MEMBERS, {"loyalty_id": "1", "_is_deleted": None})
    assert world.raw(MEMBERS, "_is_deleted") == [(False,)]


def test_an_event_that_is_gone_needs_no_clock(world: World) -> None:
    ahead = {"timestamp": "2031-01-01T00:00:00Z", "receivedAt": "2024-01-01T00:00:00Z"}
    land(world, EVENTS, {"messageId": "m1"} | ahead)
    assert world.raw(EVENTS, '"messageId", timestamp, "receivedAt"') == [("m1", None, None)]
