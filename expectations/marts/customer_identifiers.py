"""Gate of the identifiers: each belongs to one person, and no person is a crowd."""

from expectations.rules import has_rows, never_null, one_of, query, refers

TYPES = [
    "anonymous_id",
    "user_id",
    "device_id",
    "email",
    "phone",
    "loyalty_id",
    "erp_customer_id",
    "payment_card",
    "tax_id",
]

EXPECTATIONS = [
    has_rows(severity="warning"),
    never_null("profile_id"),
    never_null("identifier_type"),
    never_null("identifier_value"),
    one_of("identifier_type", TYPES),
    refers("profile_id", "marts.customer_profiles"),
    # A demoted one is known to be shared: it joins nobody and reaches nobody.
    query(
        "an identifier belongs to one profile",
        "select 1 as unexpected from {batch} where not is_demoted "
        "group by identifier_type, identifier_value having count(distinct profile_id) > 1",
    ),
    # People have a handful of these; guests of a web shop may have many ERP customers and cookies.
    query(
        "no profile holds more than 50 values of one type",
        "select 1 as unexpected from {batch} "
        "where identifier_type in ('email', 'phone', 'loyalty_id', 'tax_id') "
        "group by profile_id, identifier_type having count(distinct identifier_value) > 50",
    ),
    query(
        "no profile holds more than 10 values of one type",
        "select 1 as unexpected from {batch} "
        "where identifier_type in ('email', 'phone', 'loyalty_id', 'tax_id') "
        "group by profile_id, identifier_type having count(distinct identifier_value) > 10",
        severity="warning",
    ),
]
