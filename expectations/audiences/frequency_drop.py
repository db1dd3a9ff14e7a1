"""Gate of those who slowed down: with a drop, and customers still."""

from expectations.audiences._members import CHURN_FACTORS, LIFECYCLE, OWN_ADDRESS, members

EXPECTATIONS = [
    OWN_ADDRESS,
    members(
        "every member's purchases have slowed",
        "known.drop_severity not in ('moderate', 'severe')",
        of=CHURN_FACTORS,
    ),
    members("no member has churned", "known.stage = 'churned'", of=LIFECYCLE),
]
