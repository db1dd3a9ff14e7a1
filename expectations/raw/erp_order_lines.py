"""Gate of the lines of the ERP's orders, from which revenue is counted."""

from expectations.rules import few_rows, has_rows, never_null

EXPECTATIONS = [
    has_rows(severity="warning"),
    never_null("order_id"),
    never_null("line_no"),
    few_rows("a line has an amount", "line_amount is null", at_most=0.05),
    few_rows(
        "a line belongs to an order",
        "order_id not in (select order_id from raw.erp_orders where order_id is not null)",
        at_most=0.05,
        severity="warning",
    ),
    few_rows(
        "line_amount is within bounds",
        "abs(line_amount) > 1000000",
        at_most=0.01,
        severity="warning",
    ),
]
