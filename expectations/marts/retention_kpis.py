"""Gate of the daily key figures: up to the day, and telling what the other marts tell."""

from expectations.rules import has_rows, never_null, no_rows, query, unique

EXPECTATIONS = [
    # Who has only anonymous visits has no figures yet.
    has_rows(severity="warning"),
    never_null("day"),
    unique("day"),
    query(
        "the last day is that of the build",
        "select 1 as unexpected from {batch} having count(*) > 0 "
        "and abs(date_diff('day', max(day), cast({as_of} as date))) > 1",
    ),
    query(
        "the last day counts the people of marts.customer_lifecycle",
        "select 1 as unexpected from {batch} as judged cross join (select "
        "count(*) filter (where stage = 'subscriber') as subscribers, "
        "count(*) filter (where stage = 'at_risk') as customers_at_risk, "
        "count(*) filter (where stage = 'churned') as churned_customers "
        "from marts.customer_lifecycle) as counted "
        "where judged.day = (select max(day) from {batch}) and ("
        "judged.subscribers <> counted.subscribers "
        "or judged.customers_at_risk <> counted.customers_at_risk "
        "or judged.churned_customers <> counted.churned_customers)",
    ),
    no_rows(
        "nothing counted is negative",
        "least(subscribers, customers_at_risk, churned_customers) < 0",
    ),
]
