"""Purchases drawn at random as every source would tell them, and what they come to.

`draw` returns raw rows and, computed while they are drawn and not from them, the purchases that
customer_orders has to show.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from json import dumps
from random import Random
from zoneinfo import ZoneInfo

from core_world import AS_OF, LOADED_AT, TIMEZONE, Row

STORES = {"S1": "Europe/Lisbon", "S2": "Europe/Bucharest", "S3": "America/New_York"}
CENT = Decimal("0.01")
DAY = timedelta(days=1)


@dataclass
class Purchase:
    """One purchase as customer_orders has to show it."""

    person: int | None
    source: str
    channel: str
    purchased_on: date
    gross: Decimal
    discount: Decimal
    currency: str
    refunded: Decimal = Decimal(0)


@dataclass
class Shopping:
    """Raw rows by table, and the purchases behind them by order_id."""

    raw: dict[str, list[Row]] = field(default_factory=dict)
    purchases: dict[str, Purchase] = field(default_factory=dict)

    def land(self, table: str, **row: object) -> None:
        """Add a row to what has landed."""
        rows = self.raw.setdefault(table, [])
        rows.append(
            {
                **row,
                "_landed_file": f"{table}/{len(rows) // 50:04}.csv",
                "_line": len(rows) % 50,
                "_loaded_at": LOADED_AT,
                "_is_deleted": False,
            }
        )

    def event(self, number: str, name: str, at: datetime, person: int, properties: Row) -> None:
        """Add an event of the web or the app, some of them twice."""
        source = "app_events" if person % 3 == 0 else "web_events"
        for received in range(1 + len(number) % 2):
            self.land(
                source,
                type="track",
                messageId=f"{name} {number}",
                event=name,
                timestamp=at,
                receivedAt=at + timedelta(seconds=received),
                anonymousId=f"anonymous-{person}",
                userId=f"user-{person}",
                properties=dumps(properties, default=float),
            )


def draw(people: int, *, seed: int) -> Shopping:
    """Draw shopping of two years up to some weeks after as_of, which nobody may see."""
    random, shopping = Random(seed), Shopping()
    for store, zone in STORES.items():
        shopping.land("pos_stores", store_id=store, country="RO", timezone=zone)
    for person in range(1, people + 1):
        _register(shopping, person)
        for number in range(random.randint(0, 9)):
            at = AS_OF - timedelta(minutes=random.randint(-30_000, 900_000))
            make = random.choice((_receipt, _receipt, _erp_order, _web_order))
            make(shopping, random, person, f"{person}-{number}", at)
    return shopping


def _register(shopping: Shopping, person: int) -> None:
    registered = AS_OF - 900 * DAY
    shopping.land(
        "erp_customers",
        customer_id=f"customer-{person}",
        web_user_id=f"user-{person}",
        loyalty_id=f"card-{person}",
        email=f"person{person}@shop.example.org",
        created_at=registered,
        updated_at=registered,
    )


def _lines(random: Random) -> list[tuple[int, Decimal, Decimal]]:
    """Quantity, amount after discount, discount."""
    drawn = []
    for _ in range(random.randint(1, 4)):
        quantity = random.randint(1, 3)
        gross = quantity * random.randint(50, 9_000) * CENT
        discount = (gross * random.choice((0, 0, 10, 25)) / 100).quantize(CENT)
        drawn.append((quantity, gross - discount, discount))
    return drawn


def _sum(lines: list[tuple[int, Decimal, Decimal]], part: int) -> Decimal:
    return sum((Decimal(line[part]) for line in lines), Decimal(0))


def _wall(at: datetime, zone: str, *, offset: bool) -> str:
    local = at.astimezone(ZoneInfo(zone))
    return local.isoformat() if offset else local.replace(tzinfo=None).isoformat()


def _is_unambiguous(at: datetime, zone: str) -> bool:
    local = at.astimezone(ZoneInfo(zone))
    return local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset()


def _receipt(shopping: Shopping, random: Random, person: int, number: str, at: datetime) -> None:
    store = random.choice(list(STORES))
    offset = random.random() < 0.5 or not _is_unambiguous(at, STORES[store])
    card = f"card-{person}" if random.random() < 0.8 else None
    currency = random.choice(("EUR", "RON", "HUF"))
    lines = _lines(random)
    for line_no, (quantity, amount, discount) in enumerate(lines, start=1):
        for _ in range(random.choice((1, 1, 2))):
            shopping.land(
                "pos_receipt_lines",
                receipt_id=f"R{number}",
                store_id=store,
                sold_at=_wall(at, STORES[store], offset=offset),
                line_no=line_no,
                product_id="P",
                quantity=Decimal(quantity),
                line_amount=amount,
                discount_amount=discount or None,
                currency=currency,
                loyalty_id=card,
            )
    if at > AS_OF:
        return
    local = at.astimezone(ZoneInfo(STORES[store])).date()
    bought = Purchase(
        person if card else None,
        "pos",
        "store",
        local,
        _sum(lines, 1) + _sum(lines, 2),
        _sum(lines, 2),
        currency,
    )
    shopping.purchases[f"R{number}"] = bought
    if random.random() < 0.3:
        back_at = at + random.randint(1, 40) * DAY
        shopping.land(
            "pos_receipt_lines",
            receipt_id=f"B{number}",
            store_id=store,
            sold_at=_wall(back_at, STORES[store], offset=True),
            line_no=1,
            product_id="P",
            quantity=Decimal(-1),
            line_amount=-lines[0][1],
            currency=currency,
            original_receipt_id=f"R{number}" if random.random() < 0.8 else None,
        )
        named = shopping.raw["pos_receipt_lines"][-1]["original_receipt_id"] is not None
        if named and back_at <= AS_OF:
            bought.refunded += lines[0][1]


def _erp_order(shopping: Shopping, random: Random, person: int, number: str, at: datetime) -> None:
    lines, shipping = _lines(random), random.choice((Decimal(0), Decimal("4.90")))
    on_order = random.choice((Decimal(0), Decimal(0), (_sum(lines, 1) / 10).quantize(CENT)))
    net = _sum(lines, 1) - on_order
    channel = random.choice(("web", "app", "phone", "store"))
    status = random.choice(("pending", "shipped", "delivered", "delivered", "cancelled"))
    online = channel in ("web", "app")
    order: Row = {
        "order_id": f"E{number}",
        "customer_id": f"customer-{person}",
        "ordered_at": at,
        "channel": channel,
        "currency": "EUR",
        "total_amount": net + shipping,
        "discount_amount": on_order or None,
        "shipping_amount": shipping,
        "web_order_id": f"W{number}" if online else None,
    }
    versions = [("pending", at), (status, at + DAY)]
    for version, updated_at in random.sample(versions, 2):
        shopping.land("erp_orders", **order, status=version, updated_at=updated_at)
    for line_no, (quantity, amount, discount) in enumerate(lines, start=1):
        shopping.land(
            "erp_order_lines",
            order_id=f"E{number}",
            line_no=line_no,
            product_id="P",
            quantity=Decimal(quantity),
            line_amount=amount,
            discount_amount=discount,
        )
    if online:
        _completed(shopping, person, number, at, lines, net, shipping)
    if at > AS_OF or (status == "cancelled" and at + DAY <= AS_OF):
        return
    discount = _sum(lines, 2) + on_order
    bought = Purchase(person, "erp", channel, _business_day(at), net + discount, discount, "EUR")
    shopping.purchases[f"E{number}"] = bought
    if random.random() < 0.4:
        back_at = at + random.randint(1, 40) * DAY
        shopping.land(
            "erp_returns",
            return_id=f"T{number}",
            order_id=f"E{number}",
            quantity=Decimal(1),
            refund_amount=lines[0][1],
            currency="EUR",
            returned_at=back_at,
        )
        if online:  # the site tells it too
            shopping.event(
                number,
                "Order Refunded",
                back_at,
                person,
                {"order_id": f"W{number}", "total": lines[0][1], "currency": "EUR"},
            )
        if back_at <= AS_OF:
            bought.refunded += lines[0][1]


def _completed(
    shopping: Shopping,
    person: int,
    number: str,
    at: datetime,
    lines: list[tuple[int, Decimal, Decimal]],
    net: Decimal,
    shipping: Decimal,
) -> None:
    products = [
        {"product_id": "P", "quantity": quantity, "price": str((amount + discount) / quantity)}
        for quantity, amount, discount in lines
    ]
    gross = _sum(lines, 1) + _sum(lines, 2)
    order = {
        "order_id": f"W{number}",
        "total": str(net + shipping),
        "shipping": shipping,
        "discount": str(gross - net),
        "currency": "EUR",
        "products": products,
    }
    shopping.event(number, "Order Completed", at, person, order)
    if len(number) % 3 == 0:  # the page is loaded again
        shopping.event(number + "!", "Order Completed", at + timedelta(hours=1), person, order)


def _web_order(shopping: Shopping, random: Random, person: int, number: str, at: datetime) -> None:
    lines, shipping = _lines(random), random.choice((Decimal(0), Decimal("4.90")))
    net = _sum(lines, 1)
    _completed(shopping, person, number, at, lines, net, shipping)
    if at > AS_OF:
        return
    source = "app" if person % 3 == 0 else "web"
    discount = _sum(lines, 2)
    bought = Purchase(person, source, source, _business_day(at), net + discount, discount, "EUR")
    shopping.purchases[f"W{number}"] = bought
    if random.random() < 0.4:
        back_at, whole = at + random.randint(1, 40) * DAY, random.random() < 0.5
        refund = {} if whole else {"total": lines[0][1], "currency": "EUR"}
        shopping.event(
            number, "Order Refunded", back_at, person, {"order_id": f"W{number}", **refund}
        )
        if back_at <= AS_OF:
            bought.refunded += net if whole else lines[0][1]


def _business_day(at: datetime) -> date:
    return at.astimezone(ZoneInfo(TIMEZONE)).date()


def later(rows: list[Row], random: Random) -> list[Row]:
    """The same rows as another loader would have them: in another order, loaded at other times."""
    shuffled = [
        {**row, "_loaded_at": datetime(2026, 5, 1, tzinfo=UTC) + random.randint(0, 99) * DAY}
        for row in rows
    ]
    random.shuffle(shuffled)
    return shuffled
