"""Gate of every audience, with a file of its own or without: each member is one known person."""

from expectations.rules import never_null, refers, unique

EXPECTATIONS = [
    never_null("profile_id"),
    unique("profile_id"),
    refers("profile_id", "marts.customer_profiles"),
]
