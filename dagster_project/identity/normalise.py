"""Every identifier in one spelling, so that equal means the same; blocked and impossible ones null.

Work is done once for each distinct value, not for each record.
"""

import re

import duckdb

from dagster_project.identity.emails import normalise_emails
from dagster_project.identity.phones import normalise_phones
from dagster_project.identity.rules import IdentifierRule, Rules, one_of

# Longer than any identifier of the contract (a SHA-512 in hex is 128); hostile input isn't.
LONGEST_IDENTIFIER = 255

# Whitespace of every script at either end, and control characters anywhere.
_OUTER_SPACE = r"^[\s\pZ]+|[\s\pZ]+$"
_CONTROL = r"[\x00-\x1f\x7f]"

_SPELLING = {
    "id": "nfc_normalize(value)",
    "tax_id": "regexp_replace(upper(value), '[^0-9A-Z]', '', 'g')",
}


def normalise(
    connection: duckdb.DuckDBPyConnection,
    rules: Rules,
    *,
    signals: str,
    default_country: str,
    elsewhere: str | None = None,
) -> None:
    """From `signals` make the temp view _identity_mentioned and the temp table _identity_values.

    _identity_mentioned: one row an identifier of a signal: signal_no, strength (of its type),
    raw_value, country (of phones), is_previous. _identity_values: one row a distinct strength,
    raw_value and country: value_no, identifier_value, null where it is blocked or invalid.

    `elsewhere`: a table of identifier_type and raw_value that other signals than these have, too.
    """
    _write_mentions(connection, rules, signals, elsewhere)
    connection.execute(
        f"""
        create or replace temp table _identity_written as
        with different as (
            select distinct strength, raw_value, country from _identity_mentioned
        ),
        trimmed as (
            select *, regexp_replace(raw_value, '{_OUTER_SPACE}', '', 'g') as value from different
        )
        select row_number() over () as value_no, strength, raw_value, country,
            case
                when value <> '' and length(value) <= {LONGEST_IDENTIFIER}
                    and not regexp_matches(value, '{_CONTROL}')
                    and not regexp_full_match(lower(value), $1)
                then value
            end as value
        from trimmed
        """,
        [one_of(rules.blocked)],
    )
    connection.execute(
        "create or replace temp table _identity_spelled (value_no bigint, spelling varchar)"
    )
    for rule in rules.identifiers:
        if rule.normalise not in _SPELLING:
            _spell(connection, rule, rules, default_country)
    spelling = " ".join(
        f"when {rule.strength} then {_SPELLING[rule.normalise]}"
        for rule in rules.identifiers
        if rule.normalise in _SPELLING
    )
    blocked = " ".join(
        f"when {rule.strength} then regexp_full_match(lower(spelling), ${rule.name})"
        for rule in rules.identifiers
    )
    connection.execute(
        f"""
        create or replace temp table _identity_values as
        with spelled as (
            select value_no, strength, raw_value, country,
                nullif(coalesce(spelling, case strength {spelling} end), '') as spelling
            from _identity_written left join _identity_spelled using (value_no)
        )
        select value_no, strength, raw_value, country,
            case when not case strength {blocked} end then spelling end as identifier_value
        from spelled
        """,
        {rule.name: one_of(_blocked(rule, rules)) for rule in rules.identifiers},
    )
    for table in ("_identity_written", "_identity_spelled", "_identity_spelling"):
        connection.execute(f"drop table if exists {table}")


def _write_mentions(
    connection: duckdb.DuckDBPyConnection, rules: Rules, signals: str, elsewhere: str | None
) -> None:
    """A previous id is an account if it was ever seen as one, else a browser's anonymous id.

    One seen as both is taken as the anonymous id, which ties less.
    """
    others = "union select raw_value from {} where identifier_type = '{}'" if elsewhere else ""
    user_ids, anonymous_ids = (
        f"(select {name} from {signals} {others.format(elsewhere, name)})"
        for name in ("user_id", "anonymous_id")
    )
    connection.execute(
        f"""
        create or replace temp table _identity_accounts as
        select previous_id as value from {signals} where previous_id is not null
        intersect {user_ids}
        except {anonymous_ids}
        """
    )
    strength = {rule.name: rule.strength for rule in rules.identifiers}
    parts = [
        f"""
        select signal_no, {rule.strength}::utinyint as strength, {rule.name} as raw_value,
            {"country" if rule.normalise == "phone" else "null::varchar"} as country,
            false as is_previous
        from {signals} where {rule.name} is not null
        """
        for rule in rules.identifiers
    ]
    connection.execute(
        f"""
        create or replace temp view _identity_mentioned as
        {" union all ".join(parts)}
        union all
        select signal_no,
            case when previous_id in (select value from _identity_accounts)
                then {strength["user_id"]} else {strength["anonymous_id"]} end,
            previous_id, null, true
        from {signals} where previous_id is not null
        """
    )


def _blocked(rule: IdentifierRule, rules: Rules) -> tuple[str, ...]:
    """Patterns of what is no identifier of this type."""
    is_email = rule.normalise == "email"
    own = (f".*@{re.escape(domain)}" for domain in rules.own_domains if is_email)
    return (*rules.blocked, *rule.blocked, *own)


def _spell(
    connection: duckdb.DuckDBPyConnection,
    rule: IdentifierRule,
    rules: Rules,
    default_country: str,
) -> None:
    """Add the spellings of e-mails or phones to _identity_spelled, but no impossible ones."""
    connection.execute(
        f"""
        create or replace temp view _identity_possible as
        select distinct value as raw_value, country from _identity_written
        where strength = {rule.strength} and value is not null
        """
    )
    if rule.normalise == "email":
        normalise_emails(
            connection,
            values="_identity_possible",
            providers=rules.email_providers,
            into="_identity_spelling",
        )
    else:
        normalise_phones(
            connection,
            values="_identity_possible",
            default_country=default_country,
            into="_identity_spelling",
        )
    same_country = "and written.country is not distinct from spelled.country"
    connection.execute(
        f"""
        insert into _identity_spelled
        select written.value_no, spelled.spelling
        from _identity_written as written
        join _identity_spelling as spelled
            on written.value = spelled.raw_value
            {same_country if rule.normalise == "phone" else ""}
        where written.strength = {rule.strength}
        """
    )
    connection.execute("drop view _identity_possible")
