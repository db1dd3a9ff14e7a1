"""Gate of the ERP's returns, which lower revenue."""

from expectations.rules import few_rows, has_rows, known_currency, never_null, not_in_the_future

EXPECTATIONS = [
    has_rows(severity="warning"),
    never_null("return_id"),
    not_in_the_future("returned_at"),
    known_currency(where="refund_amount is not null", at_most=0.05),
    few_rows("a refund names its order", "order_id is null", at_most=0.05, severity="warning"),
    few_rows(
        "refund_amount is within bounds",
        "refund_amount < 0 or refund_amount > 1000000",
        at_most=0.01,
        severity="warning",
    ),
]
