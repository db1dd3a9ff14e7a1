"""Gate of the subscribers who never bought: a welcome for a customer is paid for nothing."""

from expectations.audiences._members import LIFECYCLE, OWN_ADDRESS, PROFILES, members

EXPECTATIONS = [
    OWN_ADDRESS,
    members("every member is a subscriber", "known.stage <> 'subscriber'", of=LIFECYCLE),
    members("no member has bought", "known.order_count > 0", of=PROFILES),
]
