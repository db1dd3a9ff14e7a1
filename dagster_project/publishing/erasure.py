"""Erased people: never sent and never loaded again, whichever file or id they come back with.

`forget` keeps salted hashes of the person's ids, so that every later delivery leaves the person out
and tells channels that hold them to remove them, and that no later load takes in a row that names
them. It doesn't delete the person from the published build, the landing zone or what lies in raw
yet (a table that is made anew is without them), nor from the tools beyond their audiences.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from dagster_project.errors import PerennialError
from dagster_project.identity.normalise import normalise
from dagster_project.identity.rules import load_rules
from dagster_project.publishing import ledger as ledger_file
from dagster_project.publishing import published as published_file
from dagster_project.publishing.people import find_person
from dagster_project.publishing.published import CATALOG

_SALT_FACT = "erasure_salt_check"
_HASH = "sha256(concat_ws('|', $salt, {kind}, {value}))"


class SaltChangedError(PerennialError):
    """With another salt, nobody who was erased would be recognised."""


@dataclass(frozen=True)
class ForgetReport:
    """What one erasure did; `holding` is who must be told, as (audience, channel)."""

    profile_id: str
    identifier_count: int
    holding: tuple[tuple[str, str], ...]


def forget(
    published: Path, ledger: Path, identifier: str, salt: str, *, at: datetime
) -> ForgetReport:
    """Exclude a person, named by any identifier, from every later delivery."""
    with ledger_file.opened(ledger) as connection, published_file.attached(connection, published):
        profile_id = find_person(connection, identifier)
        with ledger_file.transaction(connection):
            _keep_salt(connection, salt)
            connection.execute(
                f"""
                insert into erasures
                with subjects as (
                    select 'profile_id' as kind, $profile_id as value
                    union
                    select identifier_type, identifier_value
                    from {CATALOG}.marts.customer_identifiers
                    where profile_id = $profile_id
                )

                select kind, {_HASH.format(kind="kind", value="value")} as hashed, $at
                from subjects
                where hashed not in (select subject_hash from erasures)
                """,
                {"profile_id": profile_id, "salt": salt, "at": at},
            )
        count = ledger_file.scalar(
            connection,
            f"select count(*) from {CATALOG}.marts.customer_identifiers where profile_id = ?",
            [profile_id],
        )
        holding = connection.execute(
            "select audience, channel from membership where profile_id = $id union "
            "select audience, channel from in_doubt where profile_id = $id order by all",
            {"id": profile_id},
        ).fetchall()
    return ForgetReport(profile_id, count, tuple((row[0], row[1]) for row in holding))


def find_erased(connection: duckdb.DuckDBPyConnection, *, salt: str) -> None:
    """Write temp table erased (profile_id): who of temp tables members and held was erased.

    Known by the profile id or by any identifier, so a new profile of the same person counts too.
    """
    connection.execute("create or replace temp table erased (profile_id varchar)")
    if not ledger_file.scalar(connection, "select count(*) from erasures"):
        return
    _require_salt(connection, salt)
    connection.execute(
        f"""
        insert into erased
        with candidates as (
            select profile_id from members
            union
            select profile_id from held
        ),

        subjects as (
            select profile_id, 'profile_id' as kind, profile_id as value
            from candidates
            union all
            select i.profile_id, i.identifier_type, i.identifier_value
            from {CATALOG}.marts.customer_identifiers as i
            semi join candidates on i.profile_id = candidates.profile_id
        )

        select distinct profile_id
        from subjects
        where {_HASH.format(kind="kind", value="value")} in (select subject_hash from erasures)
        """,
        {"salt": salt},
    )


@dataclass(frozen=True)
class ErasedPeople:
    """Who was erased, as hashes of their identifiers; identifiers are compared as identity does."""

    hashes: tuple[str, ...]
    salt: str
    default_country: str

    def among(self, connection: duckdb.DuckDBPyConnection, mentions: str, into: str) -> None:
        """Which of `mentions` (kind, value, country) are theirs, as temp table `into`."""
        rules = load_rules()
        columns = ", ".join(
            f"case when kind = '{rule.name}' then value end as {rule.name}"
            for rule in rules.identifiers
        )
        connection.execute(
            f"""
            create or replace temp table _erasable as
            select row_number() over () as signal_no, {columns}, country,
                null::varchar as previous_id
            from {mentions}
            """
        )
        normalise(connection, rules, signals="_erasable", default_country=self.default_country)
        kinds = " ".join(f"when {rule.strength} then '{rule.name}'" for rule in rules.identifiers)
        connection.execute(
            f"""
            create or replace temp table {into} as
            with named as (
                select case strength {kinds} end as kind, raw_value as value, identifier_value
                from _identity_values
                where identifier_value is not null
            )

            select distinct kind, value
            from named
            where {_HASH.format(kind="kind", value="identifier_value")}
                in (select unnest($hashes::varchar[]))
            """,
            {"salt": self.salt, "hashes": list(self.hashes)},
        )
        connection.execute("drop view _identity_mentioned")
        for table in ("_erasable", "_identity_accounts", "_identity_values"):
            connection.execute(f"drop table {table}")


def read_erased(ledger: Path, *, salt: str, default_country: str) -> ErasedPeople | None:
    """Who was erased so far; None where that is nobody.

    Raises SaltChangedError where nobody who was would be recognised.
    """
    if not ledger.exists():
        return None
    with ledger_file.opened(ledger) as connection:
        found = connection.execute("select distinct subject_hash from erasures").fetchall()
        if not found:
            return None
        _require_salt(connection, salt)
    return ErasedPeople(tuple(row[0] for row in found), salt, default_country)


def _salt_check(salt: str) -> str:
    return hashlib.sha256(f"{salt}|perennial".encode()).hexdigest()


def _keep_salt(connection: duckdb.DuckDBPyConnection, salt: str) -> None:
    if ledger_file.scalar(connection, "select count(*) from erasures"):
        _require_salt(connection, salt)
        return
    connection.execute("delete from facts where name = ?", [_SALT_FACT])
    connection.execute("insert into facts values (?, ?)", [_SALT_FACT, _salt_check(salt)])


def _require_salt(connection: duckdb.DuckDBPyConnection, salt: str) -> None:
    row = connection.execute("select value from facts where name = ?", [_SALT_FACT]).fetchone()
    if row is None or row[0] != _salt_check(salt):
        raise SaltChangedError(
            "The salt isn't the one that people were erased with, so they couldn't be recognised "
            "and nothing was sent or loaded. Set the salt back to what it was."
        )
