"""Gate of the lifecycle: everybody who bought is in one known stage, as of this build."""

from expectations.rules import has_rows, never_null, no_rows, one_of, query, refers, unique

STAGES = ["subscriber", "new", "active", "at_risk", "churned", "reactivated"]
SEGMENTS = ["one_timer", "high_potential", "frequent_returner", "early_churn", "late_churn"]

EXPECTATIONS = [
    has_rows(severity="warning"),
    never_null("profile_id"),
    unique("profile_id"),
    refers("profile_id", "marts.customer_profiles"),
    one_of("stage", STAGES),
    one_of("previous_stage", STAGES),
    one_of("segment", SEGMENTS),
    # A local date, so that the business time zone may put it a day off the date in UTC.
    no_rows(
        "as_of is that of the build",
        "as_of is null or abs(date_diff('day', cast(as_of as date), cast({as_of} as date))) > 1",
    ),
    no_rows(
        "no stage begins after as_of",
        "cast(stage_since as date) > cast({as_of} + interval 1 day as date)",
    ),
    query(
        "a subscriber has never bought, everybody else has",
        "select 1 as unexpected from {batch} as judged "
        "inner join marts.customer_profiles as profiles using (profile_id) "
        "where (judged.stage = 'subscriber') <> (coalesce(profiles.order_count, 0) = 0)",
    ),
    query(
        "everybody who bought has a stage",
        "select 1 as unexpected from marts.customer_profiles as profiles "
        "left join {batch} as judged using (profile_id) "
        "where profiles.order_count > 0 and judged.stage is null",
    ),
    query(
        "no more than half of all customers changed stage today",
        "select 1 as unexpected from {batch} where stage <> 'subscriber' having count(*) >= 100 "
        "and count(*) filter (where stage_since > {as_of} - interval 1 day) > 0.5 * count(*)",
        severity="warning",
    ),
]
