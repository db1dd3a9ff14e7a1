"""Gate of the consents: what nobody may be messaged without."""

from expectations.rules import few_rows, has_rows, never_null, no_rows, one_of, refers, unique

EXPECTATIONS = [
    has_rows(severity="warning"),
    never_null("profile_id"),
    never_null("channel"),
    never_null("purpose"),
    never_null("state"),
    unique("profile_id", "channel", "purpose"),
    one_of("state", ["granted", "denied", "unknown"]),
    refers("profile_id", "marts.customer_profiles"),
    no_rows("nothing is decided after as_of", "decided_at > {as_of}"),
    # A consent must be provable: where it was given.
    no_rows("a granted consent has a source", "state = 'granted' and source is null"),
    few_rows(
        "a granted consent has a date",
        "state = 'granted' and decided_at is null",
        at_most=0.1,
        severity="warning",
    ),
]
