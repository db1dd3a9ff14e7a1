"""Everything the published build and the ledger know of one person."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from dagster_project import database
from dagster_project.publishing import ledger as ledger_file
from dagster_project.publishing import published as published_file
from dagster_project.publishing.audience import read_audiences
from dagster_project.publishing.people import find_person
from dagster_project.publishing.published import CATALOG

Row = dict[str, Any]


@dataclass(frozen=True)
class AudienceOfPerson:
    """An audience that the person is in, and the channels that have acknowledged it."""

    name: str
    is_member: bool
    acknowledged_by: tuple[str, ...]


@dataclass(frozen=True)
class PersonView:
    """One person, for people to read; personal by nature, so shown and never logged.

    `links` says which rule joined two identifiers, where the build publishes it.
    """

    profile_id: str
    profile: Row
    identifiers: list[Row]
    links: list[Row]
    history: list[Row]
    orders: list[Row]
    consents: list[Row]
    audiences: list[AudienceOfPerson]
    lifecycle: Row | None
    churn: Row | None


def show(published: Path, ledger: Path, identifier: str) -> PersonView:
    """Show the person whom an identifier names; raises UnknownPersonError if there is none."""
    with published_file.opened(published) as connection:
        profile_id = find_person(connection, identifier)

        def of_person(table: str, order: str) -> list[Row]:
            if not _exists(connection, "marts", table):
                return []
            return _rows(
                connection,
                f"select * from {CATALOG}.marts.{table} where profile_id = $id order by {order}",
                {"id": profile_id},
            )

        members = {
            name: ledger_file.scalar(
                connection,
                f'select count(*) from {CATALOG}.audiences."{name}" where profile_id = ?',
                [profile_id],
            )
            for name in read_audiences(connection)
        }
        profiles = of_person("customer_profiles", "profile_id")
        lifecycle = of_person("customer_lifecycle", "as_of desc")
        churn = of_person("churn_factors", "as_of desc")
        return PersonView(
            profile_id=profile_id,
            profile=profiles[0] if profiles else {"profile_id": profile_id},
            identifiers=of_person("customer_identifiers", "identifier_type, first_seen_at"),
            links=_links(connection, profile_id),
            history=_history(connection, profile_id),
            orders=of_person("customer_orders", "ordered_at desc"),
            consents=of_person("customer_consents", "channel, purpose"),
            audiences=_audiences(ledger, profile_id, members),
            lifecycle=lifecycle[0] if lifecycle else None,
            churn=churn[0] if churn else None,
        )


def _audiences(ledger: Path, profile_id: str, members: dict[str, int]) -> list[AudienceOfPerson]:
    held: dict[str, tuple[str, ...]] = {}
    if ledger.exists():
        with ledger_file.opened(ledger, read_only=True) as connection:
            held = {
                audience: tuple(channels)
                for audience, channels in connection.execute(
                    "select audience, list(channel order by channel) from membership "
                    "where profile_id = ? group by all",
                    [profile_id],
                ).fetchall()
            }
    names = sorted({name for name, count in members.items() if count} | held.keys())
    return [AudienceOfPerson(n, bool(members.get(n)), held.get(n, ())) for n in names]


def _links(connection: duckdb.DuckDBPyConnection, profile_id: str) -> list[Row]:
    """Links between two identifiers of the person, where the build publishes them."""
    if not _exists(connection, "marts", "identity_links"):
        return []
    return _rows(
        connection,
        f"""
        with own as (
            select distinct identifier_type, identifier_value
            from {CATALOG}.marts.customer_identifiers
            where profile_id = $id
        )

        select l.*
        from {CATALOG}.marts.identity_links as l
        semi join own as f
            on l.from_type = f.identifier_type and l.from_value = f.identifier_value
        semi join own as t
            on l.to_type = t.identifier_type and l.to_value = t.identifier_value
        order by l.from_type, l.from_value, l.to_type, l.to_value
        """,
        {"id": profile_id},
    )


def _history(connection: duckdb.DuckDBPyConnection, profile_id: str) -> list[Row]:
    if not _exists(connection, "marts", "identity_history"):
        return []
    return _rows(
        connection,
        f"select * from {CATALOG}.marts.identity_history "
        "where from_profile_id = $id or to_profile_id = $id order by happened_at",
        {"id": profile_id},
    )


def _exists(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    return bool(
        ledger_file.scalar(
            connection,
            "select count(*) from duckdb_tables() "
            "where database_name = ? and schema_name = ? and table_name = ?",
            [CATALOG, schema, table],
        )
    )


def _rows(connection: duckdb.DuckDBPyConnection, query: str, parameters: Row) -> list[Row]:
    rows: list[Row] = database.read(connection, query, parameters).to_pylist()
    return rows
