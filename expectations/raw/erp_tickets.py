"""Gate of the ERP's tickets: who has one open is left in peace by marketing."""

from expectations.rules import few_rows, has_rows, never_null, not_in_the_future

EXPECTATIONS = [
    has_rows(severity="warning"),
    never_null("ticket_id"),
    not_in_the_future("opened_at"),
    few_rows("a ticket has a status", "status is null", at_most=0.2),
    few_rows(
        "nothing is closed before it is opened",
        "closed_at < opened_at",
        at_most=0.01,
        severity="warning",
    ),
    few_rows("a ticket names its customer", "customer_id is null", at_most=0.2, severity="warning"),
]
