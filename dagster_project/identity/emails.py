"""E-mail addresses in one spelling for each mailbox: lower case, by the provider's rule.

Plain addresses are recognised by SQL; the rest (other scripts, odd punctuation, special domains)
is asked of email-validator, which never looks anything up in DNS here.
"""

import re

import duckdb
from email_validator import SPECIAL_USE_DOMAIN_NAMES, validate_email

from dagster_project.database import read
from dagster_project.identity.arrow import texts, write_table
from dagster_project.identity.rules import EmailProvider

# Dot-atoms of unquoted characters, labels without "--" or a hyphen at either end, a top-level
# domain of letters: the part of RFC 5321 that email-validator accepts too, whatever its options.
_PLAIN = (
    r"[a-z0-9_'+\-]+(\.[a-z0-9_'+\-]+)*"
    r"@([a-z0-9](-?[a-z0-9])*\.)+[a-z]{2,}"
)
# Names reserved for special use: email-validator decides.
_SPECIAL = rf"[@.]({'|'.join(re.escape(name) for name in SPECIAL_USE_DOMAIN_NAMES)})$"
_LONGEST = 254


def normalise_emails(
    connection: duckdb.DuckDBPyConnection,
    *,
    values: str,
    providers: tuple[EmailProvider, ...],
    into: str,
) -> None:
    """From `values` (raw_value, distinct) make the temp table `into` (raw_value, spelling)."""
    connection.execute(
        f"""
        create or replace temp table _email_parts as
        with lowered as (select raw_value, lower(raw_value) as lowered from {values})
        select raw_value,
            case
                when regexp_full_match(lowered, $1) and not regexp_matches(lowered, $2)
                    and length(lowered) <= {_LONGEST}
                    and length(split_part(lowered, '@', 1)) <= 64
                    and not regexp_matches(split_part(lowered, '@', 2), '[^.]{{64,}}')
                then lowered
            end as email
        from lowered
        """,
        [_PLAIN, _SPECIAL],
    )
    _ask_library(connection)
    _write_providers(connection, providers)
    connection.execute(
        f"""
        create or replace temp table {into} as
        with parts as (
            select raw_value, email,
                split_part(email, '@', 1) as local_part, split_part(email, '@', 2) as domain
            from _email_parts
        ),
        by_provider as (
            select raw_value, email, coalesce(canonical, parts.domain) as domain,
                case when suffix is null then local_part
                    else split_part(local_part, suffix, 1) end as local_part,
                coalesce(ignore_dots, false) as ignore_dots
            from parts left join _email_providers using (domain)
        ),
        spelled as (
            select raw_value, email, domain,
                case when ignore_dots then replace(local_part, '.', '') else local_part
                end as local_part
            from by_provider
        )
        select raw_value,
            case when local_part <> '' then local_part || '@' || domain end as spelling
        from spelled
        """
    )
    for table in ("_email_parts", "_email_answers", "_email_providers"):
        connection.execute(f"drop table if exists {table}")


def _ask_library(connection: duckdb.DuckDBPyConnection) -> None:
    questions = read(
        connection,
        f"""
        select raw_value from _email_parts
        where email is null and contains(raw_value, '@') and length(raw_value) <= {_LONGEST}
        """,
    )
    answers = [_mailbox(raw) for raw in questions.column("raw_value").to_pylist()]
    write_table(
        connection,
        "_email_answers",
        {"raw_value": questions.column("raw_value"), "email": texts(answers)},
    )
    connection.execute(
        """
        update _email_parts set email = _email_answers.email from _email_answers
        where _email_parts.raw_value = _email_answers.raw_value
        """
    )


def _mailbox(raw_value: str) -> str | None:
    try:
        address = validate_email(raw_value, check_deliverability=False)
    except ValueError:  # EmailNotValidError, and what IDNA says about hostile labels
        return None
    return address.normalized.lower()


def _write_providers(
    connection: duckdb.DuckDBPyConnection, providers: tuple[EmailProvider, ...]
) -> None:
    rows = [(domain, provider) for provider in providers for domain in provider.domains]
    write_table(
        connection,
        "_email_providers",
        {
            "domain": texts([domain for domain, _ in rows]),
            "canonical": texts([provider.canonical for _, provider in rows]),
            "suffix": texts([provider.suffix for _, provider in rows]),
            "ignore_dots": [provider.ignore_dots for _, provider in rows],
        },
    )
