"""A shop on Odoo 17 or 18, read as a retailer's is: its own records against the rows of raw."""

import logging
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import odoo_shop
import odoo_told as told
import psycopg
import pytest
from landed import TABLES, World
from odoo import ALL_MODULES, Odoo, copy, serve

from sources.erp_database import Collected, collect
from sources.loader.sql import name
from tests.e2e.house import House

CUSTOMERS, PRODUCTS = "erp_customers", "erp_products"
ORDERS, LINES = "erp_orders", "erp_order_lines"
RETURNS, TICKETS = "erp_returns", "erp_tickets"
STORES, RECEIPTS = "pos_stores", "pos_receipt_lines"
# By table: what its rows say, and the columns in which they say it.
TOLD: dict[str, tuple[Callable[[Odoo], told.Rows], str]] = {
    CUSTOMERS: (
        told.customers,
        "given_name, family_name, tax_id, email, phone, street_address, city, postal_code, "
        "country, loyalty_id, is_active, email_marketing, sms_marketing",
    ),
    PRODUCTS: (told.products, "name, category, list_price, currency"),
    ORDERS: (
        told.orders,
        "customer_id, ordered_at, channel, status, currency, total_amount, shipping_amount, "
        "promo_code, web_order_id, promised_at, delivered_at",
    ),
    LINES: (
        told.order_lines,
        "product_id, quantity, unit_price, discount_amount, line_amount",
    ),
    RETURNS: (
        told.returns,
        "order_id, product_id, quantity, refund_amount, currency, returned_at, reason",
    ),
    TICKETS: (told.tickets, "customer_id, opened_at, closed_at, category, status"),
    STORES: (told.stores, "name, city, country, timezone, latitude, longitude"),
    RECEIPTS: (
        told.receipt_lines,
        "store_id, register_id, sold_at, product_id, product_name, category, quantity, "
        "unit_price, discount_amount, line_amount, currency, loyalty_id, email, phone, "
        "original_receipt_id",
    ),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(tmp_path_factory.mktemp("postgresql")) as url:
        yield url


@pytest.fixture(scope="module", params=[17, 18])
def filled(server: str, request: pytest.FixtureRequest) -> Odoo:
    """A shop that has traded for some weeks."""
    shop = Odoo(copy(server, f"odoo_{request.param}"), request.param)
    shop.create()
    odoo_shop.fill(shop)
    return shop


@pytest.fixture
def shop(filled: Odoo, server: str, request: pytest.FixtureRequest) -> Odoo:
    """A copy of it, to be changed."""
    own = deepcopy(filled)
    own.url = copy(server, f"copy_{abs(hash(request.node.name))}", f"odoo_{filled.version}")
    return own


class Reader:
    """What Perennial makes of a shop."""

    def __init__(self, world: World) -> None:
        self.world = world

    def read(self, shop: Odoo) -> dict[str, Collected]:
        """Read the shop, and load what landed: nothing of it may break a rule."""
        found = {one.table: one for one in collect(shop.url, "odoo", self.world.data)}
        for table in TOLD:
            report = self.world.load(TABLES[table])
            assert report.rows_rejected == report.files_rejected == 0, report
        return found

    def newest(self, table: str, columns: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        """By key, the newest version of each row that is still there."""
        keys = TABLES[table].key
        listed = ", ".join(map(name, keys))
        rows = self.world.query(
            f"""select {listed}, {columns} from (
                select * from raw.{table}
                qualify row_number() over (partition by {listed} order by _landed_file desc) = 1
            ) where not _is_deleted"""
        )
        return {row[: len(keys)]: tuple(map(_plain, row[len(keys) :])) for row in rows}

    def assert_equal(self, shop: Odoo) -> None:
        """Compare every row of every table with what the shop's own records say."""
        for table, (tell, columns) in TOLD.items():
            expected = tell(shop)
            assert expected
            assert self.newest(table, columns) == expected, table


def _plain(value: object) -> object:
    """A time as Odoo keeps it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


@pytest.fixture
def reader(world: World) -> Reader:
    return Reader(world)


def test_every_row_of_raw_is_what_odoo_has(filled: Odoo, reader: Reader) -> None:
    reader.read(filled)
    reader.assert_equal(filled)


def test_what_changed_in_odoo_is_in_raw_after_the_next_read(shop: Odoo, reader: Reader) -> None:
    reader.read(shop)
    odoo_shop.change(shop)
    found = reader.read(shop)
    reader.assert_equal(shop)
    gone = {table: one.rows_deleted for table, one in found.items() if one.rows_deleted}
    assert gone == {CUSTOMERS: 2, LINES: 1, TICKETS: 1}


def test_an_odoo_in_which_nothing_changed_lands_no_file(filled: Odoo, reader: Reader) -> None:
    reader.read(filled)
    before = _landed(reader.world.data)
    found = reader.read(filled)
    assert sum(one.rows_landed for one in found.values()) == 0
    assert _landed(reader.world.data) == before


def _landed(data: Path) -> list[Path]:
    return sorted(path for path in (data / "landing").rglob("*") if path.is_file())


def test_a_sale_goes_from_confirmed_to_delivered(shop: Odoo, reader: Reader) -> None:
    reader.read(shop)
    before = reader.newest(ORDERS, "status")
    odoo_shop.change(shop)
    reader.read(shop)
    after = reader.newest(ORDERS, "status")
    assert ("1",) not in before | after  # a draft
    assert ("2",) not in before
    assert after["2",] == ("confirmed",)
    assert (before["5",], after["5",]) == (("shipped",), ("delivered",))
    assert before["7",] == ("cancelled",)
    assert before["16",] == ("confirmed",)  # locked, but its delivery was called off


def test_lines_receipts_and_returns_add_up_to_the_last_cent(filled: Odoo, reader: Reader) -> None:
    reader.read(filled)
    for table in (LINES, RECEIPTS):
        amounts = reader.newest(table, "quantity, unit_price, discount_amount, line_amount")
        for quantity, price, discount, amount in amounts.values():
            assert abs(quantity * price - discount - amount) < Decimal("0.01")
    receipts = reader.newest(RECEIPTS, "line_amount")
    sold = [amount for (receipt, _), (amount,) in receipts.items() if receipt == "pos.order,1"]
    assert sum(sold) == Decimal("30.35")  # 25.00 and 10.35, less a reward of 5.00
    refunds = reader.newest(RETURNS, "refund_amount")
    note = filled.where("account_move_line", move_id=2, product_id=1)[0]["id"]
    with_the_tea = [refunds[str(key),][0] for key in (note, note + 1)]
    assert sum(with_the_tea) == Decimal("29.75") + Decimal("0.99") - Decimal("4.77")


def test_what_a_till_settles_of_a_sale_is_not_sold_twice(filled: Odoo, reader: Reader) -> None:
    reader.read(filled)
    receipts = reader.newest(RECEIPTS, "quantity, original_receipt_id")
    of_the_sale = [line["id"] for line in filled.where("pos_order_line", sale_order_origin_id=18)]
    assert {row for (_, line), row in receipts.items() if line in of_the_sale} == {
        (Decimal(-1), "18")
    }
    assert ("18",) in reader.newest(ORDERS, "status")


def test_a_merge_of_two_partners_moves_their_orders(shop: Odoo, reader: Reader) -> None:
    reader.read(shop)
    assert reader.newest(ORDERS, "customer_id")["14",] == ("11",)
    odoo_shop.change(shop)
    reader.read(shop)
    assert reader.newest(ORDERS, "customer_id")["14",] == ("3",)
    assert ("11",) not in reader.newest(CUSTOMERS, "email")


class Edit(NamedTuple):
    """One change of one row, and the tables that must have it at the next read."""

    table: str
    row: dict[str, Any]
    change: dict[str, Any]
    lands: set[str]


# No edit is of a row that an earlier one has touched by another way: it would be read for that.
EDITS = [
    Edit("product_category", {"id": 3}, {"complete_name": "Tea"}, {PRODUCTS, RECEIPTS}),
    Edit("product_template", {"id": 5}, {"name": {"en_US": "Bow"}}, {PRODUCTS, RECEIPTS}),
    Edit("loyalty_card", {"id": 1}, {"code": "0441-x"}, {CUSTOMERS, RECEIPTS}),
    Edit("mail_blacklist", {"id": 1}, {"active": False}, {CUSTOMERS}),
    Edit("phone_blacklist", {"id": 1}, {"active": False}, {CUSTOMERS}),
    Edit("sale_order", {"id": 3}, {"client_order_ref": "PO-3"}, {ORDERS}),
    Edit("sale_order_line", {"order_id": 14}, {"qty_delivered": Decimal(0)}, {ORDERS}),
    Edit("sale_order_line", {"order_id": 15}, {"product_id": 2}, {LINES}),
    Edit("sale_order", {"id": 16}, {"state": "sent"}, {ORDERS, LINES}),
    Edit("stock_picking", {"id": 6}, {"state": "cancel"}, {ORDERS}),
    Edit("loyalty_rule", {"id": 1}, {"code": "SPRING20"}, {ORDERS}),
    Edit("account_move", {"id": 2}, {"ref": "Late"}, {RETURNS}),
    Edit("account_move_line", {"move_id": 3}, {"quantity": Decimal(3)}, {RETURNS}),
    Edit("pos_config", {"id": 1}, {"name": "Piața Mică"}, {STORES}),
    Edit("res_partner", {"id": 17}, {"city": "Porto"}, {STORES}),
    Edit("helpdesk_stage", {"id": 2}, {"name": {"en_US": "Solved"}}, {TICKETS}),
    Edit("helpdesk_ticket_type", {"id": 1}, {"name": {"en_US": "Broken"}}, {TICKETS}),
    Edit("helpdesk_ticket", {"id": 4}, {"active": True}, {TICKETS}),
    Edit("pos_order_line", {"id": 5}, {"price_subtotal_incl": Decimal("1.01")}, {RECEIPTS}),
    Edit("pos_order", {"id": 7}, {"partner_id": 10}, {RECEIPTS}),
    Edit("res_partner", {"id": 5}, {"email_normalized": "m@lumea.example"}, {CUSTOMERS}),
    Edit(
        "product_product",
        {"id": 8},
        {"default_code": "FAN-2"},
        {PRODUCTS, LINES, RETURNS, RECEIPTS},
    ),
    Edit(
        "product_product",
        {"id": 1},
        {"default_code": "CUP-1"},
        {PRODUCTS, LINES, RETURNS, RECEIPTS},
    ),
]


def test_an_edit_is_found_wherever_it_is_made(shop: Odoo, reader: Reader) -> None:
    reader.read(shop)
    shop.now = datetime.now(UTC).replace(tzinfo=None)
    for edit in EDITS:
        (row,) = shop.where(edit.table, **edit.row)
        shop.write(edit.table, row["id"], **edit.change)
        found = collect(shop.url, "odoo", reader.world.data)
        assert {one.table for one in found if one.rows_landed} == edit.lands, edit
    reader.read(shop)
    reader.assert_equal(shop)


def test_the_whole_road_goes_from_odoo_to_purchases(filled: Odoo, tmp_path: Path) -> None:
    house = House(tmp_path / "data")
    (house.data / "landing").mkdir(parents=True)
    kind = {"PERENNIAL_ERP_URL": filled.url, "PERENNIAL_ERP_KIND": "odoo", "PERENNIAL_AS_OF": ""}
    house.succeed("run", **kind)
    ordered = {key for (key,), row in told.orders(filled).items() if row[3] != "cancelled"}
    sold = {key for (key, _), row in told.receipt_lines(filled).items() if row[6] > 0}
    published = house.query("select order_id, net_amount from marts.customer_orders")
    assert {order for order, _ in published} == ordered | sold
    assert dict(published)["pos.order,1"] == Decimal("30.35") - Decimal("10.00")


def test_a_bare_odoo_is_read_without_what_it_lacks(
    server: str, reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    bare = Odoo(copy(server, "bare"), 18)
    bare.create(["base", "product"])
    bare.add("res_currency", name="EUR", symbol="€", rounding=Decimal("0.01"), decimal_places=2)
    bare.add("res_partner", name="House", active=True)
    bare.add("res_company", name="House", partner_id=1, currency_id=1)
    bare.add("res_partner", name="Ana Pop", active=True, email="ana@example.ro")
    caplog.set_level(logging.INFO)
    found = reader.read(bare)
    assert set(found) == {CUSTOMERS, PRODUCTS}
    assert reader.newest(CUSTOMERS, "given_name, email, is_active, email_marketing") == {
        ("2",): ("Ana", "ana@example.ro", True, None)
    }
    assert "erp_orders: left out, this ERP has no sale_order." in caplog.messages
    assert "erp_tickets: left out, this ERP has no helpdesk_ticket." in caplog.messages
    assert "ana@example.ro" not in caplog.text


@pytest.mark.parametrize(
    "absent",
    [
        ("helpdesk", "loyalty", "sale_loyalty"),
        ("point_of_sale", "pos_sale", "helpdesk"),
        ("stock", "sale_stock", "point_of_sale", "pos_sale", "delivery", "website_sale"),
        ("mail", "phone_validation", "account", "point_of_sale", "pos_sale"),
        ("sale", "sale_stock", "delivery", "website_sale", "sale_loyalty", "pos_sale"),
    ],
    ids=" ".join,
)
def test_an_odoo_without_some_modules_is_read(
    server: str, reader: Reader, absent: tuple[str, ...]
) -> None:
    shop = Odoo(copy(server, f"without_{absent[0]}_{len(absent)}"), 17)
    modules = [module for module in ALL_MODULES if module not in absent]
    if "account" in absent:  # of which sale takes the lines of invoices
        modules = [module for module in modules if "sale" not in module]
    shop.create(modules)
    found = reader.read(shop)
    assert (TICKETS in found) == ("helpdesk" in modules)
    assert (ORDERS in found) == ("sale" in modules)
    assert (RECEIPTS in found) == ("point_of_sale" in modules)


def test_a_column_that_a_later_odoo_dropped_reads_as_empty(shop: Odoo, reader: Reader) -> None:
    with psycopg.connect(shop.url, autocommit=True) as connection:
        connection.execute("alter table res_partner drop column mobile")
    for row in shop.all("res_partner"):
        row["mobile"] = None
    reader.read(shop)
    reader.assert_equal(shop)


def test_a_module_that_comes_later_is_read_from_then_on(server: str, reader: Reader) -> None:
    shop = Odoo(copy(server, "growing"), 18)
    shop.create(["base", "product"])
    shop.add("res_currency", name="EUR", symbol="€", rounding=Decimal("0.01"), decimal_places=2)
    shop.add("res_partner", name="Olga", active=True, email="olga@example.com")
    reader.read(shop)
    with psycopg.connect(shop.url, autocommit=True) as connection:
        connection.execute(
            "create table mail_blacklist (email text, active boolean, "
            "create_date timestamp, write_date timestamp)"
        )
        connection.execute("insert into mail_blacklist values ('olga@example.com', true)")
    reader.read(shop)
    assert reader.newest(CUSTOMERS, "email_marketing") == {("1",): (False,)}


def test_tickets_of_the_community_add_on_are_read_as_well(server: str, reader: Reader) -> None:
    shop = Odoo(copy(server, "community"), 18)
    shop.create(["base", "product", "helpdesk_mgmt"])
    shop.add("helpdesk_ticket_stage", name={"en_US": "Done"}, closed=True)
    shop.add("helpdesk_ticket_category", name={"ro_RO": "Retur"})
    shop.add("helpdesk_ticket", name="Help", active=True, stage_id=1, category_id=1)
    reader.read(shop)
    closed = shop.now
    assert reader.newest(TICKETS, "closed_at, category, status") == {
        ("1",): (closed, "Retur", "Done")
    }
