"""What sources/README.md says of vendors' exports is so: its sections load files in their columns.

The files are made up; the columns are the vendors'.
"""

import re
from pathlib import Path

import duckdb
import pytest
from landed import EVENT, TABLES, World

from sources import tables
from sources.loader.formats import read_formats

README = Path(__file__).parents[2] / "sources" / "README.md"
BLOCKS = re.findall(r"```(toml|sql)\n(.*?)```", README.read_text(), re.DOTALL)
TOML = [text for kind, text in BLOCKS if kind == "toml"]
SQL = [text for kind, text in BLOCKS if kind == "sql"]

TILL = (
    "Bon-Nr;store_id;sold_at;line_no;product_id;quantity;Betrag\r\n"
    "r1;s1;2024-05-01T10:00;1;Käse;1;1.234,50\r\n"
).encode("cp1252")
SHOPIFY_CUSTOMERS = (
    "Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Default Address Company,"
    "Default Address Address1,Default Address Address2,Default Address City,"
    "Default Address Province Code,Default Address Country Code,Default Address Zip,"
    "Default Address Phone,Phone,Accepts SMS Marketing,Total Spent,Total Orders,Note,Tax Exempt,"
    "Tags\n'71,Ada,Example,ada@shop.example,yes,,Street 1,,Lisbon,,PT,'1000,,'+351900000001,no,"
    '10.00,1,"two\nlines",no,"a, b"\n'
)
SHOPIFY_ORDERS = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Currency,Subtotal,"
    "Shipping,Taxes,Total,Discount Code,Discount Amount,Created at,Lineitem quantity,"
    "Lineitem name,Lineitem price,Lineitem sku,Cancelled at,Refunded Amount,Id,Source,"
    "Lineitem discount\n"
    "#1001,Ada@shop.example,paid,2024-05-01 10:00:00 +0200,fulfilled,,EUR,30.00,5.00,0,35.00,TEN,"
    "3.00,2024-05-01 09:59:00 +0200,2,Tea,15.00,T-1,,0.00,555,web,3.00\n"
    "#1001,Ada@shop.example,,,,,,,,,,,,2024-05-01 09:59:00 +0200,1,Cup,5.00,,,,,,0.00\n"
    "#1002,guest@shop.example,pending,,,,EUR,5.00,0,0,5.00,,0,2024-05-02 10:00:00 +0200,1,Cup,"
    "5.00,,2024-05-03 10:00:00 +0200,0,556,pos,0\n"
)
SQUARE_ITEMS = (
    "Date,Time,Time Zone,Category,Item,Qty,Price Point Name,SKU,Modifiers Applied,Gross Sales,"
    "Discounts,Net Sales,Tax,Transaction ID,Payment ID,Device Name,Notes,Details,Event Type,"
    "Location,Dining Option,Customer ID,Customer Name,Customer Reference ID,Unit,Count,GTIN,"
    "Itemization Type,Commission,Employee\n"
    '2024-05-01,12:59:30,Eastern Time (US & Canada),Tea,Assam,2.0,,SKU1,,"$1,010.00",-$10.00,'
    '"$1,000.00",$0.00,T1,P1,Till 1,,,Payment,Main St,,C1,,,ea,2,,Physical Good,,\n'
    "2024-05-01,12:59:30,Eastern Time (US & Canada),Tea,Cup,1.0,,,,$5.00,$0.00,$5.00,$0.00,T1,P1,"
    "Till 1,,,Payment,Main St,,C1,,,ea,1,,Physical Good,,\n"
    "2024-05-02,09:00:00,Eastern Time (US & Canada),Tea,Cup,-1.0,,,,-$5.00,$0.00,-$5.00,$0.00,T2,"
    "P2,Till 1,,,Refund,Main St,,C1,,,ea,-1,,Physical Good,,\n"
)
SQUARE_CUSTOMERS = (
    "Reference ID,First Name,Last Name,Email Address,Phone Number,Street Address 1,City,"
    "Postal Code,Square Customer ID,Email Subscription Status\n"
    ",Ada,Example,ada@shop.example,+15550001,Street 1,Springfield,00001,C1,Subscribed\n"
    ",Bo,Example,bo@shop.example,,,,,C2,unsubscribed\n,Cy,Example,,,,,,C3,unknown\n"
)
X_CUSTOMERS = (
    '{"id":"c1","customer_code":"ADA-1","first_name":"Ada","last_name":"Example","email":"a@b.c",'
    '"mobile":"+64","date_of_birth":"1980-01-02","physical_address_1":"1","physical_city":"W",'
    '"physical_postcode":"0001","physical_country_id":"NZ","do_not_email":true,'
    '"created_at":"2024-05-01T10:00:00+00:00","updated_at":"2024-05-01T10:00:00+00:00"}\n'
)
X_SALES = (
    '{"id":"x1","outlet_id":"o1","register_id":"g1","customer_id":"c1","status":"CLOSED",'
    '"sale_date":"2024-05-01T10:00:00+00:00","return_for":null,"line_items":['
    '{"id":"l1","product_id":"p1","quantity":2,"price":1.5,"tax":0.2},'
    '{"id":"l2","product_id":"p2","quantity":-1,"price":4}]}\n'
    '{"id":"x2","outlet_id":"o1","register_id":"g1","customer_id":"c1","status":"VOIDED",'
    '"sale_date":"2024-05-01T10:00:00+00:00","line_items":[]}\n'
)
R_SALES = (
    '{"saleID":"1","timeStamp":"2024-05-01T10:00:00+00:00","completed":"true","voided":"false",'
    '"shopID":"1","registerID":"2","customerID":"0","SaleLines":{"SaleLine":{"saleLineID":"11",'
    '"itemID":"i1","unitQuantity":"2","unitPrice":"1.50","calcTotal":"3"}}}\n'
    '{"saleID":"2","timeStamp":"2024-05-01T10:00:00+00:00","completed":"true","voided":"false",'
    '"shopID":"1","registerID":"2","customerID":"7","SaleLines":{"SaleLine":['
    '{"saleLineID":"21","itemID":"i1","unitQuantity":"1","unitPrice":"1","calcTotal":"1"},'
    '{"saleLineID":"22","itemID":"i2","unitQuantity":"1","unitPrice":"2","calcTotal":"2"}]}}\n'
    '{"saleID":"3","timeStamp":"2024-05-01T10:00:00+00:00","completed":"false","shopID":"1",'
    '"registerID":"2","customerID":"7"}\n'
)

# One for each toml block of the page: table, file, content, and columns with what they are to be.
DECLARED = [
    ("pos_receipt_lines", "a.csv", TILL, "receipt_id, product_id, line_amount::float, currency",
     [("r1", "Käse", 1234.5, "EUR")]),
    ("app_events", "1704067200.gz", f"{EVENT}\n", "event", [("Product Viewed",)]),
    ("web_events", "1704.s1.abc.json.gz", f"{EVENT}\n", "event", [("Product Viewed",)]),
    ("erp_customers", "customers_export.csv", SHOPIFY_CUSTOMERS,
     "customer_id, email, country, email_marketing, sms_marketing",
     [("'71", "ada@shop.example", "PT", True, False)]),
    ("pos_members", "customers.csv", SQUARE_CUSTOMERS, "loyalty_id, city, email_marketing",
     [("C1", "Springfield", True), ("C2", None, False), ("C3", None, None)]),
    ("pos_members", "a.ndjson", X_CUSTOMERS, "loyalty_id, birth_date::varchar, email_marketing",
     [("c1", "1980-01-02", False)]),
]  # fmt: skip

# One for each sql block: the exports it reads, the tables it makes, what their rows are to be.
STATEMENTS = [
    (
        {"orders_export.csv": SHOPIFY_ORDERS, "customers_export.csv": SHOPIFY_CUSTOMERS},
        {
            "erp_orders": (
                "order_id, customer_id, ordered_at::varchar, channel, status, total_amount::float",
                [
                    ("#1001", "'71", "2024-05-01 07:59:00+00", "web", "shipped", 35.0),
                    ("#1002", None, "2024-05-02 08:00:00+00", "store", "cancelled", 5.0),
                ],
            ),
            "erp_order_lines": (
                "order_id, line_no, product_id, line_amount::float",
                [("#1001", 1, "T-1", 27.0), ("#1001", 2, "Cup", 5.0), ("#1002", 1, "Cup", 5.0)],
            ),
        },
    ),
    (
        {"items.csv": SQUARE_ITEMS},
        {
            "pos_receipt_lines": (
                "receipt_id, line_no, product_id, quantity::int, line_amount::float, "
                "discount_amount::float, loyalty_id",
                [
                    ("T1", 1, "SKU1", 2, 1000.0, 10.0, "C1"),
                    ("T1", 2, "Cup", 1, 5.0, 0.0, "C1"),
                    ("T2", 1, "Cup", -1, -5.0, 0.0, "C1"),
                ],
            )
        },
    ),
    (
        {"sales_x.ndjson": X_SALES},
        {
            "pos_receipt_lines": (
                "receipt_id, line_no, product_id, line_amount::float, loyalty_id",
                [("x1", 1, "p1", 3.0, "c1"), ("x1", 2, "p2", -4.0, "c1")],
            )
        },
    ),
    (
        {"sales_r.ndjson": R_SALES},
        {
            "pos_receipt_lines": (
                "receipt_id, line_no, product_id, line_amount::float, loyalty_id",
                [("1", 11, "i1", 3.0, None), ("2", 21, "i1", 1.0, "7"), ("2", 22, "i2", 2.0, "7")],
            )
        },
    ),
]


@pytest.mark.parametrize(
    ("block", "case"),
    list(zip(TOML, DECLARED, strict=True)),
    ids=[f"{case[0]} {case[1]}" for case in DECLARED],
)
def test_each_section_of_the_page_loads_its_vendors_export(
    world: World, block: str, case: tuple[str, str, bytes | str, str, list[tuple[object, ...]]]
) -> None:
    name, file, content, columns, expected = case
    path = world.data / "formats.toml"
    path.write_text(block)
    assert name in read_formats(path, tables())
    world.land(TABLES[name], file, content)
    world.load(TABLES[name])
    assert world.quarantine(TABLES[name], "line, rule, message, row") == []
    assert world.raw(TABLES[name], columns) == expected


@pytest.mark.parametrize(("block", "case"), list(zip(SQL, STATEMENTS, strict=True)))
def test_each_statement_of_the_page_makes_tables_that_load(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    block: str,
    case: tuple[dict[str, str], dict[str, tuple[str, list[tuple[object, ...]]]]],
) -> None:
    exports, made = case
    (world.data / "exports").mkdir()
    for file, content in exports.items():
        (world.data / "exports" / file).write_text(content)
    for name in made:
        world.land(TABLES[name], "placeholder.tmp", b"")
    monkeypatch.chdir(world.data)
    with duckdb.connect() as connection:
        connection.execute(block)
    for part in (world.data / "landing").rglob("*.part"):
        part.rename(part.with_suffix(""))
    for name, (columns, expected) in made.items():
        world.load(TABLES[name])
        assert world.quarantine(TABLES[name], "line, rule, message, row") == []
        found = world.raw(TABLES[name], columns)
        assert sorted(found, key=str) == sorted(expected, key=str)
