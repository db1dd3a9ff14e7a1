"""Gate of the ERP's customers. A customer comes once for each version: repeats are no fault."""

from expectations.rules import few_rows, has_rows, never_null, not_in_the_future

EXPECTATIONS = [
    has_rows(severity="warning"),
    never_null("customer_id"),
    not_in_the_future("updated_at", at_most=0.05),
    # One value in a tenth of the rows is a default that a form fills in: it would merge strangers.
    few_rows(
        "no e-mail is that of a crowd",
        "email in (select email from {batch} where email is not null group by email "
        "having count(distinct customer_id) > 100)",
        at_most=0.1,
    ),
    few_rows(
        "birth_date is that of a living person",
        "birth_date < date '1900-01-01' or birth_date > cast({as_of} as date)",
        at_most=0.01,
        severity="warning",
    ),
    few_rows(
        "a customer can be recognised elsewhere",
        "email is null and phone is null and loyalty_id is null and web_user_id is null "
        "and tax_id is null",
        at_most=0.5,
        severity="warning",
    ),
]
