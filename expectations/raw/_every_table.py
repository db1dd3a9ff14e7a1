"""Gate of every raw table: a row that nobody knows the origin of can't be traced or replayed."""

from expectations.rules import never_null

EXPECTATIONS = [never_null("_landed_file"), never_null("_loaded_at")]
