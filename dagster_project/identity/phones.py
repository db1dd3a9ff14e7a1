"""Phone numbers in E.164 form: what phonenumbers says, most of it said by SQL.

The library takes about 35 µs a number; a million of them would take longer than everything else
in this room. So the numbers written plainly are matched in DuckDB against the library's own
patterns of valid numbers, and only what those don't settle beyond doubt is left to the library.
A test holds the two against each other.
"""

import re
from dataclasses import dataclass

import duckdb
import phonenumbers
from phonenumbers.phonemetadata import PhoneMetadata

from dagster_project.database import read
from dagster_project.identity.arrow import texts, write_table

# Digits with the usual punctuation. Extensions, letters, other scripts' digits: the library.
_PLAIN = r"[+]?[(]?[0-9][0-9 ().\-]{4,30}"
_LONGEST = 100

_KINDS_OF_NUMBER = (
    "fixed_line",
    "mobile",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
)


@dataclass(frozen=True, slots=True)
class _Plan:
    """A country's numbering plan, as far as SQL can follow it. Patterns are RE2, unanchored."""

    calling_code: str
    kinds: tuple[tuple[str, tuple[int, ...]], ...]
    trunk_prefix: str | None
    is_trunk_prefix_simple: bool
    abroad_prefix: str

    def is_valid(self, national: str) -> str:
        """The SQL condition that a national number (an SQL expression) is of some kind."""
        conditions = [
            f"(length({national}) in ({', '.join(map(str, lengths))})"
            f" and regexp_full_match({national}, '{pattern}'))"
            for pattern, lengths in self.kinds
        ]
        return f"({' or '.join(conditions) or 'false'})"


def normalise_phones(
    connection: duckdb.DuckDBPyConnection, *, values: str, default_country: str, into: str
) -> None:
    """From `values` (raw_value, country) make the temp table `into` (raw_value, country, spelling).

    One row for each row of `values`, which must be distinct; spelling is null where the number
    isn't valid. A country that is missing or unknown is taken as `default_country`.
    """
    write_table(connection, "_phone_regions", {"region": texts(sorted(_regions()))})
    connection.execute(
        f"""
        create or replace temp table _phone_parts as
        with placed as (
            select raw_value, country, coalesce(region, $1) as region
            from {values} left join _phone_regions on region = upper(country)
        ),
        plain as (
            select *, case when regexp_full_match(raw_value, $2)
                then regexp_replace(raw_value, '[ ().-]', '', 'g') end as digits
            from placed
        )
        select *, null::varchar as phone from plain
        """,
        [default_country, _PLAIN],
    )
    _settle_international(connection)
    _settle_national(connection)
    _ask_library(connection)
    connection.execute(
        f"create or replace temp table {into} as "
        "select raw_value, country, phone as spelling from _phone_parts"
    )
    for table in ("_phone_regions", "_phone_parts", "_phone_answers"):
        connection.execute(f"drop table if exists {table}")


def _settle_international(connection: duckdb.DuckDBPyConnection) -> None:
    """+40 721 234 567, and 0040... where 00 is what one dials for abroad."""
    regions = connection.execute("select distinct region from _phone_parts").fetchall()
    dialling = [region for (region,) in regions if _plan(region).abroad_prefix == "00"]
    connection.execute(
        """
        update _phone_parts set digits = '+' || substr(digits, 3)
        where starts_with(digits, '00') and substr(digits, 3, 1) <> '0'
            and list_contains($1, region)
        """,
        [dialling],
    )
    for calling_code in _calling_codes(connection):
        plan = _plan(phonenumbers.region_code_for_country_code(int(calling_code)))
        national = f"substr(digits, {len(calling_code) + 2})"
        connection.execute(
            f"""
            update _phone_parts set phone = digits
            where starts_with(digits, '+{calling_code}')
                and not regexp_matches({national}, $1)
                and {plan.is_valid(national)}
            """,
            [f"^(?:{plan.trunk_prefix})" if plan.trunk_prefix else "[^0-9]"],
        )


def _settle_national(connection: duckdb.DuckDBPyConnection) -> None:
    """0721 234 567, and 721 234 567 where the country is known."""
    regions = connection.execute(
        """
        select distinct region from _phone_parts
        where phone is null and digits is not null and not starts_with(digits, '+')
        """
    ).fetchall()
    for (region,) in regions:
        plan = _plan(region)
        unprefixed = "digits"
        if plan.trunk_prefix is not None:
            if not plan.is_trunk_prefix_simple:
                continue
            unprefixed = f"regexp_replace(digits, '^(?:{plan.trunk_prefix})', '')"
        connection.execute(
            f"""
            update _phone_parts set phone = '+{plan.calling_code}' || {unprefixed}
            where phone is null and region = $1 and not starts_with(digits, '+')
                and not starts_with({unprefixed}, '{plan.calling_code}')
                and not starts_with(digits, '{plan.calling_code}')
                and not regexp_matches(digits, $2)
                and {plan.is_valid(unprefixed)}
            """,
            [region, f"^(?:{plan.abroad_prefix})"],
        )


def _ask_library(connection: duckdb.DuckDBPyConnection) -> None:
    questions = read(
        connection,
        f"""
        select distinct raw_value, region from _phone_parts
        where phone is null and length(raw_value) <= {_LONGEST}
        """,
    )
    raw_values = questions.column("raw_value").to_pylist()
    regions = questions.column("region").to_pylist()
    answers = [_e164(raw, region) for raw, region in zip(raw_values, regions, strict=True)]
    write_table(
        connection,
        "_phone_answers",
        {
            "raw_value": questions.column("raw_value"),
            "region": questions.column("region"),
            "phone": texts(answers),
        },
    )
    connection.execute(
        """
        update _phone_parts set phone = _phone_answers.phone
        from _phone_answers
        where _phone_parts.phone is null
            and _phone_parts.raw_value = _phone_answers.raw_value
            and _phone_parts.region = _phone_answers.region
        """
    )


def _e164(raw_value: str, region: str) -> str | None:
    try:
        number = phonenumbers.parse(raw_value, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _calling_codes(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Calling codes that begin a number of the data; no code is the beginning of another."""
    begun = connection.execute(
        """
        select distinct unnest([substr(digits, 2, 1), substr(digits, 2, 2), substr(digits, 2, 3)])
        from _phone_parts where starts_with(digits, '+')
        """
    ).fetchall()
    known = {
        str(code)
        for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()
        if regions[0] != "001"
    }
    return sorted(known & {code for (code,) in begun})


def _regions() -> set[str]:
    return set(phonenumbers.SUPPORTED_REGIONS)


def _plan(region: str) -> _Plan:
    metadata = PhoneMetadata.metadata_for_region(region)
    if metadata is None or metadata.general_desc is None:  # pragma: no cover
        raise LookupError(f"phonenumbers has no numbering plan for {region}")
    kinds = []
    for name in _KINDS_OF_NUMBER:
        kind = getattr(metadata, name)
        if kind is not None and kind.national_number_pattern:
            lengths = set(kind.possible_length or metadata.general_desc.possible_length)
            kinds.append((kind.national_number_pattern, tuple(sorted(lengths))))
    prefix = metadata.national_prefix_for_parsing
    return _Plan(
        calling_code=str(metadata.country_code),
        kinds=tuple(kinds),
        trunk_prefix=prefix,
        # A prefix with groups, or one that is replaced, carries more than itself (carrier codes).
        is_trunk_prefix_simple=prefix is None
        or (
            metadata.national_prefix_transform_rule is None and not re.search(r"\((?!\?:)", prefix)
        ),
        abroad_prefix=metadata.international_prefix or "00",
    )
