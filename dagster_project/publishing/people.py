"""One person of the published build, found by anything that identifies them."""

import duckdb

from dagster_project.errors import PerennialError
from dagster_project.publishing.published import CATALOG


class UnknownPersonError(PerennialError):
    """Nobody in the published build has that identifier."""


class AmbiguousPersonError(PerennialError):
    """Several people have that identifier, each of another type."""


def find_person(connection: duckdb.DuckDBPyConnection, identifier: str) -> str:
    """Return the profile id for a profile id, an identifier, or `type:identifier`.

    The identifier itself is never repeated in an error: it may be an e-mail or a phone number.
    """
    wanted = identifier.strip()
    kind, separator, value = wanted.partition(":")
    rows = connection.execute(
        f"""
        with people as (
            select profile_id, 'profile_id' as identifier_type, profile_id as identifier_value
            from {CATALOG}.marts.customer_profiles
            union all
            select profile_id, identifier_type, identifier_value
            from {CATALOG}.marts.customer_identifiers
        )

        select profile_id, list(distinct identifier_type order by identifier_type)
        from people
        where
            lower(identifier_value) = lower($wanted)
            -- people write phone numbers with blanks, dots and dashes
            or (identifier_type = 'phone'
                and identifier_value = regexp_replace($wanted, '[\\s().-]', '', 'g'))
            or ($is_typed and identifier_type = $kind and lower(identifier_value) = lower($value))
        group by profile_id
        order by profile_id
        """,
        {"wanted": wanted, "kind": kind, "value": value, "is_typed": bool(separator)},
    ).fetchall()
    if not rows:
        raise UnknownPersonError(
            "Nobody in the published build has that identifier. Try another: a profile id, e-mail, "
            "phone (+40…), loyalty card, user id or ERP customer number."
        )
    if len(rows) > 1:
        kinds = sorted({name for _, names in rows for name in names})
        raise AmbiguousPersonError(
            f"{len(rows)} people have that identifier. Say which type is meant, such as "
            f"{kinds[0]}:…; it is found as {', '.join(kinds)}."
        )
    return str(rows[0][0])
