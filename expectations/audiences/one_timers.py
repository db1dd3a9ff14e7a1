"""Gate of those who bought on one day and never again."""

from expectations.audiences._members import CHURN_FACTORS, LIFECYCLE, OWN_ADDRESS, members

EXPECTATIONS = [
    OWN_ADDRESS,
    members("every member is a one-timer", "known.segment <> 'one_timer'", of=LIFECYCLE),
    members("every member bought on one day", "known.purchase_days <> 1", of=CHURN_FACTORS),
]
