"""People drawn at random with their purchases, visits, messages, positions and birthdays.

`draw` returns raw rows and, kept while they are drawn and not read from them, what each person did.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from json import dumps
from random import Random
from zoneinfo import ZoneInfo

from core_world import AS_OF, LOADED_AT, TIMEZONE, Row

DAY = timedelta(days=1)
# Place, country and time zone; nobody knows where S4 is.
STORES: dict[str, tuple[float | None, float | None, str, str]] = {
    "S1": (44.43, 26.10, "RO", "Europe/Bucharest"),
    "S2": (38.72, -9.14, "PT", "Europe/Lisbon"),
    "S3": (40.71, -74.01, "US", "America/New_York"),
    "S4": (None, None, "RO", "Asia/Kolkata"),
    "S5": (46.77, 23.59, "RO", "Europe/Bucharest"),
    "S6": (-17.0, 179.9, "FJ", "Pacific/Fiji"),
    "S7": (44.43, 26.10, "RO", "Europe/Bucharest"),
}
CLOSED = "S0"
OPENED, CLICKED = Decimal("0.5"), Decimal(1)


@dataclass
class Person:
    """What one person did, and allows."""

    purchases: list[tuple[datetime, str | None]] = field(default_factory=list)
    engaged: list[tuple[datetime, Decimal]] = field(default_factory=list)
    # by channel: whether each message was opened, and clicked
    messages: dict[str, list[tuple[bool, bool]]] = field(default_factory=lambda: defaultdict(list))
    positions: list[tuple[datetime, str, float, float]] = field(default_factory=list)
    location: bool | None = None
    tracking: bool | None = None
    birth_date: date | None = None
    country: str | None = None
    home_stores: list[tuple[datetime, str, str]] = field(default_factory=list)


@dataclass
class World:
    """Raw rows by table, and the people behind them."""

    raw: dict[str, list[Row]] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)

    def land(self, table: str, **row: object) -> None:
        """Add a row to what has landed."""
        rows = self.raw.setdefault(table, [])
        where = {"_landed_file": f"{table}/{len(rows) // 50:04}.csv", "_line": len(rows) % 50}
        rows.append({"_loaded_at": LOADED_AT, "_is_deleted": False, **where, **row})

    def event(self, number: int, name: str, at: datetime, **row: object) -> str:
        """Add an event of a person; a page where it has no name."""
        table = "app_events" if number % 3 == 0 else "web_events"
        message = f"m{len(self.raw.get('web_events', [])) + len(self.raw.get('app_events', []))}"
        self.land(
            table,
            type="track" if name else "page",
            event=name or None,
            messageId=message,
            timestamp=at,
            receivedAt=at,
            userId=f"user-{number}",
            **{key: dumps(value) for key, value in row.items()},
        )
        return message


def draw(people: int, *, seed: int) -> World:
    """Draw people of habits and without."""
    random, world = Random(seed), World()
    for store, (latitude, longitude, country, zone) in STORES.items():
        world.land(
            "pos_stores",
            store_id=store,
            country=country,
            timezone=zone,
            latitude=latitude,
            longitude=longitude,
        )
    for number in range(1, people + 1):
        person = world.people[f"p{number}"] = Person()
        _register(world, random, number, person)
        hour = random.choice((None, None, 0, 9, 17, 23))
        for order in range(random.choice((0, 1, 2, 3, 4, 8, 20))):
            _buy(world, random, number, person, f"{number}-{order}", hour)
        for _ in range(random.choice((0, 2, 10, 40))):
            _visit(world, random, number, person, hour)
        for channel in ("email", "push"):
            if random.random() < 0.6:
                _write(world, random, number, person, channel)
        _decide(world, random, number, person)
    return world


def _some_time(random: Random, zone: str, hour: int | None, days: int) -> datetime:
    """A moment at or before as_of, seldom the last minutes of a day, mostly at the hour."""
    while True:
        day = AS_OF.date() - random.randint(0, days) * DAY
        usual = hour is not None and random.random() < 0.8
        clock = time(hour if usual and hour is not None else random.randint(7, 22))
        clock = clock.replace(minute=random.choice((0, 30, 59)), tzinfo=ZoneInfo(zone))
        at = datetime.combine(day, clock)
        if at <= AS_OF and at.replace(fold=1).utcoffset() == at.utcoffset():
            return at


def _register(world: World, random: Random, number: int, person: Person) -> None:
    births = [date(1990, 3, 30), date(1990, 3, 29), date(1988, 2, 29), date(1990, 3, 31)]
    births += [date(1960, 1, 1) + random.randint(0, 20_000) * DAY, AS_OF.date() + DAY]
    person.birth_date = random.choice(births)
    person.country = random.choice(("RO", "PT", "XX", None))
    for card in range(random.choice((1, 1, 2))):
        home = random.choice((*STORES, CLOSED, None, None))
        changed = AS_OF - random.randint(-3, 300) * DAY
        enrolled = AS_OF - random.randint(400, 500) * DAY
        loyalty_id = f"card-{number}-{card}"
        world.land(
            "pos_members",
            loyalty_id=loyalty_id,
            birth_date=person.birth_date,
            country=person.country,
            home_store_id=home,
            enrolled_at=enrolled.isoformat(),
            updated_at=changed.isoformat(),
        )
        if home is not None and home != CLOSED:
            person.home_stores.append((changed if changed <= AS_OF else enrolled, loyalty_id, home))
        if home is not None and home != CLOSED and person.country is None:
            person.country = STORES[home][2]


def _buy(
    world: World, random: Random, number: int, person: Person, order: str, hour: int | None
) -> None:
    store = random.choice((*STORES, CLOSED, None))
    zone = STORES[store][3] if store in STORES else TIMEZONE
    at = _some_time(random, zone, hour, 700)
    for receipt in range(random.choice((1, 1, 3))):
        if store is None:
            product = {"product_id": "P", "quantity": 1, "price": "10"}
            bought = {"order_id": f"W{order}-{receipt}", "products": [product], "currency": "EUR"}
            world.event(number, "Order Completed", at, properties=bought)
            person.engaged.append((at, CLICKED))
        else:
            world.land(
                "pos_receipt_lines",
                receipt_id=f"R{order}-{receipt}",
                store_id=store,
                sold_at=at.isoformat(),
                line_no=1,
                product_id="P",
                quantity=Decimal(1),
                line_amount=Decimal(10),
                currency="EUR",
                loyalty_id=f"card-{number}-0",
            )
        person.purchases.append((at, store))


def _visit(world: World, random: Random, number: int, person: Person, hour: int | None) -> None:
    at = _some_time(random, TIMEZONE, hour, 400)
    name = random.choice(("", "", "Product Viewed", "Invoice Sent"))
    if random.random() < 0.5:
        message = world.event(number, name, at)
    else:
        store = random.choice([place for place in STORES.values() if place[0] is not None])
        latitude = round(store[0] + random.uniform(-9, 9), 4)
        longitude = round((store[1] + random.uniform(-9, 9) + 180) % 360 - 180, 4)
        where = {"latitude": latitude, "longitude": longitude}
        message = world.event(number, name, at, context={"location": where})
        person.positions.append((at, message, latitude, longitude))
    if name != "Invoice Sent":
        person.engaged.append((at, CLICKED))


def _write(world: World, random: Random, number: int, person: Person, channel: str) -> None:
    delivered, opened, clicked = {
        "email": ("Email Delivered", "Email Opened", "Email Link Clicked"),
        "push": ("Push Notification Received", None, "Push Notification Tapped"),
    }[channel]
    for campaign in range(random.randint(1, 3)):
        properties = {"campaign_id": campaign} if campaign else {}
        for letter in range(random.randint(1, 4)):
            at = AS_OF - (30 * letter + random.randint(5, 20)) * DAY
            world.event(number, delivered, at, properties=properties)
            opens = opened is not None and random.random() < 0.5
            clicks = random.random() < 0.2
            for _ in range(random.randint(1, 3) if opens else 0):
                seen = at + timedelta(minutes=random.randint(0, 3000))
                world.event(number, opened, seen, properties=properties)
                person.engaged.append((seen, OPENED))
            if clicks:
                seen = at + timedelta(minutes=random.randint(0, 3000))
                world.event(number, clicked, seen, properties=properties)
                person.engaged.append((seen, CLICKED))
            person.messages[channel].append((opens, clicks))


def _decide(world: World, random: Random, number: int, person: Person) -> None:
    """What the person last said; the word before may have been another."""
    person.location = random.choice((True, True, True, False, None))
    person.tracking = random.choice((True, None, None, None, False))
    words = {"location": person.location, "tracking": person.tracking}
    said = {purpose: word for purpose, word in words.items() if word is not None}
    before = {purpose: random.random() < 0.5 for purpose in said}
    for days, preferences in ((9, before), (3, said)):
        if preferences:
            world.event(
                number,
                "Segment Consent Preference Updated",
                AS_OF - days * DAY,
                context={"consent": {"categoryPreferences": preferences}},
            )
