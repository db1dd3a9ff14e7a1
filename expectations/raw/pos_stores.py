"""Gate of the stores, whose time zones say on which day a receipt was written."""

from expectations.rules import few_rows, has_rows, never_null, no_rows

EXPECTATIONS = [
    has_rows(severity="warning"),
    never_null("store_id"),
    # A store in an unknown zone is given the business's own: right for one, wrong for a chain.
    few_rows(
        "timezone is known",
        "timezone not in (select name from pg_timezone_names())",
        at_most=0.1,
    ),
    no_rows("a store has a timezone", "timezone is null", severity="warning"),
    no_rows(
        "coordinates are on earth",
        "latitude not between -90 and 90 or longitude not between -180 and 180",
        severity="warning",
    ),
]
