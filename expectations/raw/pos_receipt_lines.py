"""Gate of the tills. The same line may come twice, and late: neither is a fault."""

from expectations.rules import few_rows, has_rows, known_currency, never_null, not_in_the_future

EXPECTATIONS = [
    has_rows(severity="warning"),
    never_null("receipt_id"),
    never_null("line_no"),
    never_null("store_id"),
    never_null("sold_at"),
    never_null("product_id"),
    never_null("quantity"),
    never_null("line_amount"),
    known_currency(at_most=0.05),
    not_in_the_future("sold_at"),
    few_rows(
        "quantity and line_amount have one sign",
        "quantity * line_amount < 0",
        at_most=0.01,
        severity="warning",
    ),
    few_rows(
        "line_amount is within bounds",
        "abs(line_amount) > 100000",
        at_most=0.01,
        severity="warning",
    ),
    few_rows(
        "store_id occurs in raw.pos_stores",
        "store_id not in (select store_id from raw.pos_stores where store_id is not null)",
        at_most=0.01,
        severity="warning",
    ),
    # Without an identifier on any receipt, stores yield totals but no customer.
    few_rows(
        "a receipt names somebody",
        "loyalty_id is null and email is null and phone is null and payment_card_hash is null",
        at_most=0.9,
        severity="warning",
    ),
]
