"""Gate of the purchases: none lost, none counted twice, none worth more than was paid."""

from expectations.rules import few_rows, has_rows, never_null, no_rows, query, refers, unique

EXPECTATIONS = [
    has_rows(severity="warning"),
    never_null("order_id"),
    unique("order_id"),
    never_null("ordered_at"),
    no_rows("nothing is ordered after as_of", "ordered_at > {as_of}"),
    refers("profile_id", "marts.customer_profiles"),
    query(
        "purchases that landed are here",
        "select 1 as unexpected from {batch} having count(*) = 0 and exists (select 1 "
        "from raw.pos_receipt_lines where not _is_deleted and quantity > 0 and line_amount > 0 "
        "and try_cast(sold_at as timestamptz) < {as_of} - interval 1 day)",
    ),
    few_rows("net_amount isn't above gross_amount", "net_amount > gross_amount", at_most=0.01),
    few_rows("an amount has a currency", "currency is null", at_most=0.01),
    few_rows(
        "an amount can be converted",
        "net_amount is not null and reporting_amount is null",
        at_most=0.01,
    ),
    few_rows("refunded_amount isn't negative", "refunded_amount < 0", at_most=0.01),
    few_rows(
        "a purchase is tied to a profile", "profile_id is null", at_most=0.8, severity="warning"
    ),
    few_rows(
        "a purchase is no dearer than 100000",
        "abs(reporting_amount) > 100000",
        at_most=0.01,
        severity="warning",
    ),
]
