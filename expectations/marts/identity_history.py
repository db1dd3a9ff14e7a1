"""Gate of the merges and splits; a first build has none."""

from expectations.rules import never_null, no_rows, one_of

EXPECTATIONS = [
    never_null("happened_at"),
    never_null("kind"),
    one_of("kind", ["merge", "split"]),
    no_rows("nobody merges with or splits from themselves", "from_profile_id = to_profile_id"),
    no_rows("nothing happens after as_of", "happened_at > {as_of}", severity="warning"),
]
