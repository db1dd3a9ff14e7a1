"""A live Tryton, read as a retailer's is: its own words against the rows of raw."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
import tryton
from landed import TABLES, World

from sources.erp_database import Collected, collect
from sources.loader.sql import name
from tests.e2e.house import House

ERP = [table for table in TABLES.values() if table.source == "erp"]
ORDERED = {"confirmed", "processing", "done", "cancelled"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A shop that has traded for some weeks."""
    with tryton.serve(tmp_path_factory.mktemp("tryton")) as url:
        tryton.create(url)
        tryton.fill(url)
        yield url


@pytest.fixture
def shop(template: str, request: pytest.FixtureRequest) -> str:
    """A copy of the shop, to be changed."""
    copy = f"copy_{abs(hash(request.node.name))}"
    elsewhere = template.replace("/tryton?", "/postgres?")
    with psycopg.connect(elsewhere, autocommit=True) as connection:
        connection.execute(f"create database {copy} template tryton")
    return template.replace("/tryton?", f"/{copy}?")


class Reader:
    """What Perennial makes of the shop."""

    def __init__(self, url: str, world: World) -> None:
        self.url = url
        self.world = world

    def read(self, **options: Any) -> dict[str, Collected]:
        """Read the shop, and load what landed."""
        read = collect(self.url, "tryton", self.world.data, **options)
        found = {one.table: one for one in read}
        for table in ERP:
            report = self.world.load(table)
            assert report.rows_rejected == report.files_rejected == 0, report
        return found

    def newest(self, table: str, columns: str) -> list[tuple[Any, ...]]:
        """The newest version of each row that is still there."""
        keys = ", ".join(map(name, TABLES[table].key))
        return self.world.query(
            f"""select {columns} from (
                select * from raw.{table}
                qualify row_number() over (partition by {keys} order by _landed_file desc) = 1
            ) where not _is_deleted order by all"""
        )


@pytest.fixture
def reader(shop: str, world: World) -> Reader:
    return Reader(shop, world)


def _assert_equal(reader: Reader) -> None:
    """Compare every party, product, sale, line, return and complaint with Tryton's own word."""
    told = tryton.tell(reader.url)
    ours = {
        row[0]: row[1:]
        for row in reader.newest(
            "erp_customers",
            "customer_id::int, concat_ws(' ', given_name, family_name), email, city",
        )
    }
    # Neither the company nor the carrier is a customer.
    theirs = {p[0]: tuple(p[1:]) for p in told["parties"] if p[0] not in (1, 14)}
    assert theirs
    assert {key: value for key, value in ours.items() if key in theirs} == theirs

    products = reader.newest("erp_products", "product_id, name, list_price")
    expected = {(code, label, Decimal(price)) for code, label, price in told["products"]}
    assert expected
    assert expected <= set(products)

    sold, lines, returned = set(), set(), set()
    for sale, state, party, currency, total, undone, of_it in told["sales"]:
        if state not in ORDERED:
            continue
        if any(float(quantity) > 0 for *_, quantity, _ in of_it):
            sold.add((sale, party, currency, Decimal(total)))
        for line, code, quantity, amount in of_it:
            count, value = Decimal(quantity), Decimal(amount)
            if count > 0:
                lines.add((sale, line, code, count, value))
            elif state != "cancelled":
                returned.add((line, undone, code, -count, -value, currency))
    orders = reader.newest("erp_orders", "order_id::int, customer_id::int, currency, total_amount")
    assert set(orders) == sold
    of_orders = "order_id::int, line_no, product_id, quantity, line_amount"
    assert set(reader.newest("erp_order_lines", of_orders)) == lines
    brought_back = "return_id::int, order_id::int, product_id, quantity, refund_amount, currency"
    assert set(reader.newest("erp_returns", brought_back)) == returned
    tickets = reader.newest("erp_tickets", "ticket_id::int, customer_id::int, status, category")
    assert tickets == sorted(tuple(one) for one in told["complaints"])
    assert sold
    assert lines
    assert returned


def test_every_row_of_raw_is_what_tryton_says(reader: Reader) -> None:
    reader.read()
    _assert_equal(reader)


def test_a_sale_goes_from_confirmed_to_delivered(reader: Reader) -> None:
    reader.read()
    status = "web_order_id, status, delivered_at is not null"
    before = {row[0]: row[1:] for row in reader.newest("erp_orders", status)}
    assert before["CONFIRM-1"] == before["WAIT-1"] == before["PART-1"] == ("confirmed", False)
    assert before["DONE-1"] == ("delivered", True)
    assert before["CANCEL-1"] == ("cancelled", False)
    assert "DRAFT-1" not in before
    assert "QUOTE-1" not in before
    tryton.change(reader.url)
    reader.read()
    after = {row[0]: row[1:] for row in reader.newest("erp_orders", status)}
    assert after["WAIT-1"] == ("delivered", True)
    assert after["QUOTE-1"] == ("confirmed", False)


def test_what_changed_in_tryton_is_in_raw_after_the_next_read(reader: Reader) -> None:
    reader.read()
    tryton.change(reader.url)
    found = reader.read()
    _assert_equal(reader)
    people = dict(reader.newest("erp_customers", "customer_id::int, family_name"))
    assert people[5] == "Lefèvre-Martin"
    assert 13 not in people  # deleted, and marked
    assert found["erp_customers"].rows_deleted == 1
    assert ("POT", Decimal("54.90")) in reader.newest("erp_products", "product_id, list_price")


def test_a_contact_that_is_deleted_goes_from_its_party_with_the_next_whole_read(
    reader: Reader,
) -> None:
    reader.read()
    mails = "customer_id, email"
    before = dict(reader.newest("erp_customers", mails)).items()
    # As Tryton does it: the party isn't touched.
    with psycopg.connect(reader.url, autocommit=True) as connection:
        gone = "delete from party_contact_mechanism where value = 'joao@example.pt'"
        assert connection.execute(gone).rowcount == 1
    # The shop was filled within the usual overlap.
    none = timedelta(0)
    assert reader.read(overlap=none)["erp_customers"].rows_landed == 0
    assert reader.read(overlap=none, full_read_after=none)["erp_customers"].rows_landed == 1
    after = dict(reader.newest("erp_customers", mails)).items()
    assert [mail for _, mail in before - after] == ["joao@example.pt"]


def test_a_tryton_in_which_nothing_changed_lands_no_file(reader: Reader) -> None:
    reader.read()
    before = _landed(reader.world.data)
    found = reader.read()
    assert sum(one.rows_landed for one in found.values()) == 0
    assert _landed(reader.world.data) == before


def _landed(data: Path) -> list[Path]:
    return sorted(path for path in (data / "landing").rglob("*") if path.is_file())


def test_the_whole_road_goes_from_a_live_erp_to_profiles(shop: str, tmp_path: Path) -> None:
    house = House(tmp_path / "data")
    (house.data / "landing").mkdir(parents=True)
    settings = {"PERENNIAL_ERP_URL": shop, "PERENNIAL_AS_OF": ""}
    house.succeed("run", **settings)
    sales = [sale for sale in tryton.tell(shop)["sales"] if sale[1] in ORDERED - {"cancelled"}]
    bought = {(sale[0], sale[2]) for sale in sales if any(float(line[2]) > 0 for line in sale[6])}
    published = house.query(
        """select split_part(order_id, ':', -1)::int, identifier_value::int
        from marts.customer_orders
        inner join marts.customer_identifiers using (profile_id)
        where identifier_type = 'erp_customer_id' and identifier_value <> '11'"""
    )
    assert set(published) == bought
    landed = _landed(house.data)
    house.succeed("run", **settings)
    assert _landed(house.data) == landed


def test_an_erp_that_does_not_answer_publishes_nothing(tmp_path: Path) -> None:
    house = House(tmp_path / "data")
    (house.data / "landing").mkdir(parents=True)
    done = house.run("run", PERENNIAL_ERP_URL="postgresql://reader:sesame@127.0.0.1:9/erp")
    assert done.returncode == 1
    assert "PERENNIAL_ERP_URL" in done.stderr
    assert "sesame" not in done.stderr
    assert "Traceback" not in done.stderr
    assert not house.published.exists()
