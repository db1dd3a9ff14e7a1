"""The contract's rules for one line, written a second time so that planted dirt can be judged."""

import csv
import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

TYPES = {"track", "page", "screen", "identify", "group", "alias"}
CHANNELS = {"web", "app", "phone", "store"}
STATUSES = {"pending", "confirmed", "shipped", "delivered", "cancelled"}


def breaks_the_contract(name: str, line: bytes, header: bytes) -> bool:
    """Whether a line of `<source>/<table>` can't be taken as it is."""
    try:
        text = line.decode()
        if name in ("web/events", "app/events"):
            _check_event(json.loads(text))
        elif name == "erp/returns":
            _check_return(json.loads(text))
        else:
            names = next(csv.reader([header.decode()]))
            cells = next(csv.reader([text]))
            assert len(cells) == len(names), "columns"
            _check_row(name.split("/")[1], dict(zip(names, cells, strict=True)))
    except (AssertionError, KeyError, TypeError, ValueError, InvalidOperation):
        return True
    return False


def _check_event(event: dict[str, str]) -> None:
    assert event["messageId"], "key"
    assert event["type"] in TYPES, "type"
    if "timestamp" in event:
        datetime.fromisoformat(event["timestamp"])
    else:
        for name in ("originalTimestamp", "receivedAt", "sentAt"):
            datetime.fromisoformat(event[name])
    assert event.get("anonymousId") or event.get("userId"), "nobody"
    assert event["type"] != "track" or event["event"], "event"
    assert event["type"] != "alias" or event["previousId"], "previous"


def _check_return(record: dict[str, str]) -> None:
    assert record["return_id"], "key"
    Decimal(str(record["refund_amount"]))
    datetime.fromisoformat(record["returned_at"])


def _flag(value: str) -> None:
    assert value in ("", "true", "false"), "flag"


def _number(value: str) -> None:
    assert not value or abs(Decimal(value)) < Decimal(10) ** 14, "number"


def _needed(value: str) -> None:
    assert value, "missing"


def _time(value: str) -> None:
    if value:
        datetime.fromisoformat(value)


def _date(value: str) -> None:
    if value:
        date.fromisoformat(value)


_RULES: dict[str, list[tuple[str, Callable[[str], object]]]] = {
    "receipt_lines": [
        *(
            (name, _needed)
            for name in ("receipt_id", "store_id", "sold_at", "line_no", "product_id")
        ),
        *((name, _needed) for name in ("quantity", "line_amount", "currency")),
        *((name, _number) for name in ("quantity", "unit_price", "line_amount")),
        ("line_no", int),
        ("sold_at", _time),
    ],
    "members": [
        ("loyalty_id", _needed),
        ("birth_date", _date),
        ("updated_at", _time),
        ("email_marketing", _flag),
    ],
    "stores": [("store_id", _needed), ("latitude", _number)],
    "customers": [("customer_id", _needed), ("created_at", _time), ("is_active", _flag)],
    "orders": [("order_id", _needed), ("total_amount", _number), ("ordered_at", _time)],
    "tickets": [("ticket_id", _needed), ("opened_at", _time)],
}


def _check_row(table: str, row: dict[str, str]) -> None:
    for name, rule in _RULES[table]:
        rule(row[name])
    if table == "orders":
        assert row["channel"] in CHANNELS, "channel"
        assert row["status"] in STATUSES, "status"
    if table == "receipt_lines":
        quantity, amount = Decimal(row["quantity"]), Decimal(row["line_amount"])
        assert (quantity < 0) == (amount < 0), "sign"
