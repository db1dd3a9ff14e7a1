"""What identity came to, for people to look at: counts, and one person as an example.

The counts hold nothing personal; the rows of the example do, and are there to be drawn only.
"""

from dataclasses import dataclass
from typing import Any

import duckdb

from dagster_project.database import read

Row = dict[str, Any]

_SIZES = """
    select case
            when identifier_count <= 4 then identifier_count::varchar
            when identifier_count <= 8 then '5 to 8'
            when identifier_count <= 16 then '9 to 16'
            when identifier_count <= 32 then '17 to 32'
            else 'more than 32'
        end as identifiers,
        count(*) as persons
    from identity.profiles
    group by identifiers
    order by min(identifier_count)
"""
_KINDS = """
    select from_type, to_type, rule, count(*) as links
    from identity.links
    group by all
    order by links desc, from_type, to_type, rule
"""

# An example fits on a screen; among so many the one with the most kinds of ties is looked for.
_EXAMPLE = """
    with candidates as (
        select profile_id from identity.profiles
        where identifier_count between 2 and 16
        order by identifier_count desc, profile_id
        limit 1000
    )
    select profile_id
    from candidates
    join identity.identifiers as identifiers using (profile_id)
    left join identity.ties as ties using (identifier_type, identifier_value)
    group by profile_id
    order by count(distinct ties.joined_by) desc, bool_or(ties.joined_by = 'alike') desc,
        count(distinct identifier_type) desc,
        count(*), profile_id
    limit 1
"""
_IDENTIFIERS = """
    select identifier_type, identifier_value,
        arg_min(identifiers.source, (first_seen_at, identifiers.source)) as source,
        min(first_seen_at) as first_seen_at, sum(record_count)::bigint as record_count,
        bool_or(is_demoted) as is_demoted,
        joined_to_type, joined_to_value, joined_by, joined_via, joined_at, joined_score,
        steps_to_anchor, person_count, person_limit
    from identity.identifiers as identifiers
    left join identity.ties as ties using (identifier_type, identifier_value)
    left join identity.demoted as demoted using (identifier_type, identifier_value)
    where profile_id = $id
    group by all
"""
_OWN = """(
    select row(identifier_type, identifier_value) from identity.identifiers where profile_id = $id
)"""
_LINKS = f"""
    select * from identity.links
    where row(from_type, from_value) in {_OWN} and row(to_type, to_value) in {_OWN}
"""
_CUT_LINKS = f"""
    select * from identity.cut_links
    where row(from_type, from_value) in {_OWN} or row(to_type, to_value) in {_OWN}
    order by all
"""
_REVIEW = """
    select * from identity.review where $id in (from_profile_id, to_profile_id) order by all
"""


@dataclass(frozen=True)
class Example:
    """One person, in the columns that the marts have."""

    identifiers: list[Row]
    links: list[Row]
    cut_links: list[Row]
    review: list[Row]


def sizes(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """How many persons have how many identifiers: identifiers, persons; the fewest first."""
    return _rows(connection, _SIZES)


def kinds(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """What links what: from_type, to_type, rule, links; the most frequent first."""
    return _rows(connection, _KINDS)


def example(connection: duckdb.DuckDBPyConnection) -> Example | None:
    """A person in whom many kinds of ties meet; None where nobody has two identifiers."""
    found = connection.execute(_EXAMPLE).fetchone()
    if found is None:
        return None
    queries = (_IDENTIFIERS, _LINKS, _CUT_LINKS, _REVIEW)
    return Example(*(_rows(connection, query, {"id": found[0]}) for query in queries))


def _rows(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Row | None = None
) -> list[Row]:
    found: list[Row] = read(connection, query, parameters).to_pylist()
    return found
