"""One person of the published build, found by anything that identifies them."""

from dataclasses import dataclass

import duckdb

from dagster_project.errors import PerennialError
from dagster_project.publishing.published import CATALOG, has_table


class UnknownPersonError(PerennialError):
    """Nobody in the published build has that identifier."""


class AmbiguousPersonError(PerennialError):
    """Several people have that identifier."""


@dataclass(frozen=True)
class Found:
    """A person, and by what they were found: an identifier, `profile_id` or `order`."""

    profile_id: str
    identifier_type: str
    identifier_value: str


def find_person(connection: duckdb.DuckDBPyConnection, identifier: str) -> str:
    """Return the profile id for what `find` takes."""
    return find(connection, identifier).profile_id


def find(connection: duckdb.DuckDBPyConnection, identifier: str) -> Found:
    """Find who is meant by a profile id, also a former one, an identifier or an order number.

    `type:identifier` says which type is meant; an order number counts where no identifier is like
    it. What was given is never repeated in an error: it may be an e-mail or a phone number.
    """
    wanted = identifier.strip()
    names = ["select profile_id, 'profile_id', profile_id from {0}.customer_profiles"]
    names += [
        # What was passed on is its present holder's.
        "select profile_id, identifier_type, identifier_value from {0}.customer_identifiers "
        "qualify not is_demoted or bool_and(is_demoted) over "
        "(partition by identifier_type, identifier_value)"
    ]
    if has_table(connection, "marts", "identity_redirects"):
        names += ["select profile_id, 'profile_id', former_profile_id from {0}.identity_redirects"]
    orders = "select profile_id, 'order', order_id from {0}.customer_orders where profile_id <> ''"
    found = _matching(connection, names, wanted) or _matching(connection, [orders], wanted)
    if not found:
        raise UnknownPersonError(
            "Nobody in the published build has that identifier. Try another: a profile id, e-mail, "
            "phone (+40…), loyalty card, user id, ERP customer number or order number."
        )
    people = {match.profile_id for match in found}
    kinds = sorted({match.identifier_type for match in found})
    if len(people) > 1 and len(kinds) == 1:
        raise AmbiguousPersonError(
            f"{len(people)} people share that identifier, so it joins nobody. Name the one you mean"
            " by another."
        )
    if len(people) > 1:
        raise AmbiguousPersonError(
            f"{len(people)} people have that identifier. Say which type is meant, such as "
            f"{kinds[0]}:…; it is found as {', '.join(kinds)}."
        )
    return found[0]


def _matching(connection: duckdb.DuckDBPyConnection, names: list[str], wanted: str) -> list[Found]:
    kind, separator, value = wanted.partition(":")
    union = " union all ".join(names).format(f"{CATALOG}.marts")
    rows = connection.execute(
        f"""
        with people (profile_id, identifier_type, identifier_value) as ({union})

        select distinct profile_id, identifier_type, identifier_value
        from people
        where
            lower(identifier_value) = lower($wanted)
            -- people write phone numbers with blanks, dots and dashes
            or (identifier_type = 'phone'
                and identifier_value = regexp_replace($wanted, '[\\s().-]', '', 'g'))
            or ($is_typed and identifier_type = $kind and lower(identifier_value) = lower($value))
        order by all
        """,
        {"wanted": wanted, "kind": kind, "value": value, "is_typed": bool(separator)},
    ).fetchall()
    return [Found(*row) for row in rows]
