"""How a landed text becomes a typed value: one SQL expression a type, null where it can't be read.

Every format is read as text first and cast here, so that money never passes through a binary float
and a value that can't be read is told apart from one that isn't there.
"""

from dataclasses import dataclass

from sources.contract import Column, ColumnType

# A text longer than this is no name, id or address; a JSON object has the row's own limit.
MAX_TEXT_BYTES = 2_000

_CLOCK = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?"
# From -12:00 to +14:00: there is no other on earth, though DuckDB takes +99:99 for four days.
_MINUTES = "(:?[0-5][0-9])?"
_HOURS = f"[+]((0[0-9]|1[0-3]){_MINUTES}|14(:?00)?)|-((0[0-9]|1[01]){_MINUTES}|12(:?00)?)"
# Shopify and PostgreSQL write a space before it.
_OFFSET = f"([Zz]| ?(UTC|{_HOURS}))"
# DuckDB's cast wants seconds, an upper-case T and Z, and nothing between clock and offset.
_MINUTES_ONLY = r"^(.{10}).([0-9]{2}:[0-9]{2})($|[Zz+-].*)"


def _clock(text: str) -> str:
    """An ISO time in the one spelling that DuckDB's cast takes."""
    joined = f"left({text}, 11) || replace(replace(substring({text}, 12), ' ', ''), 'UTC', 'Z')"
    # Hardly any is spelled like that, and joining takes longer than the cast.
    spelled = f"""case when ends_with({text}, 'UTC') or contains(substring({text}, 12), ' ')
        then {joined} else {text} end"""
    return f"upper(regexp_replace({spelled}, '{_MINUTES_ONLY}', '\\1T\\2:00\\3'))"


def _timestamp(text: str) -> str:
    # Nearly every time ends in Z and casts at once; the pattern costs more than the cast. A year
    # of five digits or more would leave no room to compute with.
    return f"""case
        when ends_with({text}, 'Z') and strlen({text}) between 20 and 30 and {text} like '____-%'
            then try_cast({text} as timestamptz)
        when regexp_full_match({text}, '{_CLOCK}{_OFFSET}')
            then try_cast({_clock(text)} as timestamptz)
    end"""


def _local_timestamp(text: str) -> str:
    # Nearly every till writes whole seconds and no offset: what comes back from a cast as it went
    # in needs no pattern, which takes five times as long.
    return f"""case
        when strlen({text}) = 19 and {text} > '0'
            and strftime(try_cast({text} as timestamp), '%Y-%m-%dT%H:%M:%S') = {text}
            then {text}
        when regexp_full_match({text}, '{_CLOCK}{_OFFSET}?')
            and try_cast({_clock(text)} as timestamptz) is not null
            then {_clock(text)}
    end"""


def _date(text: str) -> str:
    # Writers without a date type (spreadsheets, pandas) add a midnight.
    pattern = r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ]00:00:00([.]0+)?Z?)?"
    return f"""case
        when regexp_full_match({text}, '{pattern}') then try_cast(left({text}, 10) as date)
    end"""


def _integer(text: str) -> str:
    # try_cast would round 1.5 to 2 and read 0x10 as 16. Writers with one number type add .0.
    return f"""case
        when regexp_full_match(trim({text}), '[+-]?[0-9]+([.]0+)?')
            then try_cast({text} as bigint)
    end"""


def _amount(text: str) -> str:
    # DuckDB reads 1_000 as a thousand. Digits after the fourth are rounded, half away from zero.
    return f"case when not contains({text}, '_') then try_cast({text} as decimal(18, 4)) end"


# Dots part thousands, and only those: 12.50 is no number with a decimal comma, 1.234 a thousand.
_WITH_COMMA = (
    "[+-]?([0-9]{1,3}([.][0-9]{3})+(,[0-9]+)?|([0-9]+(,[0-9]+)?|,[0-9]+)([eE][+-]?[0-9]+)?)"
)


def is_unclear_number(text: str) -> str:
    """SQL for whether a text that isn't empty is no number with a decimal comma."""
    return f"trim({text}) <> '' and not regexp_full_match(trim({text}), '{_WITH_COMMA}')"


def pointed(text: str) -> str:
    """SQL for a number with a decimal comma as one with a point; a text that is none stays none."""
    return f"""case when {is_unclear_number(text)} then 'unclear'
        else replace(replace({text}, '.', ''), ',', '.') end"""


def _coordinate(text: str) -> str:
    return f"case when isfinite(try_cast({text} as double)) then try_cast({text} as double) end"


def _boolean(text: str) -> str:
    return f"case lower(trim({text})) when 'true' then true when 'false' then false end"


def _is_no_json(words: str) -> str:
    """Whether a JSON text is none of an object, or one with NaN or Infinity, which JSON hasn't.

    DuckDB's parser takes them. The words are looked for first, as they are rare; then again outside
    of strings, as a product may be called Infinity.
    """
    bare = f"""regexp_replace({words}, '"(?:[^"\\\\]|\\\\.)*"', '""', 'g')"""
    named = f"(contains({words}, 'NaN') or contains({words}, 'Infinity'))"
    infinite = f"case when {named} then regexp_matches({bare}, 'NaN|Infinity') else false end"
    return f"not {begins_with('{', words)} or {infinite}"


def begins_with(character: str, text: str) -> str:
    """Whether a text begins with an ASCII character; five times as fast as starts_with."""
    return f"({text} >= '{character}' and {text} < '{chr(ord(character) + 1)}')"


def is_blank(text: str) -> str:
    """Whether a text is spaces; trim is slow, and no text before '!' begins with anything else."""
    return f"case when {text} < '!' then trim({text}) = '' else false end"


@dataclass(frozen=True)
class _Reading:
    sql_type: str
    rule: str
    problem: str


_READINGS: dict[ColumnType, _Reading] = {
    "text": _Reading(
        "varchar",
        "invalid_text",
        f"is longer than {MAX_TEXT_BYTES} bytes or isn't a text",
    ),
    "amount": _Reading(
        "decimal(18, 4)",
        "invalid_amount",
        "isn't a decimal number with at most 14 digits before the point (a decimal comma has to be "
        'declared in formats.toml: decimal = ",")',
    ),
    "integer": _Reading("bigint", "invalid_integer", "isn't a whole number"),
    "coordinate": _Reading(
        "double",
        "invalid_coordinate",
        "isn't a number of degrees (a decimal comma has to be declared in formats.toml)",
    ),
    "boolean": _Reading("boolean", "invalid_boolean", "is neither true, false nor empty"),
    "date": _Reading("date", "invalid_date", "isn't a date of the calendar as YYYY-MM-DD"),
    "timestamp": _Reading(
        "timestamptz", "invalid_timestamp", "isn't an ISO 8601 time with its offset"
    ),
    "local_timestamp": _Reading("varchar", "invalid_timestamp", "isn't an ISO 8601 time"),
    "object": _Reading("json", "invalid_object", "isn't a JSON object of JSON values"),
}

_CASTS = {
    "amount": _amount,
    "integer": _integer,
    "coordinate": _coordinate,
    "boolean": _boolean,
    "date": _date,
    "timestamp": _timestamp,
    "local_timestamp": _local_timestamp,
}


def sql_type(column: Column) -> str:
    """The column's type in raw Parquet."""
    return _READINGS[column.type].sql_type


def typed(column: Column, text: str, *, parsed: bool) -> str:
    """SQL that reads the column from the SQL expression `text`, null where it can't be read.

    `parsed`: the text of an object is of type JSON already.
    """
    if column.type == "text" or (column.type == "object" and parsed):
        return text
    if column.type == "object":
        return f"case when json_valid({text}) then cast({text} as json) end"
    return f"cast({_CASTS[column.type](text)} as {sql_type(column)})"


def is_invalid(column: Column, text: str, value: str) -> str:
    """SQL for whether `text` isn't what the column's type asks for; `value` is what was read."""
    if column.type == "text":
        return f"strlen({text}) > {MAX_TEXT_BYTES}"
    if column.type == "object":
        no_json = _is_no_json(f"cast({value} as varchar)")
        return f"({value} is null and {text} is not null) or {no_json}"
    return f"{value} is null and {text} is not null and trim({text}) <> ''"


def rule_of(column: Column) -> str:
    """The name of the rule that a value breaks which can't be read as the column's type."""
    return _READINGS[column.type].rule


def problem_of(column: Column) -> str:
    """What is wrong with such a value, to stand after the column's name."""
    return _READINGS[column.type].problem
