"""What holds for events whatever device sent them (Segment's spec)."""

from expectations.rules import few_rows, has_rows, never_null, not_in_the_future

EXPECTATIONS = [
    has_rows(severity="warning"),
    never_null("messageId"),
    few_rows(
        "type is one of Segment's calls",
        "type is null or type not in ('track', 'page', 'screen', 'identify', 'group', 'alias')",
        at_most=0.05,
    ),
    few_rows(
        "an event has a time",
        '"timestamp" is null and '
        '("originalTimestamp" is null or "receivedAt" is null or "sentAt" is null)',
        at_most=0.05,
    ),
    not_in_the_future("timestamp", at_most=0.05),
    few_rows(
        "timestamp isn't before 2000",
        "\"timestamp\" < timestamptz '2000-01-01 00:00:00+00:00'",
        at_most=0.01,
        severity="warning",
    ),
    # Events of nobody build no profile: beyond this share the tracker has lost its identifiers.
    few_rows(
        "an event names somebody",
        '"anonymousId" is null and "userId" is null',
        at_most=0.5,
    ),
    few_rows("a tracked event has a name", "type = 'track' and event is null", at_most=0.05),
    few_rows(
        "an alias has a previous id",
        "type = 'alias' and \"previousId\" is null",
        at_most=0.01,
        severity="warning",
    ),
]
