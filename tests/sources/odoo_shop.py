"""A retailer who runs on Odoo: people, products, sales, credit notes, tills, tickets."""

from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from odoo import Odoo

D = Decimal
TAX = D("1.19")
# Rows that others refer to; an id is what `add` gives.
EUR, JPY = 1, 2
HOUSE, BRANCH = 1, 2  # companies
STOCK, OUTPUT, CUSTOMERS = 1, 2, 3  # locations
OUT, PICK, BACK = 1, 2, 3  # kinds of transfers


def fill(odoo: Odoo) -> None:
    """Let the retailer trade for some weeks."""
    _house(odoo)
    _people(odoo)
    _products(odoo)
    _sales(odoo)
    _odd_sales(odoo)
    _credit_notes(odoo)
    _tills(odoo)
    _tickets(odoo)


def change(odoo: Odoo) -> None:
    """Go on trading: edits, a merge, a delivery, a confirmation, deletions."""
    odoo.now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    odoo.write("res_partner", 3, name="Ana Ionescu-Pop", street="Strada Lungă 8")
    odoo.write("product_template", 1, name={"en_US": "Mug", "ro_RO": "Cană"}, list_price=D("13.5"))
    odoo.write("product_category", 3, complete_name="All / Kitchen / Teas")
    odoo.write("mail_blacklist", 2, active=True)
    odoo.write("loyalty_card", 1, code="0441-new")
    for key in (6, 7):  # what was still to leave
        odoo.write("stock_picking", key, state="done", date_done=odoo.now)
    odoo.write("sale_order", 2, state="sale", date_order=odoo.now)
    _merge(odoo, gone=11, stays=3)
    _merge(odoo, gone=4, stays=18)  # with an address that it delivers to
    odoo.write("pos_order_line", 3, price_subtotal_incl=D("-2"))
    odoo.write("helpdesk_ticket", 1, stage_id=2, close_date=odoo.now)
    odoo.write("account_move", 4, state="posted")
    odoo.write("stock_warehouse", 1, partner_id=1)
    odoo.remove("sale_order_line", 4)
    odoo.write("sale_order", 3, amount_total=D("40"))
    odoo.remove("helpdesk_ticket", 3)


def _merge(odoo: Odoo, gone: int, stays: int) -> None:
    """Merge two partners as Odoo's wizard does: foreign keys move past the ORM."""
    for table in ("sale_order", "pos_order", "helpdesk_ticket", "loyalty_card"):
        for row in odoo.where(table, partner_id=gone):
            odoo.touch(table, row["id"], partner_id=stays)
    for row in odoo.where("res_partner", parent_id=gone):
        odoo.touch("res_partner", row["id"], parent_id=stays)
    odoo.write("res_partner", stays, comment="merged")
    odoo.remove("res_partner", gone)


def _house(odoo: Odoo) -> None:
    odoo.add("res_currency", name="EUR", symbol="€", rounding=D("0.01"), decimal_places=2)
    odoo.add("res_currency", name="JPY", symbol="¥", rounding=D(1), decimal_places=0)
    for name, code in (("Romania", "RO"), ("Japan", "JP"), ("Portugal", "PT")):
        odoo.add("res_country", name={"en_US": name}, code=code)
    _partner(odoo, "Casa Bună SRL", is_company=True, city="București", tz="Europe/Bucharest")
    _partner(odoo, "OdooBot", email="odoobot@example.com", active=False)
    odoo.add("res_company", name="Casa Bună", partner_id=1, currency_id=EUR)
    known = {"module": "base", "model": "res.partner"}
    odoo.add("ir_model_data", name="main_partner", res_id=1, **known)
    odoo.add("ir_model_data", name="partner_root", res_id=2, **known)
    odoo.add("ir_model_data", name="nothing", res_id=None, **known)
    odoo.add("ir_model_data", module="shop", name="ana", model="res.partner", res_id=3)


def _partner(odoo: Odoo, name: str | None, **values: Any) -> int:
    values = {"type": "contact", "active": True, "is_company": False, "country_id": 1} | values
    values = {"customer_rank": 0, "supplier_rank": 0, "partner_latitude": D(0)} | values
    email = values.get("email", "")
    if "@" in email and "," not in email:
        values["email_normalized"] = email.split("<")[-1].strip(" >").lower()
    return odoo.add("res_partner", name=name, **{"partner_longitude": D(0)} | values)


def _people(odoo: Odoo) -> None:
    ana = {"street": "Strada Lungă 7", "street2": "ap. 4", "city": "Iași", "zip": "0700001"}
    ana |= {"mobile": "0722 123 456", "phone": "0232 123 456", "customer_rank": 3}
    _partner(odoo, "Ana Ionescu", email="Ana@Example.ro", vat="/", **ana)
    firm = {"is_company": True, "vat": "RO123456", "phone": "021 555 0101", "customer_rank": 1}
    _partner(odoo, "Café Lumea SRL", email="office@lumea.example", **firm)
    _partner(odoo, "Maria Pop", parent_id=4, vat="RO123456", email="maria@lumea.example")
    _partner(odoo, None, parent_id=4, type="delivery", city="Cluj", email="depot@lumea.example")
    _partner(odoo, "Dan Vechi", active=False, phone=" ", customer_rank=1)
    _partner(odoo, "Olga Nu Vrea", email="Olga <Olga@Example.com>", mobile="+40 733 000 111")
    _partner(odoo, "花子", country_id=2, email="a@example.jp, b@example.jp", vat="  ")
    _partner(odoo, "Vera Iar", email="vera@example.pt", country_id=3, phone_sanitized="+351912")
    _partner(odoo, "A. Ionescu", email="ana.i@example.ro")
    _partner(odoo, "Moara SA", is_company=True, supplier_rank=2)
    _partner(odoo, "Lemn SRL", is_company=True, supplier_rank=1, customer_rank=0)
    _partner(odoo, "Ion Casier", email="ion@casabuna.example")
    _partner(odoo, "Lia Cumpără", email="lia@casabuna.example")
    _partner(odoo, "Filiala Tokyo KK", is_company=True, country_id=2)
    depot = {"city": "Braga", "country_id": 3, "partner_latitude": D("41.5454200")}
    _partner(odoo, "Depozit", tz="Europe/Lisbon", partner_longitude=D("-8.4265070"), **depot)
    _partner(odoo, "Lumea Café", is_company=True)
    odoo.add("res_company", name="Filiala", partner_id=16, currency_id=JPY)
    for key, login, share in ((2, "__system__", False), (14, "ion", False), (15, "lia", False)):
        odoo.add("res_users", login=login, partner_id=key, active=True, share=share)
    odoo.add("res_users", login="ana", partner_id=3, active=True, share=True)
    odoo.add("mail_blacklist", email="olga@example.com", active=True)
    odoo.add("mail_blacklist", email="vera@example.pt", active=False)
    odoo.add("phone_blacklist", number="+351912", active=True)
    odoo.add("loyalty_program", name={"en_US": "Points"}, program_type="loyalty")
    odoo.add("loyalty_program", name={"en_US": "Spring"}, program_type="promo_code")
    odoo.add("loyalty_rule", program_id=2, mode="with_code", code="SPRING10")
    for program, partner, code in ((1, 3, "0441-ana"), (2, 4, "coupon"), (1, 3, "0441-two")):
        odoo.add("loyalty_card", program_id=program, partner_id=partner, code=code, active=True)


def _products(odoo: Odoo) -> None:
    odoo.add("product_category", name="All", complete_name="All")
    odoo.add("product_category", name="Kitchen", complete_name="All / Kitchen", parent_id=1)
    odoo.add("product_category", name="Tea", complete_name="All / Kitchen / Tea", parent_id=2)
    cup = _template(odoo, {"ro_RO": "Ceașcă", "en_US": "Cup"}, "12.50", 2)
    tea = _template(odoo, {"ro_RO": "Ceai", "de_DE": "Tee"}, "3.3333", 3)
    tray = _template(odoo, {"en_US": "Tray"}, "20", 2, active=False)
    parcel = _template(odoo, {"en_US": "Delivery"}, "5", 1, type="service")
    wrapping = _template(odoo, {"en_US": "Wrapping"}, "2", 1, type="service")
    voucher = _template(odoo, {"en_US": "-5 off"}, "-5", 1, type="service")
    fan = _template(odoo, {"en_US": "Fan"}, "1800", 2, company_id=BRANCH)
    for template, code, active in (
        (cup, "CUP-W", True),
        (cup, "CUP-R", True),
        (tea, " ", True),
        (tray, "TRY", False),
        (parcel, "SHP", True),
        (wrapping, "GFT", True),
        (voucher, "OFF", True),
        (fan, "FAN", True),
        (fan, "CUP-W", False),  # numbers that were given twice
        (cup, "TRY", True),
    ):
        odoo.add("product_product", product_tmpl_id=template, default_code=code, active=active)
    odoo.add("product_template_attribute_value", price_extra=D("2.40"), ptav_active=True)
    link = {"product_product_id": 2, "product_template_attribute_value_id": 1}
    odoo.add("product_variant_combination", **link)


def _template(odoo: Odoo, name: dict[str, str], price: str, category: int, **values: Any) -> int:
    values = {"type": "consu", "active": True} | values
    return odoo.add("product_template", name=name, list_price=D(price), categ_id=category, **values)


def rounded(odoo: Odoo, amount: Decimal, currency: int) -> Decimal:
    """An amount as Odoo rounds it, half up, to the currency."""
    unit = odoo.get("res_currency", currency)["rounding"]
    return (amount / unit).quantize(D(1), ROUND_HALF_UP) * unit


def _priced(
    odoo: Odoo, currency: int, quantity: str, price: str, discount: str = "0"
) -> dict[str, Decimal]:
    net = D(quantity) * D(price) * (100 - D(discount)) / 100
    return {
        "price_unit": D(price),
        "discount": D(discount),
        "price_subtotal": rounded(odoo, net, currency),
        "price_total": rounded(odoo, net * TAX, currency),
    }


def _sale(odoo: Odoo, partner: int, state: str, *lines: tuple[Any, ...], **values: Any) -> int:
    """Add a sale; a line is product, quantity, price, and what else it says."""
    currency = values.get("currency_id") or EUR
    said = {"company_id": HOUSE, "currency_id": EUR, "locked": False, "date_order": odoo.now}
    name = f"S{len(odoo.all('sale_order')) + 1:05}"
    sale = odoo.add("sale_order", name=name, partner_id=partner, state=state, **said | values)
    total = D(0)
    for product, quantity, price, *more in lines:
        rest = more[0] if more else {}
        amounts = _priced(odoo, currency, quantity, price, rest.get("discount", "0"))
        total += amounts["price_total"]
        line = {"order_id": sale, "product_id": product, "product_uom_qty": D(quantity)}
        line |= {"name": "What was ordered", "qty_delivered": D(0)} | amounts
        odoo.add("sale_order_line", **line | {k: v for k, v in rest.items() if k != "discount"})
    odoo.touch("sale_order", sale, amount_total=total, write_date=odoo.now)
    return sale


def _transfer(odoo: Odoo, sale: int, state: str, kind: int = OUT, days: int = 1) -> None:
    places = {OUT: (STOCK, CUSTOMERS), PICK: (STOCK, OUTPUT), BACK: (CUSTOMERS, STOCK)}[kind]
    done = odoo.now + timedelta(days=days) if state == "done" else None
    where = {"location_id": places[0], "location_dest_id": places[1], "picking_type_id": kind}
    odoo.add("stock_picking", sale_id=sale, state=state, date_done=done, **where)


def _sales(odoo: Odoo) -> None:
    for name, usage in (("Stock", "internal"), ("Output", "internal"), ("Customers", "customer")):
        odoo.add("stock_location", name=name, usage=usage)
    odoo.add("stock_warehouse", name="Depozit", partner_id=17)
    for name, code in (("Out", "outgoing"), ("Pick", "internal"), ("Back", "incoming")):
        odoo.add("stock_picking_type", name={"en_US": name}, code=code, warehouse_id=1)
    parcel = (5, "1", "5", {"is_delivery": True})
    odoo.now = datetime(2026, 1, 10, 23, 45)  # noqa: DTZ001
    _sale(odoo, 3, "draft", (1, "2", "12.50"))
    _sale(odoo, 3, "sent", (1, "1", "12.50"))
    _sale(odoo, 3, "sale", (1, "2", "10"), (2, "1", "14.90"), origin="WEB-3")  # 3
    odd = {"product_id": None, "product_uom_qty": D(0), "display_type": "line_section"}
    section = (None, "0", "0", odd)
    whole = (1, "4", "12.50", {"discount": "10"})
    _sale(odoo, 3, "sale", whole, (3, "0.25", "3.3333"), section, parcel, locked=True)  # 4
    _transfer(odoo, 4, "done", PICK, 1)
    _transfer(odoo, 4, "done", OUT, 2)
    _transfer(odoo, 4, "done", BACK, 9)
    _sale(odoo, 5, "sale", (1, "10", "9.99"), client_order_ref="PO-77", origin="ignored")  # 5
    _transfer(odoo, 5, "done", OUT, 3)
    _transfer(odoo, 5, "cancel", OUT)
    _transfer(odoo, 5, "assigned", OUT)  # picking 6
    _sale(odoo, 6, "sale", (2, "1", "14.90"))  # 6
    _transfer(odoo, 6, "confirmed", PICK)  # picking 7: the parcel isn't made yet
    _sale(odoo, 8, "cancel", (1, "1", "12.50"), locked=True)  # 7
    promised = {"commitment_date": odoo.now + timedelta(days=5), "website_id": 1}
    yen = {"currency_id": JPY, "company_id": BRANCH} | promised
    _sale(odoo, 9, "sale", (8, "3", "1800", {"discount": "12.5"}), **yen)  # 8
    odoo.add("loyalty_rule_sale_order_rel", sale_order_id=8, loyalty_rule_id=1)


def _odd_sales(odoo: Odoo) -> None:
    odoo.now += timedelta(days=3)
    _sale(odoo, 3, "sale", (6, "1", "2"), currency_id=None)  # 9: a service alone
    _sale(odoo, 15, "sale", (1, "2", "12.50"), (1, "-1", "12.50"))  # 10: an exchange
    _sale(odoo, 3, "sale", (1, "-2", "12.50"))  # 11: only back
    _sale(odoo, 3, "done", (4, "1", "20"))  # 12: from an older Odoo
    given = (1, "1", "12.50", {"discount": "100"})
    _sale(odoo, 3, "sale", given, (2, "1", "14.90"), (7, "1", "-5"))  # 13
    _sale(odoo, 11, "sale", (1, "3", "12.50", {"qty_delivered": D(1)}))  # 14
    _sale(odoo, 11, "sale", (1, "1", "12.50", {"qty_delivered": D(1)}))  # 15
    _sale(odoo, 13, "sale", (1, "1", "12.50"), locked=True)  # 16
    _transfer(odoo, 16, "cancel")
    down = {"is_downpayment": True, "product_uom_qty": D(0)}
    _sale(odoo, 3, "sale", (1, "1", "12.50"), (6, "0", "3", down), locked=True)  # 17
    _sale(odoo, 3, "sale", (1, "3", "8"))  # 18: paid at a till
    _transfer(odoo, 4, "assigned", BACK)
    _sale(odoo, 6, "sale", (1, "1", "12.50"))  # 19


def _note(odoo: Odoo, *lines: tuple[Any, ...], **values: Any) -> int:
    """Add a credit note, or what `move_type` says; a line: product, quantity, price, sale line."""
    currency = values.get("currency_id", EUR)
    said = {"move_type": "out_refund", "state": "posted", "currency_id": EUR}
    said |= {"partner_id": 3, "date": odoo.now.date(), "invoice_date": odoo.now.date()}
    move = odoo.add("account_move", **said | values)
    for product, quantity, price, origin, *more in lines:
        rest = {"display_type": "product", **(more[0] if more else {})}
        amounts = _priced(odoo, currency, quantity, price)
        del amounts["discount"]
        line = odoo.add(
            "account_move_line", move_id=move, product_id=product, quantity=D(quantity),
            **amounts, **rest,
        )  # fmt: skip
        if origin:
            odoo.add("sale_order_line_invoice_rel", order_line_id=origin, invoice_line_id=line)
    return move


def _credit_notes(odoo: Odoo) -> None:
    odoo.now = datetime(2026, 2, 1, 8, 0)  # noqa: DTZ001
    lines = {row["order_id"]: row["id"] for row in reversed(odoo.all("sale_order_line"))}
    parcel = odoo.where("sale_order_line", is_delivery=True)[0]["id"]
    _note(odoo, (1, "4", "12.50", lines[4]), move_type="out_invoice")
    fee = (6, "1", "-4.01", None)
    back = ((1, "2", "12.50", lines[4]), (3, "0.25", "3.3333", None), fee)
    tax = (None, "0", "3", None, {"display_type": "tax"})
    _note(odoo, *back, (5, "1", "5", parcel), tax, ref="Broken", reversed_entry_id=1)
    yesterday = date(2026, 1, 31)
    _note(odoo, (1, "1", "12.50", None), reversed_entry_id=1, invoice_date=yesterday)
    _note(odoo, (1, "1", "12.50", lines[5]), state="draft")
    yen = ((8, "1", "1800", lines[8]), (3, "1", "333", None), (6, "1", "-100", None))
    _note(odoo, *yen, currency_id=JPY, ref=" ")
    _note(odoo, (1, "1", "12.50", lines[11]), (None, "1", "3", None))
    exchanged = odoo.where("sale_order_line", order_id=10)[1]["id"]
    _note(odoo, (1, "1", "12.50", exchanged))
    _note(odoo, (6, "1", "3", None, {"is_downpayment": True}))
    _note(odoo, (1, "1", "12.50", None), ref="A till's own")  # 9
    third = (1, "1", "10", None)  # of a fee that three can't share alike
    _note(odoo, third, third, third, (6, "1", "-1", None))


def _receipt(odoo: Odoo, session: int, state: str, *lines: tuple[Any, ...], **values: Any) -> int:
    """Add a receipt; a line is product, quantity, price with taxes, and what else it says."""
    said = {"company_id": HOUSE, "amount_total": D(0), "date_order": odoo.now, "name": "Till"}
    receipt = odoo.add("pos_order", session_id=session, state=state, **said | values)
    for product, quantity, price, *more in lines:
        rest = {"discount": D(0), **(more[0] if more else {})}
        amount = D(quantity) * D(price) * (100 - rest["discount"]) / 100
        line = {"order_id": receipt, "product_id": product, "qty": D(quantity)}
        line |= {"price_unit": D(price), "price_subtotal": amount, "price_subtotal_incl": amount}
        odoo.add("pos_order_line", **line | rest)
    return receipt


def _tills(odoo: Odoo) -> None:
    odoo.now = datetime(2026, 2, 14, 22, 30, 15)  # noqa: DTZ001
    journal = {"code": "POSS", "type": "sale", "company_id": HOUSE, "name": {"en_US": "Till"}}
    odoo.add("account_journal", currency_id=JPY, **journal)
    config = {"company_id": HOUSE, "picking_type_id": OUT, "active": True}
    odoo.add("pos_config", name="Piața Mare", **config)
    odoo.add("pos_config", name="銀座", journal_id=1, **config)
    for till in (1, 2):
        odoo.add("pos_session", name=f"POS/{till}", config_id=till, state="opened")
    noise = {"price_subtotal_incl": D("10.350000000000001")}
    reward = (7, "1", "-5")
    _receipt(odoo, 1, "paid", (1, "2", "12.50"), (3, "0.345", "30", noise), reward, partner_id=3)
    sold = {"refunded_orderline_id": 1, "full_product_name": "Cup (white)"}
    undone = {"refunded_orderline_id": 3}
    back = ((1, "-1", "12.50", sold), (7, "-1", "-2.50", undone))
    _receipt(odoo, 1, "invoiced", *back, partner_id=8, account_move=9)
    yen = ((8, "3", "1999", {"discount": D(10)}), (1, "1", "500", {"discount": D(100)}))
    _receipt(odoo, 2, "done", *yen, (6, "0", "3"), partner_id=11)
    _receipt(odoo, 1, "draft", (1, "1", "12.50"))
    _receipt(odoo, 1, "cancel", (1, "1", "12.50"))
    settles = {"sale_order_origin_id": 18}
    own = {"email": "till@example.ro", "mobile": "+40 722 999 999"}
    _receipt(odoo, 1, "paid", (1, "3", "9.52", settles), (6, "1", "2"), partner_id=3, **own)
    settled = odoo.where("pos_order_line", **settles)[0]["id"]
    _receipt(odoo, 1, "paid", (1, "-1", "9.52", settles | {"refunded_orderline_id": settled}))
    third = (2, "1", "10")  # of a rebate that three can't share alike
    _receipt(odoo, 1, "paid", third, third, third, (7, "1", "-1"), partner_id=9)


def _tickets(odoo: Odoo) -> None:
    odoo.now = datetime(2026, 2, 20, 7, 0)  # noqa: DTZ001
    for name, fold in (({"en_US": "New", "ro_RO": "Nou"}, False), ({"ro_RO": "Gata"}, True)):
        odoo.add("helpdesk_stage", name=name, fold=fold)
    odoo.add("helpdesk_ticket_type", name={"en_US": "Damaged"})
    closed = {"close_date": odoo.now + timedelta(hours=5)}
    for partner, stage, values in (
        (11, 1, {"ticket_type_id": 1}),
        (6, 2, closed),
        (8, 2, {}),
        (None, 1, {"active": False}),
    ):
        said = {"name": "Help", "active": True, "partner_id": partner, "stage_id": stage}
        odoo.add("helpdesk_ticket", **said | values)
