"""Tombstones: salted hashes by which erased people are known, whichever file or id they come with.

Every later delivery leaves them out, and no later load takes in a row that names them. A tombstone
says nothing of the person to whoever hasn't both the salt and the identifier.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from dagster_project.errors import PerennialError
from dagster_project.identity.normalise import normalise
from dagster_project.identity.rules import load_rules
from dagster_project.publishing import ledger as ledger_file
from dagster_project.publishing.published import CATALOG

PROFILE = "profile_id"

_SALT_FACT = "erasure_salt_check"
_HASH = "sha256(concat_ws('|', $salt, {kind}, {value}))"
# Somebody else's records carry it too: it names the person where nothing else is named.
_SHARED = "shared "


class SaltChangedError(PerennialError):
    """With another salt, nobody who was erased would be recognised."""


@dataclass(frozen=True)
class ErasedPeople:
    """Who was erased, as hashes of their identifiers; identifiers are compared as identity does."""

    hashes: tuple[str, ...]
    salt: str
    default_country: str

    def among(self, connection: duckdb.DuckDBPyConnection, mentions: str, into: str) -> None:
        """Which of `mentions` (kind, value, country) are theirs, as temp table `into`.

        Its columns are kind, value and is_shared, as sources.loader.erasure has it.
        """
        write_compared(connection, mentions, default_country=self.default_country)
        own, shared = (
            _HASH.format(kind=kind, value="identifier_value")
            for kind in ("kind", f"'{_SHARED}' || kind")
        )
        connection.execute(
            f"""
            create or replace temp table {into} as
            with hashes as (
                select unnest($hashes::varchar[]) as hashed
            )

            select distinct kind, value, {own} not in (from hashes) as is_shared
            from _compared
            where {own} in (from hashes) or {shared} in (from hashes)
            """,
            {"salt": self.salt, "hashes": list(self.hashes)},
        )
        connection.execute("drop table _compared")


def write_compared(
    connection: duckdb.DuckDBPyConnection, mentions: str, *, default_country: str
) -> None:
    """Make _compared (kind, value, identifier_value): `mentions` and what identity makes of each.

    What is no identifier, or nobody's, isn't in it.
    """
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
    normalise(connection, rules, signals="_erasable", default_country=default_country)
    kinds = " ".join(f"when {rule.strength} then '{rule.name}'" for rule in rules.identifiers)
    connection.execute(
        f"""
        create or replace temp table _compared as
        select case strength {kinds} end as kind, raw_value as value, identifier_value
        from _identity_values
        where identifier_value is not null
        """
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


def write_tombstones(
    connection: duckdb.DuckDBPyConnection,
    subjects: Iterable[tuple[str, str, bool]],
    *,
    salt: str,
    at: datetime,
) -> None:
    """Keep the hashes of (kind, value, whether it is shared), within the ledger's transaction."""
    _keep_salt(connection, salt)
    for kind, value, is_shared in subjects:
        connection.execute(
            f"""
            insert into erasures
            select $kind, {_HASH.format(kind="$hashed_kind", value="$value")} as hashed, $at
            where hashed not in (select subject_hash from erasures)
            """,
            {
                "kind": kind,
                "hashed_kind": _SHARED + kind if is_shared else kind,
                "value": value,
                "salt": salt,
                "at": at,
            },
        )


def is_erased(connection: duckdb.DuckDBPyConnection, erased: ErasedPeople, identifier: str) -> bool:
    """Whether an identifier as somebody typed it is an erased person's."""
    wanted = identifier.strip()
    kind, _, value = wanted.partition(":")
    kinds = [rule.name for rule in load_rules().identifiers]
    connection.execute("create or replace temp table _typed (kind varchar, value varchar)")
    connection.executemany(
        "insert into _typed values (?, ?)",
        [(name, wanted) for name in kinds] + [(kind, value or wanted)],
    )
    erased.among(
        connection, "(select *, null::varchar as country from _typed)", "_typed_and_erased"
    )
    if ledger_file.scalar(connection, "select count(*) from _typed_and_erased where not is_shared"):
        return True
    return hashed(wanted, kind=PROFILE, salt=erased.salt) in erased.hashes


def hashed(value: str, *, kind: str, salt: str) -> str:
    """The hash of one identifier, as the ledger keeps it."""
    return hashlib.sha256(f"{salt}|{kind}|{value}".encode()).hexdigest()


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
            select profile_id, '{PROFILE}' as kind, profile_id as value
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
