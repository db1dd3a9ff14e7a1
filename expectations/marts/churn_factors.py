"""Gate of the churn factors: what incentives are paid on is finite, and there for everybody."""

from expectations.rules import has_rows, never_null, no_rows, one_of, query, refers, unique

EXPECTATIONS = [
    has_rows(severity="warning"),
    never_null("profile_id"),
    unique("profile_id"),
    refers("profile_id", "marts.customer_profiles"),
    # A local date, so that the business time zone may put it a day off the date in UTC.
    no_rows(
        "as_of is that of the build",
        "as_of is null or abs(date_diff('day', cast(as_of as date), cast({as_of} as date))) > 1",
    ),
    no_rows(
        "churn_factor is finite and not negative",
        "churn_factor < 0 or not isfinite(cast(churn_factor as double))",
    ),
    no_rows(
        "churn_factor needs two days of purchase, and no more",
        "(churn_factor is null) <> (coalesce(purchase_days, 0) < 2)",
    ),
    no_rows(
        "return_probability is a probability",
        "not isfinite(cast(return_probability as double)) "
        "or return_probability not between 0 and 1",
    ),
    no_rows(
        "expected_purchases is finite and not negative",
        "expected_purchases < 0 or not isfinite(cast(expected_purchases as double))",
    ),
    no_rows(
        "days_since_last_purchase is that of last_purchase_on",
        "days_since_last_purchase < 0 or last_purchase_on < first_purchase_on "
        "or last_purchase_on > cast({as_of} + interval 1 day as date)",
    ),
    one_of("drop_severity", ["none", "moderate", "severe"]),
    query(
        "everybody who bought has a row",
        "select 1 as unexpected from marts.customer_profiles as profiles "
        "left join {batch} as judged using (profile_id) "
        "where profiles.order_count > 0 and judged.profile_id is null",
    ),
    query(
        "not everybody's churn_factor is the same",
        "select 1 as unexpected from {batch} "
        "having count(churn_factor) >= 100 and count(distinct churn_factor) = 1",
        severity="warning",
    ),
]
