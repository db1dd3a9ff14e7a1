"""What a shop on Odoo has, told row by row from its own records: for comparison with raw."""

from datetime import datetime, time
from decimal import Decimal
from typing import Any

from odoo import Odoo, Row
from odoo_shop import CUSTOMERS, rounded

D = Decimal
Rows = dict[tuple[Any, ...], tuple[Any, ...]]
ORDERED = {"sale", "done", "cancel"}
PAID = {"paid", "done", "invoiced"}


def _name(translations: dict[str, str] | None) -> str | None:
    if not translations:
        return None
    return translations.get("en_US") or min(translations.values())


def _code(odoo: Odoo, product: int | None) -> str | None:
    if product is None:
        return None
    written = (odoo.get("product_product", product)["default_code"] or "").strip()
    return written or str(product)


def _who(odoo: Odoo, partner: int | None) -> str | None:
    row = odoo.get("res_partner", partner)
    if not row:
        return None
    is_address = row["parent_id"] and row["type"] != "contact"
    return str(row["parent_id"] if is_address else row["id"])


def _card(odoo: Odoo, partner: int | None) -> str | None:
    cards = odoo.where("loyalty_card", partner_id=partner, program_id=1)
    return cards[0]["code"] if partner and cards else None


def _text(value: str | None) -> str | None:
    return (value or "").strip() or None


def customers(odoo: Odoo) -> Rows:
    """Every partner but the house, its staff, those it buys from, and mere addresses."""
    own = {1, 2, 16, *(row["partner_id"] for row in odoo.all("stock_warehouse"))}
    buyers = {row["partner_id"] for row in odoo.all("sale_order") + odoo.all("pos_order")}
    staff = {row["partner_id"] for row in odoo.where("res_users", share=False)}
    refused = {row["email"] for row in odoo.where("mail_blacklist", active=True)}
    silent = {row["number"] for row in odoo.where("phone_blacklist", active=True)}
    told = {}
    for row in odoo.all("res_partner"):
        key = row["id"]
        is_stranger = key in staff or row["supplier_rank"]
        if key in own or (row["parent_id"] and row["type"] != "contact"):
            continue
        if is_stranger and key not in buyers and not row["customer_rank"]:
            continue
        given, _, family = row["name"].partition(" ")
        if row["is_company"]:
            given, family = "", row["name"]
        email = row["email_normalized"] or row["email"]
        street = ", ".join(filter(None, [row["street"], row["street2"]]))
        number = None if row["parent_id"] else _text((row["vat"] or "").replace("/", ""))
        country = odoo.get("res_country", row["country_id"])["code"]
        told[(str(key),)] = (
            given or None,
            family or None,
            number,
            email,
            _text(row["mobile"]) or _text(row["phone"]),
            street or None,
            row["city"],
            row["zip"],
            country,
            _card(odoo, key),
            row["active"],
            False if email and email.lower() in refused else None,
            False if row["phone_sanitized"] in silent else None,
        )
    return told


def products(odoo: Odoo) -> Rows:
    """Every product; of a number that was given twice, the product in use."""
    told = {}
    for row in sorted(odoo.all("product_product"), key=lambda row: (row["active"], -row["id"])):
        template = odoo.get("product_template", row["product_tmpl_id"])
        price = template["list_price"] + (D("2.40") if row["id"] == 2 else 0)
        told[(_code(odoo, row["id"]),)] = (
            _name(template["name"]),
            odoo.get("product_category", template["categ_id"])["complete_name"],
            price if price >= 0 else None,
            "JPY" if template["company_id"] == 2 else "EUR",
        )
    return told


def _lines(odoo: Odoo, sale: Row) -> list[Row]:
    return [
        line
        for line in odoo.where("sale_order_line", order_id=sale["id"])
        if not line["display_type"] and not line["is_downpayment"]
    ]


def _orders(odoo: Odoo) -> list[Row]:
    return [
        sale
        for sale in odoo.all("sale_order")
        if sale["state"] in ORDERED
        and any(
            line["product_uom_qty"] > 0 and not line["is_delivery"] for line in _lines(odoo, sale)
        )
    ]


def _progress(odoo: Odoo, sale: Row) -> tuple[str, datetime | None]:
    if sale["state"] == "cancel":
        return "cancelled", None
    transfers = [
        row
        for row in odoo.where("stock_picking", sale_id=sale["id"])
        if row["location_id"] != CUSTOMERS
    ]
    left = [
        row["date_done"]
        for row in transfers
        if row["state"] == "done" and row["location_dest_id"] == CUSTOMERS
    ]
    waits = any(row["state"] not in {"done", "cancel"} for row in transfers)
    if left:
        return ("shipped", None) if waits else ("delivered", max(left))
    if waits:
        return "confirmed", None
    if not transfers and (sale["locked"] or sale["state"] == "done"):
        return "delivered", None
    goods = [line for line in _lines(odoo, sale) if _is_goods(odoo, line["product_id"])]
    if all(line["qty_delivered"] >= line["product_uom_qty"] for line in goods):
        return "delivered", None
    return ("shipped" if any(line["qty_delivered"] for line in goods) else "confirmed"), None


def _is_goods(odoo: Odoo, product: int) -> bool:
    template = odoo.get("product_product", product)["product_tmpl_id"]
    return odoo.get("product_template", template)["type"] != "service"


def orders(odoo: Odoo) -> Rows:
    """Every sale that was confirmed and sells something."""
    told = {}
    for sale in _orders(odoo):
        status, delivered_at = _progress(odoo, sale)
        shipping = [line["price_total"] for line in _lines(odoo, sale) if line["is_delivery"]]
        name = sale["name"] if sale["website_id"] else None
        reference = sale["client_order_ref"] or sale["origin"] or name
        told[(str(sale["id"]),)] = (
            _who(odoo, sale["partner_id"]),
            sale["date_order"],
            "web" if reference else "phone",
            status,
            odoo.get("res_currency", sale["currency_id"] or 1)["name"],
            sale["amount_total"],
            sum(shipping, D(0)),
            odoo.get("loyalty_rule", 1)["code"] if sale["id"] == 8 else None,
            reference,
            sale["commitment_date"],
            delivered_at,
        )
    return told


def order_lines(odoo: Odoo) -> Rows:
    """Every line of such a sale that is goods or a service, with taxes."""
    told = {}
    for sale in _orders(odoo):
        currency = sale["currency_id"] or 1
        for line in _lines(odoo, sale):
            if line["is_delivery"]:
                continue
            full = line["product_uom_qty"] * line["price_unit"]
            # Of what is given away nothing is left that shows the taxes.
            full *= D("1.19") if line["discount"] < 100 else 1
            discount = rounded(odoo, full, currency) - line["price_total"]
            quantity = abs(line["product_uom_qty"])
            told[(str(sale["id"]), line["id"])] = (
                _code(odoo, line["product_id"]),
                quantity,
                round((line["price_total"] + discount) / quantity, 4),
                discount,
                line["price_total"],
            )
    return told


def returns(odoo: Odoo) -> Rows:
    """The lines of credit notes: what they keep (4.77 of the first) is taken off in proportion."""
    by_line = {
        row["invoice_line_id"]: odoo.get("sale_order_line", row["order_line_id"])
        for row in odoo.all("sale_order_line_invoice_rel")
    }
    tills = {row["account_move"] for row in odoo.all("pos_order")}
    told = {}
    for move in odoo.where("account_move", move_type="out_refund", state="posted"):
        if move["id"] in tills:
            continue
        lines = [
            line
            for line in odoo.where("account_move_line", move_id=move["id"], display_type="product")
            if not line["is_downpayment"]
            and not by_line.get(line["id"], {}).get("is_delivery")
            and by_line.get(line["id"], {}).get("id") not in _exchanged(odoo)
        ]
        given = [line for line in lines if line["price_total"] >= 0]
        kept = -sum(line["price_total"] for line in lines if line["price_total"] < 0)
        amounts = _less(odoo, [line["price_total"] for line in given], D(kept), move["currency_id"])
        for line, amount in zip(given, amounts, strict=True):
            origin = by_line.get(line["id"], {}).get("order_id")
            told[(str(line["id"]),)] = (
                str(origin or (4 if move["reversed_entry_id"] == 1 else "")) or None,
                _code(odoo, line["product_id"]),
                line["quantity"],
                amount,
                odoo.get("res_currency", move["currency_id"])["name"],
                _at(move),
                _text(move["ref"]),
            )
    return told


def _exchanged(odoo: Odoo) -> set[int]:
    return {
        line["id"]
        for sale in _orders(odoo)
        for line in _lines(odoo, sale)
        if line["product_uom_qty"] < 0
    }


def _at(move: Row) -> datetime:
    created: datetime = move["create_date"]
    if move["invoice_date"] == created.date():
        return created
    return datetime.combine(move["invoice_date"], time(12))


def _less(odoo: Odoo, amounts: list[Decimal], kept: Decimal, currency: int) -> list[Decimal]:
    """The amounts less `kept` in proportion, the rounding carried from one to the next."""
    total, done, taken, left = sum(amounts), D(0), D(0), []
    for amount in amounts:
        done += amount
        share = rounded(odoo, min(kept, total) * done / total, currency) - taken if total else D(0)
        taken += share
        left.append(amount - share)
    return left


def tickets(odoo: Odoo) -> Rows:
    """Every ticket."""
    told = {}
    for row in odoo.all("helpdesk_ticket"):
        stage = odoo.get("helpdesk_stage", row["stage_id"])
        is_over = stage["fold"] or not row["active"]
        subject = odoo.get("helpdesk_ticket_type", row["ticket_type_id"])
        told[(str(row["id"]),)] = (
            _who(odoo, row["partner_id"]),
            row["create_date"],
            row["close_date"] or (row["write_date"] if is_over else None),
            _name(subject.get("name")),
            _name(stage["name"]),
        )
    return told


def stores(odoo: Odoo) -> Rows:
    """Both tills, at the warehouse's address while it has one of its own."""
    address = odoo.get("res_partner", odoo.get("stock_warehouse", 1)["partner_id"])
    country = odoo.get("res_country", address["country_id"])["code"]
    place = [float(address[f"partner_{way}"] or 0) or None for way in ("latitude", "longitude")]
    return {
        (str(row["id"]),): (row["name"], address["city"], country, address["tz"], *place)
        for row in odoo.all("pos_config")
    }


def receipt_lines(odoo: Odoo) -> Rows:
    """Every line that a till sold or took back, rebates taken off."""
    told = {}
    for receipt in odoo.all("pos_order"):
        if receipt["state"] not in PAID:
            continue
        lines = [
            line
            for line in odoo.where("pos_order_line", order_id=receipt["id"])
            if line["qty"] and (not line["sale_order_origin_id"] or line["refunded_orderline_id"])
        ]
        for way in (1, -1):
            told |= _way(odoo, receipt, [line for line in lines if line["qty"] * way > 0], way)
    return told


def _way(odoo: Odoo, receipt: Row, lines: list[Row], way: int) -> Rows:
    """What a receipt sells, or what it takes back."""
    till = odoo.get("pos_session", receipt["session_id"])["config_id"]
    currency = {1: 1, 2: 2}[till]
    exact = [way * rounded(odoo, line["price_subtotal_incl"], currency) for line in lines]
    goods = [(line, amount) for line, amount in zip(lines, exact, strict=True) if amount >= 0]
    rebate = -sum((amount for amount in exact if amount < 0), D(0))
    left = _less(odoo, [amount for _, amount in goods], rebate, currency)
    partner = odoo.get("res_partner", receipt["partner_id"])
    told = {}
    for (line, amount), net in zip(goods, left, strict=True):
        listed = rounded(odoo, abs(line["qty"] * line["price_unit"]), currency)
        own = listed - amount if line["discount"] else D(0)
        product = odoo.get("product_product", line["product_id"])
        template = odoo.get("product_template", product["product_tmpl_id"])
        told[f"pos.order,{receipt['id']}", line["id"]] = (
            str(till),
            str(till),
            receipt["date_order"].isoformat(timespec="microseconds") + "Z",
            _code(odoo, product["id"]),
            line["full_product_name"] or _name(template["name"]),
            odoo.get("product_category", template["categ_id"])["complete_name"],
            line["qty"],
            round((amount + own) / abs(line["qty"]), 4),
            way * (own + amount - net),
            way * net,
            odoo.get("res_currency", currency)["name"],
            _card(odoo, receipt["partner_id"]),
            receipt.get("email") or partner.get("email"),
            receipt.get("mobile") or partner.get("mobile") or partner.get("phone"),
            _undone(odoo, line),
        )
    return told


def _undone(odoo: Odoo, line: Row) -> str | None:
    origin = odoo.get("pos_order_line", line["refunded_orderline_id"])
    if not origin:
        return None
    sale = origin["sale_order_origin_id"]
    return str(sale) if sale else f"pos.order,{origin['order_id']}"
