"""Every merge and split since the first build, so that a former id always leads to a present one.

Kinds of a row:

* merge: `from` is gone, and all or most of its identifiers are `to`'s, with those of other persons;
  or alone, where an older identifier came to light or the anchor was lost (ids.py), and the same
  person goes by another id;
* split: identifiers that were `from`'s have left it, for a person of their own or for another one.

A former id leads on through its newest merge: identity.redirects.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import duckdb

from dagster_project.database import DatabaseUnreadableError, connect, read
from dagster_project.errors import PerennialError

logger = logging.getLogger(__name__)

# An identifier that several persons used says nothing of how one of them moved.
_IDENTIFIERS = """
    select profile_id, identifier_type, identifier_value
    from (
        select distinct profile_id, identifier_type, identifier_value
        from marts.customer_identifiers
    ) as held
    qualify count(*) over (partition by identifier_type, identifier_value) = 1
"""
_HISTORY = (
    "select happened_at, kind, from_profile_id, to_profile_id, reason from marts.identity_history"
)
_MEASURES = "select measure, value from meta.identity_measures"
_PERSONS = "select count(distinct profile_id) from marts.customer_identifiers"
_TOLD = {"_identity_past": _HISTORY, "_identity_measured_before": _MEASURES}
_HELD = {"_identity_before": _IDENTIFIERS, "_identity_persons_before": _PERSONS}
_LONGEST_WAY = 1000  # merges that one id can have behind it


def read_previous(
    connection: duckdb.DuckDBPyConnection, previous: Path | None, *, resolution: str | None
) -> bool:
    """Make _identity_past, the history's rows, and _identity_measured_before: measure, value.

    Both are empty where there is no previous build, or one that doesn't know persons yet. True if
    that build is of this `resolution`: then schema identity tells who held what.
    """
    connection.execute(
        """
        create or replace temp table _identity_past (
            happened_at timestamptz, kind varchar, from_profile_id varchar,
            to_profile_id varchar, reason varchar
        );
        create or replace temp table _identity_measured_before (measure varchar, value double)
        """
    )
    with _published(previous) as published:
        if published is None:
            return False
        _read(connection, published, _TOLD)
        return resolution is not None and _resolution(published) == resolution


def read_held(connection: duckdb.DuckDBPyConnection, previous: Path | None) -> None:
    """Make _identity_before: profile_id, identifier_type, value, of the previous build's persons.

    And _identity_persons_before: person_count. Empty as in read_previous.
    """
    connection.execute(
        """
        create or replace temp table _identity_before (
            profile_id varchar, identifier_type varchar, value varchar
        );
        create or replace temp table _identity_persons_before (person_count bigint)
        """
    )
    with _published(previous) as published:
        if published is not None:
            _read(connection, published, _HELD)


@contextmanager
def _published(previous: Path | None) -> Iterator[duckdb.DuckDBPyConnection | None]:
    if previous is None or not previous.exists():
        yield None
        return
    try:
        published = connect(previous, read_only=True)
    except DatabaseUnreadableError as error:
        raise PerennialError(
            f"{previous} can't be read, so merges and splits can't be told from it: restore it, or "
            "delete it to begin the history anew."
        ) from error
    try:
        yield published
    finally:
        published.close()


def _read(
    connection: duckdb.DuckDBPyConnection,
    published: duckdb.DuckDBPyConnection,
    queries: Mapping[str, str],
) -> None:
    for table, query in queries.items():
        try:
            rows = read(published, query)
        except duckdb.CatalogException:
            logger.warning("the build before has no table for %s: taken as empty", table)
            continue
        connection.register("_identity_published", rows)
        connection.execute(f"insert into {table} select * from _identity_published")
        connection.unregister("_identity_published")


def _resolution(published: duckdb.DuckDBPyConnection) -> str | None:
    try:
        row = published.execute("select resolution_id from meta.identity_resolution").fetchone()
    except (duckdb.CatalogException, duckdb.BinderException):
        return None
    return None if row is None else str(row[0])


def write_history(connection: duckdb.DuckDBPyConnection, *, as_of: datetime) -> None:
    """Write identity.history: the past carried forward, and what this build changed.

    Needs _identity_members, _identity_nodes, _identity_link_nodes and identity.demoted.
    """
    _write_moves(connection)
    connection.execute(
        """
        create or replace table identity.history as
        select * from _identity_past
        union
        select $1::timestamptz, kind, from_profile_id, to_profile_id,
            case
                when kind = 'merge' and joined_by is not null then 'joined by ' || joined_by
                when kind = 'merge' and is_alike then 'joined as alike'
                when kind = 'merge' and joins_others then 'joined by identifiers that are new'
                when lost is not null then lost
                when kind = 'merge' then 'an older identifier came to light'
                else 'what joined them is no longer there'
            end
        from _identity_moves
        """,
        [as_of],
    )


def _write_moves(connection: duckdb.DuckDBPyConnection) -> None:
    """_identity_moves: one row a former and a present id that share identifiers and differ.

    A former id has one successor if it's gone: who holds most of its identifiers now.
    """
    connection.execute(
        """
        create or replace temp table _identity_moves as
        with known as (
            select before.profile_id as former, nodes.node
            from _identity_before as before
            join _identity_nodes as nodes using (identifier_type, value)
        ),
        kept as (
            select known.former, members.profile_id as present, known.node
            from known join _identity_members as members using (node)
        ),
        changed as (
            select former, present, count(*) as identifier_count
            from kept
            group by former, present
        ),
        crossing as (
            select least(one.former, other.former) as one, greatest(one.former, other.former)
                as other, min(links.strength) as strength
            from (
                select link.from_node, link.to_node,
                    case when link.probability is null then tied.strength end as strength
                from _identity_link_nodes as link
                join _identity_nodes as tied on tied.node = link.to_node
            ) as links
            join kept as one on one.node = links.from_node
            join kept as other on other.node = links.to_node and other.former <> one.former
            group by all
        ),
        joined as (
            select former, min(strength) as strength, count(*) > count(strength) as is_alike
            from (
                select one as former, strength from crossing
                union all
                select other, strength from crossing
            ) as sides
            group by former
        ),
        lost as (
            select before.profile_id as former,
                case when bool_and(gone.is_passed_on) then 'passed on: ' else 'demoted: ' end
                    || string_agg(distinct gone.identifier_type, ', '
                        order by gone.identifier_type) as identifier_types
            from _identity_before as before
            join (
                select identifier_type, identifier_value, false as is_passed_on
                from identity.demoted
                union
                select identifier_type, identifier_value, true from identity.identifiers
                where held_until is not null
            ) as gone
                on gone.identifier_type = before.identifier_type
                and gone.identifier_value = before.value
            group by before.profile_id
        ),
        ranked as (
            select changed.*,
                former in (select profile_id from _identity_members) as is_still_there,
                row_number() over (
                    partition by former order by identifier_count desc, present
                ) = 1 as holds_most,
                count(*) over (partition by present) > 1 as joins_others
            from changed
        )
        select ranked.former as from_profile_id, ranked.present as to_profile_id,
            case
                when ranked.is_still_there or not ranked.holds_most then 'split'
                else 'merge'
            end as kind,
            ranked.joins_others,
            strengths.identifier_type as joined_by,
            coalesce(joined.is_alike, false) as is_alike,
            lost.identifier_types as lost
        from ranked
        left join joined on joined.former = ranked.former
        left join (select distinct strength, identifier_type from _identity_nodes) as strengths
            on strengths.strength = joined.strength
        left join lost on lost.former = ranked.former
        where ranked.former <> ranked.present
        """
    )


def write_redirects(connection: duckdb.DuckDBPyConnection) -> None:
    """Write identity.redirects: one row a former id: former_profile_id, profile_id, since.

    profile_id is the present person; an id that is in use again leads nowhere else. An id whose
    person has left the data altogether isn't listed.
    """
    connection.execute(
        f"""
        create or replace table identity.redirects as
        with recursive steps as (
            select from_profile_id, to_profile_id, happened_at
            from identity.history
            where kind = 'merge'
            qualify row_number() over (
                partition by from_profile_id order by happened_at desc, to_profile_id
            ) = 1
        ),
        present as (
            select profile_id from identity.profiles
            where profile_id in (
                select from_profile_id from steps union select to_profile_id from steps
            )
        ),
        ways as (
            select from_profile_id as former_profile_id, to_profile_id as profile_id,
                happened_at as since, 1 as step
            from steps
            where from_profile_id not in (select profile_id from present)
            union all
            select ways.former_profile_id, steps.to_profile_id, ways.since, ways.step + 1
            from ways
            join steps on steps.from_profile_id = ways.profile_id
            where ways.profile_id not in (select profile_id from present)
                and ways.step < {_LONGEST_WAY}
        )
        select former_profile_id, profile_id, since
        from ways
        where profile_id in (select profile_id from present)
        """
    )
