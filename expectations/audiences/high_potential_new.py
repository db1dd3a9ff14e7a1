"""Gate of the new customers worth the most attention."""

from expectations.audiences._members import LIFECYCLE, OWN_ADDRESS, members

EXPECTATIONS = [
    OWN_ADDRESS,
    members("every member is new", "known.stage <> 'new'", of=LIFECYCLE),
    members("every member is of high potential", "known.segment <> 'high_potential'", of=LIFECYCLE),
]
