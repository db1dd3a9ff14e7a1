"""The event contract that web and app share: one JSON object a line, by the Segment spec."""

from sources.contract import (
    Column,
    Identifier,
    Rule,
    Table,
    happens_in_our_time,
    not_ahead_of,
)

EVENT_TYPES = ("track", "page", "screen", "identify", "group", "alias")

_COLUMNS = (
    Column("type", "text", "What kind of call it was.", required=True, allowed=EVENT_TYPES),
    Column("messageId", "text", "Unique for the event; what was sent twice has it twice.", True),
    Column(
        "timestamp",
        "timestamp",
        "When it happened, corrected for the device's clock.",
        required=True,
        # Without sentAt nobody knows how wrong the device's clock was: such an event has no time.
        otherwise='"originalTimestamp" + ("receivedAt" - "sentAt")',
    ),
    Column("originalTimestamp", "timestamp", "When it happened by the device's own clock."),
    Column("receivedAt", "timestamp", "When the collector received it."),
    Column("sentAt", "timestamp", "When the device sent it, by the device's own clock."),
    Column("anonymousId", "text", "The browser's or the installation's own id."),
    Column("userId", "text", "The account."),
    Column("previousId", "text", "On alias: the id that the person had before."),
    Column("groupId", "text", "On group: the group."),
    Column("event", "text", "On track: what was done, e.g. Product Viewed."),
    Column("name", "text", "On page and screen: its name."),
    Column("category", "text", "On page and screen: its category."),
    Column("properties", "object", "What the event is about: product, order, cart, page."),
    Column("traits", "object", "What is known of the person: e-mail, phone, loyalty card."),
    Column("context", "object", "Device, page, campaign, consent, traits."),
    Column("integrations", "object", "Which destinations the client asked for."),
    Column("version", "text", "The version of the message format."),
    Column("channel", "text", "Where the call was made: browser, mobile, server."),
)

_RULES = (
    happens_in_our_time("timestamp"),
    not_ahead_of("timestamp", "receivedAt"),
    Rule(
        name="nobody",
        sql='"anonymousId" is not null or "userId" is not null',
        description="an event has an anonymousId or a userId",
    ),
    Rule(
        name="alias_without_previous",
        sql='"type" <> \'alias\' or "previousId" is not null',
        description="an alias has a previousId",
    ),
    Rule(
        name="track_without_event",
        sql='"type" <> \'track\' or "event" is not null',
        description="a track call names its event",
    ),
)

# Where the contract says that they may stand.
_IDENTIFIERS = tuple(
    Identifier(kind, sql)
    for kind, *places in (
        ("anonymous_id", '"anonymousId"', '"previousId"'),
        ("user_id", '"userId"', '"previousId"'),
        ("device_id", "context ->> '$.device.id'"),
        (
            "email",
            "traits ->> '$.email'",
            "context ->> '$.traits.email'",
            "properties ->> '$.email'",
        ),
        ("phone", "traits ->> '$.phone'", "context ->> '$.traits.phone'"),
        ("loyalty_id", "traits ->> '$.loyalty_id'", "context ->> '$.traits.loyalty_id'"),
    )
    for sql in places
)


def event_table(source: str, description: str) -> Table:
    """The events table of one source."""
    return Table(
        source=source,
        name="events",
        description=description,
        columns=_COLUMNS,
        key=("messageId",),
        rules=_RULES,
        event_time="timestamp",
        identifiers=_IDENTIFIERS,
    )
