"""Values of a person anywhere in a text: found where they stand by themselves."""

import re
from collections.abc import Collection

_NEVER = r"\b\B"

# What a value gives way to: what stood before it, the word, what stood behind.
ERASED = r"\1\3erased\2\4"


def pattern(values: Collection[str]) -> str:
    """A regular expression, of RE2 and of Python, for values that stand by themselves.

    Part of a longer number, word or address isn't the value. It ignores case where it is told to.
    Of two that touch, the first one's end is the second one's beginning: replace twice.
    """
    addresses = "|".join(re.escape(value) for value in values if "@" in value)
    others = "|".join(re.escape(value) for value in values if "@" not in value)
    return (
        rf"(^|[^0-9A-Za-z._%+-])(?:{addresses or _NEVER})"
        rf"($|[^0-9A-Za-z._-]|[._-](?:$|[^0-9A-Za-z]))"
        rf"|(^|[^0-9A-Za-z])(?:{others or _NEVER})($|[^0-9A-Za-z])"
    )
