"""Gate of the ERP's orders. An order comes once for each version: repeats are no fault."""

from expectations.rules import few_rows, has_rows, known_currency, never_null, not_in_the_future

EXPECTATIONS = [
    has_rows(severity="warning"),
    never_null("order_id"),
    few_rows("an order has a time", "ordered_at is null", at_most=0.05),
    not_in_the_future("ordered_at"),
    known_currency(where="total_amount is not null", at_most=0.05),
    # An unknown status can't be told from cancelled, an unknown channel not from the till.
    few_rows(
        "status is known",
        "status is null or lower(status) not in "
        "('pending', 'confirmed', 'shipped', 'delivered', 'cancelled')",
        at_most=0.05,
    ),
    few_rows(
        "channel is known",
        "channel is null or lower(channel) not in ('web', 'app', 'phone', 'store')",
        at_most=0.05,
    ),
    few_rows(
        "total_amount is within bounds",
        "total_amount < 0 or total_amount > 1000000",
        at_most=0.01,
        severity="warning",
    ),
    few_rows(
        "nothing is delivered before it is ordered",
        "delivered_at < ordered_at",
        at_most=0.01,
        severity="warning",
    ),
    few_rows(
        "an order has lines",
        "order_id not in (select order_id from raw.erp_order_lines where order_id is not null)",
        at_most=0.05,
        severity="warning",
    ),
]
