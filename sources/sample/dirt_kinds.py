"""The ways in which a record can be broken: a good line in, a line that breaks the contract out.

Each kind breaks one rule and only that, so that a quarantine can be held to its reason.
Broken lines are copies: the good record stays where it was.
"""

import csv
import io
import json
from collections.abc import Callable

# What a spoiler gets: the line as text without its end, and the names of the columns (CSV only).
Spoiler = Callable[[str, list[str]], bytes]


def _without(name: str) -> Spoiler:
    def spoil(line: str, _names: list[str]) -> bytes:
        record = json.loads(line)
        record.pop(name, None)
        return _json(record)

    return spoil


def _with(name: str, value: object) -> Spoiler:
    def spoil(line: str, _names: list[str]) -> bytes:
        return _json({**json.loads(line), name: value})

    return spoil


def _json(record: dict[str, object]) -> bytes:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def _cell(name: str, value: str) -> Spoiler:
    def spoil(line: str, names: list[str]) -> bytes:
        cells = next(csv.reader([line]))
        cells[names.index(name)] = value
        return _csv(cells)

    return spoil


def _csv(cells: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue().encode()


def _cut(line: str, _names: list[str]) -> bytes:
    return line[: len(line) // 2].encode()


def _garbage_after(line: str, _names: list[str]) -> bytes:
    return line.encode() + b" } oops"


def _a_list(_line: str, _names: list[str]) -> bytes:
    return b'["track", "Product Viewed"]'


def _not_utf8(line: str, _names: list[str]) -> bytes:
    middle = len(line) // 2
    return line[:middle].encode() + b"\xff\xfe" + line[middle:].encode()


def _timeless(line: str) -> dict[str, object]:
    times = ("timestamp", "originalTimestamp", "receivedAt", "sentAt")
    return {name: value for name, value in json.loads(line).items() if name not in times}


def _without_time(line: str, _names: list[str]) -> bytes:
    return _json(_timeless(line))


def _at(timestamp: str) -> Spoiler:
    def spoil(line: str, _names: list[str]) -> bytes:
        return _json({**_timeless(line), "timestamp": timestamp})

    return spoil


def _without_anyone(line: str, _names: list[str]) -> bytes:
    record = json.loads(line)
    record.pop("anonymousId", None)
    record.pop("userId", None)
    return _json(record)


def _nameless_track(line: str, _names: list[str]) -> bytes:
    record = json.loads(line)
    record.pop("event", None)
    return _json({**record, "type": "track"})


def _aimless_alias(line: str, _names: list[str]) -> bytes:
    record = json.loads(line)
    record.pop("previousId", None)
    return _json({**record, "type": "alias"})


def _fewer_columns(line: str, _names: list[str]) -> bytes:
    return _csv(next(csv.reader([line]))[:3])


def _more_columns(line: str, _names: list[str]) -> bytes:
    return _csv([*next(csv.reader([line])), "one", "too", "many"])


def _sign_mismatch(line: str, names: list[str]) -> bytes:
    cells = next(csv.reader([line]))
    cells[names.index("quantity")] = "-1"
    cells[names.index("line_amount")] = "4.99"
    return _csv(cells)


_CSV: dict[str, Spoiler] = {"too_few_columns": _fewer_columns, "too_many_columns": _more_columns}

_EVENTS: dict[str, Spoiler] = {
    "json_cut_short": _cut,
    "json_garbage_after": _garbage_after,
    "json_not_an_object": _a_list,
    "not_utf8": _not_utf8,
    "missing_message_id": _without("messageId"),
    "missing_type": _without("type"),
    "unknown_type": _with("type", "trakc"),
    "missing_time": _without_time,
    "bad_time": _at("yesterday evening"),
    "impossible_time": _at("2026-02-30T10:00:00Z"),
    "nobody": _without_anyone,
    "track_without_event": _nameless_track,
    "alias_without_previous": _aimless_alias,
}

SPOILERS: dict[str, dict[str, Spoiler]] = {
    "web/events": _EVENTS,
    "app/events": _EVENTS,
    "pos/receipt_lines": {
        **_CSV,
        "missing_receipt_id": _cell("receipt_id", ""),
        "missing_store_id": _cell("store_id", ""),
        "missing_time": _cell("sold_at", ""),
        "missing_product_id": _cell("product_id", ""),
        "missing_amount": _cell("line_amount", ""),
        "missing_currency": _cell("currency", ""),
        "bad_time": _cell("sold_at", "31/12/2026 25:61"),
        "bad_line_number": _cell("line_no", "first"),
        "bad_quantity": _cell("quantity", "two"),
        "bad_amount": _cell("line_amount", "4.9.9"),
        "amount_out_of_range": _cell("line_amount", "99999999999999999999.99"),
        "sign_mismatch": _sign_mismatch,
    },
    "pos/members": {
        **_CSV,
        "missing_loyalty_id": _cell("loyalty_id", ""),
        "impossible_birth_date": _cell("birth_date", "1985-13-45"),
        "bad_flag": _cell("email_marketing", "maybe"),
        "bad_time": _cell("updated_at", "last week"),
    },
    "pos/stores": {
        **_CSV,
        "missing_store_id": _cell("store_id", ""),
        "bad_latitude": _cell("latitude", "north"),
    },
    "erp/customers": {
        **_CSV,
        "missing_customer_id": _cell("customer_id", ""),
        "bad_time": _cell("created_at", "2026-11-31T00:00:00Z"),
        "bad_flag": _cell("is_active", "perhaps"),
    },
    "erp/orders": {
        **_CSV,
        "missing_order_id": _cell("order_id", ""),
        "unknown_channel": _cell("channel", "pigeon"),
        "unknown_status": _cell("status", "teleported"),
        "bad_amount": _cell("total_amount", "twelve"),
        "bad_time": _cell("ordered_at", "soon"),
    },
    "erp/returns": {
        "json_cut_short": _cut,
        "missing_return_id": _without("return_id"),
        "bad_amount": _with("refund_amount", "a lot"),
        "bad_time": _with("returned_at", "2026-13-01T00:00:00Z"),
    },
    "erp/tickets": {
        **_CSV,
        "missing_ticket_id": _cell("ticket_id", ""),
        "bad_time": _cell("opened_at", "10 o'clock"),
    },
}


def record_key(line: str) -> str | None:
    """The key of a good line: messageId or return_id of an object, else the first column."""
    if line.startswith("{"):
        record = json.loads(line)
        return str(record.get("messageId") or record.get("return_id"))
    return next(csv.reader([line]))[0] or None
