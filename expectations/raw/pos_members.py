"""Gate of the loyalty programme. A member comes once for each version: repeats are no fault."""

from expectations.rules import few_rows, has_rows, never_null, not_in_the_future

EXPECTATIONS = [
    has_rows(severity="warning"),
    never_null("loyalty_id"),
    not_in_the_future("updated_at", at_most=0.05),
    # One value in a tenth of the rows is the till's default customer: it would merge strangers.
    few_rows(
        "no e-mail is that of a crowd",
        "email in (select email from {batch} where email is not null group by email "
        "having count(distinct loyalty_id) > 100)",
        at_most=0.1,
    ),
    few_rows(
        "birth_date is that of a living person",
        "birth_date < date '1900-01-01' or birth_date > cast({as_of} as date)",
        at_most=0.01,
        severity="warning",
    ),
]
