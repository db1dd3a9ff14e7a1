"""Gate of the ERP's catalogue."""

from expectations.rules import few_rows, has_rows, known_currency, never_null, not_in_the_future

EXPECTATIONS = [
    has_rows(severity="warning"),
    never_null("product_id"),
    not_in_the_future("updated_at", at_most=0.05),
    known_currency(where="list_price is not null", at_most=0.05),
    few_rows("list_price isn't negative", "list_price < 0", at_most=0.01, severity="warning"),
    few_rows("a product has a category", "category is null", at_most=0.2, severity="warning"),
]
