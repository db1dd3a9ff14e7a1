"""A build that judges those anew whom new records reach, and leaves everybody else as they are.

What is resolved so is what a resolution of everything would give, table for table. Signals are
compared with those of the last resolution by a fingerprint; the identifiers of those that are new,
gone or changed lead to persons, these to their neighbours (neighbours.py), and all of these
persons' signals are resolved as if there were no others, in a database in memory. Registrations
that are like one of theirs draw their persons in, until nobody is missing. Then the rows of these
persons are replaced in schema identity, in one transaction.

Everything is judged anew when that is less work, when anything changed that all judgements hang on,
and every few days: only then is an identifier of a crowd judged again.
"""

import hashlib
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import duckdb

from dagster_project.identity.arrow import texts, write_table
from dagster_project.identity.overrides import Override
from dagster_project.identity.rules import Rules
from dagster_project.identity.tables import SCHEMAS, SIGNALS, fingerprint

# Rounds of drawing in those who are alike; more of them are no increment any more.
MOST_ROUNDS = 5
_PART = "identity_part"
# What spells, compares and joins: another version of it may judge otherwise.
_LIBRARIES = ("duckdb", "email-validator", "numpy", "phonenumbers", "scipy", "splink")


@dataclass(frozen=True, slots=True)
class State:
    """What a resolution leaves for the next: its id, when all was judged last, and by what."""

    resolution_id: str
    judged_all_at: datetime
    digest: str


def digest(*parts: object) -> str:
    """One text of everything that judgements hang on beside the signals; of this code, too."""
    code = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    told = repr(([version(name) for name in _LIBRARIES], *parts)).encode()
    return hashlib.sha256(b"\0".join([*code, told])).hexdigest()


def _read_state(connection: duckdb.DuckDBPyConnection) -> State | None:
    """What the last resolution left in this warehouse, if there was one."""
    try:
        row = connection.execute(
            "select resolution_id, judged_all_at, digest from identity_state.resolution"
        ).fetchone()
    except (duckdb.CatalogException, duckdb.BinderException):
        return None
    return None if row is None or None in row else State(*row)


def write_state(
    connection: duckdb.DuckDBPyConnection, *, judged_all_at: datetime, digest: str
) -> None:
    """Write identity_state.resolution, one row."""
    connection.execute(
        """
        create or replace table identity_state.resolution as
        select $1 as resolution_id, $2::timestamptz as judged_all_at, $3 as digest
        """,
        [str(uuid.uuid4()), judged_all_at, digest],
    )


_REACHED = "profile_id in (from _identity_reached)"
_FORMER = "(from_type, from_value) in (from _identity_former)"
_NEAR = "neighbourhood in (from _identity_neighbourhoods)"
# What of each table is replaced by what was judged anew.
_OUTDATED = {
    "identity.resolved": "fingerprint in (from _identity_outdated)",
    "identity.profiles": _REACHED,
    "identity.identifiers": _REACHED,
    "identity.links": _FORMER,
    "identity.cut_links": _FORMER,
    "identity.review": f"from_{_REACHED}",
    "identity.demoted": f"""(identifier_type, identifier_value) in (
        select identifier_type, identifier_value from identity_state.neighbours where {_NEAR}
    )""",
    "identity.normalised": """(identifier_type, identifier_value) in (
        select held.identifier_type, held.value
        from _identity_held as held
        anti join _identity_known as known
            on known.identifier_type = held.identifier_type
            and known.identifier_value = held.value
    )""",
    "identity_state.neighbours": _NEAR,
    "identity_state.residents": _REACHED,
    "identity_state.records": "(identifier_type, identifier_value) in (from _identity_former)",
}


class NoIncrementError(Exception):
    """Everything has to be judged anew; the text says why."""


def go_on(
    connection: duckdb.DuckDBPyConnection,
    digest: str,
    *,
    as_of: datetime,
    rules: Rules,
    full: bool,
) -> State:
    """What an increment goes on from, or NoIncrementError."""
    state = _read_state(connection)
    if full:
        raise NoIncrementError("it was asked for")
    if state is None:
        raise NoIncrementError("there is no resolution to go on from")
    if missing := _missing(connection):
        raise NoIncrementError(f"what the last resolution left lacks {', '.join(missing)}")
    if state.digest != digest:
        raise NoIncrementError(
            "the rules, the model, the overrides, a setting or Perennial changed"
        )
    if as_of < state.judged_all_at:
        raise NoIncrementError("all were judged as of a later time")
    if as_of - state.judged_all_at >= timedelta(days=rules.increment_days):
        raise NoIncrementError(f"it is {rules.increment_days} days since all were judged")
    return state


def _missing(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Tables of the last resolution that aren't there any more."""
    found = connection.execute(
        "select schema_name || '.' || table_name from duckdb_tables() "
        "where database_name = current_database()"
    ).fetchall()
    return sorted(_OUTDATED.keys() - {name for (name,) in found})


def know_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    """Make what `reach` makes of crowds, empty: everything is judged by all that is said of it."""
    connection.execute(
        """
        create or replace temp table _identity_known (
            identifier_type varchar, identifier_value varchar, reason varchar,
            person_count bigint, person_limit bigint
        );
        create or replace temp table _identity_elsewhere (
            identifier_type varchar, raw_value varchar
        )
        """
    )


def compare(connection: duckdb.DuckDBPyConnection, rules: Rules) -> None:
    """Make _identity_fresh (place, fingerprint), what staging has, and how it differs.

    _identity_changed: place, of the signals that are new or changed; _identity_gone: fingerprint,
    profile_id, of those that are gone or were otherwise. A place is a rowid of staging.
    """
    try:
        names = connection.table(SIGNALS).columns
    except duckdb.CatalogException as error:
        raise NoIncrementError("staging isn't there") from error
    connection.execute(
        f"""
        create or replace temp table _identity_fresh as
        select rowid as place, {fingerprint(names)} as fingerprint from {SIGNALS} as signals;
        create or replace temp table _identity_differing as
        select fresh.place, coalesce(fresh.fingerprint, former.fingerprint) as fingerprint,
            former.profile_id
        from _identity_fresh as fresh
        full join identity.resolved as former on former.fingerprint = fresh.fingerprint
        where fresh.fingerprint is null or former.fingerprint is null;
        create or replace temp table _identity_changed as
        select place from _identity_differing where place is not null;
        create or replace temp table _identity_gone as
        select fingerprint, profile_id from _identity_differing where place is null;
        drop table _identity_differing
        """
    )
    count, former = (_count(connection, of) for of in ("_identity_fresh", "identity.resolved"))
    if count < rules.increment_signals:
        raise NoIncrementError(f"{count} signals are so few that it is as quick")
    differ = _count(connection, "_identity_changed") - _count(connection, "_identity_gone")
    if count - former != differ:
        raise NoIncrementError("a signal is there more often, or less, than before")
    _refuse_large(connection, rules, "_identity_changed")
    _refuse_large(connection, rules, "_identity_gone")


def take_changed(connection: duckdb.DuckDBPyConnection, rules: Rules) -> None:
    """Make _identity_signals of the changed ones alone, with what normalise.py reads of them."""
    read = ("previous_id", "country", *(rule.name for rule in rules.identifiers))
    _take(connection, "_identity_changed", ", ".join(read))


def reach(
    connection: duckdb.DuckDBPyConnection, rules: Rules, overrides: Sequence[Override]
) -> None:
    """Find whom the signals that are new, gone or changed reach, and whom a steward named.

    Needs _identity_values of the changed ones. Makes _identity_known, what crowds share, and
    _identity_elsewhere: identifier_type and raw_value of the accounts and browsers among that.
    """
    types = ", ".join(f"({rule.strength}, '{rule.name}')" for rule in rules.identifiers)
    write_table(
        connection,
        "_identity_named",
        {
            "identifier_type": texts([t for o in overrides for t in (o.from_type, o.to_type)]),
            "spelling": texts([v for o in overrides for v in (o.from_value, o.to_value)]),
        },
    )
    connection.execute(
        f"""
        create or replace temp table _identity_known as
        from identity.demoted
        anti join identity_state.neighbours using (identifier_type, identifier_value);
        create or replace temp table _identity_elsewhere as
        select identifier_type, raw_value
        from identity.normalised semi join _identity_known using (identifier_type, identifier_value)
        where identifier_type in ('user_id', 'anonymous_id');
        create or replace temp table _identity_reached (profile_id varchar);
        create or replace temp table _identity_neighbourhoods (neighbourhood bigint);
        insert into _identity_reached
        select distinct profile_id from _identity_gone where profile_id is not null;
        insert into _identity_neighbourhoods
        select distinct neighbourhood
        from identity_state.neighbours semi join _identity_gone using (fingerprint);
        create or replace temp table _identity_met as
        with written as (
            select types.identifier_type, written.identifier_value
            from _identity_values as written
            join (values {types}) as types (strength, identifier_type) using (strength)
            where written.identifier_value is not null
        )
        from written
        union
        select case identifier_type when 'user_id' then 'anonymous_id' else 'user_id' end,
            identifier_value
        from written where identifier_type in ('user_id', 'anonymous_id')
        union
        select identifier_type, spelling from _identity_named
        union
        select identifier_type, normalised.identifier_value
        from _identity_named as named
        join identity.normalised as normalised using (identifier_type)
        where normalised.raw_value = named.spelling
        """
    )
    _refuse_crowds(connection)
    draw_in(connection)


def _refuse_crowds(connection: duckdb.DuckDBPyConnection) -> None:
    """Only a look at all of a crowd tells what a steward's word or another type means to it."""
    if connection.execute(
        """
        select 1 from _identity_named as named
        join identity.normalised as normalised using (identifier_type)
        semi join _identity_known using (identifier_type, identifier_value)
        where named.spelling in (normalised.raw_value, normalised.identifier_value)
        limit 1
        """
    ).fetchone():
        raise NoIncrementError("an override names what a crowd shares")
    if connection.execute(
        """
        select 1 from _identity_signals as signals
        semi join _identity_elsewhere as elsewhere
            on elsewhere.raw_value = signals.anonymous_id and elsewhere.identifier_type = 'user_id'
        limit 1
        """
    ).fetchone():
        raise NoIncrementError("a browser has the name of an account that a crowd uses")


def draw_in(connection: duckdb.DuckDBPyConnection) -> bool:
    """Reach whoever has an identifier in _identity_met, and all their neighbours; False if none."""
    met = "(identifier_type, identifier_value) in (from _identity_met)"
    connection.execute(
        f"""
        create or replace temp table _identity_drawn as
        select distinct profile_id from identity.identifiers
        where not is_demoted and {met} and profile_id not in (from _identity_reached);
        insert into _identity_neighbourhoods
        select distinct neighbourhood
        from identity_state.neighbours
        where neighbourhood not in (from _identity_neighbourhoods)
            and ({met} or profile_id in (from _identity_drawn)
                or profile_id in (from _identity_reached));
        insert into _identity_drawn
        select profile_id from identity_state.neighbours
        where neighbourhood in (from _identity_neighbourhoods) and profile_id is not null;
        insert into _identity_reached
        select distinct profile_id from _identity_drawn
        where profile_id not in (from _identity_reached)
        """
    )
    return bool(_count(connection, "_identity_met"))


def take_reached(connection: duckdb.DuckDBPyConnection, rules: Rules) -> None:
    """Make _identity_signals of all signals of those reached, and what there was of them before.

    _identity_before, _identity_persons_before (history.py); _identity_former: identifier_type,
    identifier_value of what joined them; _identity_former_records and _identity_others: the records
    of identity_state that are theirs, and all other ones.
    """
    connection.execute(
        """
        create or replace temp table _identity_outdated as
        select fingerprint from identity.resolved
        where profile_id in (from _identity_reached)
        union all
        select fingerprint from identity_state.neighbours
        where neighbourhood in (from _identity_neighbourhoods) and fingerprint is not null
        union all
        select fingerprint from _identity_gone where profile_id is null;
        create or replace temp table _identity_part as
        select place from _identity_fresh semi join _identity_outdated using (fingerprint)
        union all
        select place from _identity_changed
        """
    )
    _refuse_large(connection, rules, "_identity_part")
    _take(connection, "_identity_part")
    connection.execute(
        """
        create or replace temp table _identity_held as
        select distinct profile_id, identifier_type, identifier_value as value, is_demoted
        from identity.identifiers
        where profile_id in (from _identity_reached);
        create or replace temp table _identity_before as
        select profile_id, identifier_type, value
        from (select distinct profile_id, identifier_type, value from _identity_held) as held
        anti join _identity_known as known
            on known.identifier_type = held.identifier_type
            and known.identifier_value = held.value
        qualify count(*) over (partition by identifier_type, value) = 1;
        create or replace temp table _identity_persons_before as
        select count(*) as person_count from identity.profiles;
        create or replace temp table _identity_former as
        select distinct identifier_type, value as identifier_value
        from _identity_held where not is_demoted;
        create or replace temp table _identity_former_records as
        from identity_state.records
        semi join _identity_former using (identifier_type, identifier_value);
        create or replace temp table _identity_others as
        from identity_state.records
        anti join _identity_former using (identifier_type, identifier_value)
        """
    )


@contextmanager
def apart(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let schema identity be one of a database in memory while the block lasts."""
    names = connection.execute("select current_database()").fetchall()
    forget_part(connection)
    connection.execute(f"attach ':memory:' as {_PART}; use {_PART}")
    try:
        for schema in SCHEMAS:
            connection.execute(f"create schema {schema}")
        yield
    finally:
        name = names[0][0].replace('"', '""')
        connection.execute(f'use "{name}"')


def replace_part(connection: duckdb.DuckDBPyConnection) -> None:
    """Put what was resolved apart in the place of what there was of those reached."""
    for table, condition in _OUTDATED.items():
        connection.execute(f"delete from {table} where {condition}")
    anew = {
        "identity.demoted": "anti join identity.demoted using (identifier_type, identifier_value)",
        "identity.normalised": """anti join identity.normalised as known
            on known.identifier_type = part.identifier_type and known.raw_value = part.raw_value
            and known.country is not distinct from part.country""",
    }
    first = "select coalesce(max(neighbourhood), 0) + 1 from identity_state.neighbours"
    for table in _OUTDATED:
        columns = "*"
        if table == "identity_state.neighbours":
            columns = f"* replace (neighbourhood + ({first}) as neighbourhood)"
        connection.execute(
            f"insert into {table} by name select {columns} from {_PART}.{table} as part "
            f"{anew.get(table, '')}"
        )


def forget_part(connection: duckdb.DuckDBPyConnection) -> None:
    """Let the memory go."""
    connection.execute(f"detach database if exists {_PART}")


def _take(connection: duckdb.DuckDBPyConnection, places: str, columns: str = "*") -> None:
    connection.execute(
        f"""
        create or replace temp table _identity_signals as
        select row_number() over () - 1 as signal_no, {columns}
        from {SIGNALS} where rowid in (select place from {places})
        """
    )


def _refuse_large(connection: duckdb.DuckDBPyConnection, rules: Rules, table: str) -> None:
    part, whole = _count(connection, table), _count(connection, "_identity_fresh")
    if part > rules.increment_share * whole:
        raise NoIncrementError(f"{part} of {whole} signals would be judged anew")


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(connection.execute(f"select count(*) from {table}").fetchall()[0][0])
