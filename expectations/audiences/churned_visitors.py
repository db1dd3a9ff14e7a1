"""Gate of the churned who came back to look: still churned, really there."""

from expectations.audiences._members import LIFECYCLE, OWN_ADDRESS, PROFILES, members

EXPECTATIONS = [
    OWN_ADDRESS,
    members("every member is churned", "known.stage <> 'churned'", of=LIFECYCLE),
    # How lately is the model's threshold; a visit there must have been.
    members("every member has visited", "known.last_visit_at > {as_of}", of=PROFILES),
]
