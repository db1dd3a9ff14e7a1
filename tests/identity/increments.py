"""Ids that last: day after day, after a rebuild from landing alone, after any shuffle of its rows.

python -m tests.identity.increments --days 30 --shuffles 5

A sample world lands day by day, some rows up to twenty days late. Each day is loaded, staged and
resolved as a run does it, as an increment of what the day before published. An identifier whose
person has another id than the day before has to be told by the log, and every id that ever was has
to lead to whoever holds most of its identifiers now.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.database import connect
from dagster_project.identity import load_rules, resolve
from dagster_project.warehouse import Build, begin
from sources import tables
from sources.loader.load import create_views, load_table
from sources.sample import write_world
from tests.identity.landed_rows import Rows, land_shuffled, land_unmoving, read_rows
from tests.identity.sample_world import AS_OF, dbt

# Each day but the first judges no more than those whom it reaches.
RULES = replace(load_rules(), increment_days=10_000, increment_signals=0, increment_share=0.9)
# All that a rebuild has to give back; what happened since is told by history and redirects.
_TABLES = (
    "resolved",
    "profiles",
    "identifiers",
    "links",
    "ties",
    "cut_links",
    "review",
    "demoted",
    "normalised",
)
_LOG = ("history", "redirects")
_MARTS = ("customer_identifiers", "identity_history")


@dataclass
class Day:
    """A day's ids beside those of the day before; the last three should be nought.

    `moved`: identifiers whose person has another id; `unexplained`: those no row of the log tells;
    `needless`: ids given up for one that isn't older, though nothing was demoted; `astray`: former
    ids that don't lead to whoever holds most of their identifiers.
    """

    number: int
    profiles: int
    moved: int
    merges: int
    splits: int
    former: int
    unexplained: int
    needless: int
    astray: int

    @property
    def wrong(self) -> int:
        """What may not be."""
        return self.unexplained + self.needless + self.astray


@dataclass
class Life:
    """A world that lands day by day in one data directory; `every` day is so many days long."""

    folder: Path
    days: int
    every: int
    customers: int
    salt: str = "s"
    forgets: bool = False  # what was published
    rows: list[Rows] = field(init=False)
    models: list[tuple[str, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        world = self.folder / "world"
        write_world(world, customers=self.customers, seed=11, as_of=AS_OF, lines_per_receipt=2)
        last = AS_OF.date() - timedelta(days=1)
        self.rows = read_rows(world / "landing", last, seed=1)

    @property
    def data(self) -> Path:
        """Where the days land."""
        return self.folder / "life"

    def as_of(self, number: int) -> datetime:
        """The end of a day; the last one ends where the world does."""
        return AS_OF - timedelta(days=self.every * (self.days - number))

    def live(self) -> Iterator[Day]:
        """Land, build and publish each day; day 0 is all that was before."""
        land_unmoving(self.folder / "world" / "landing", self.data)
        with duckdb.connect() as memory:
            memory.execute(
                """
                create table ever (profile_id text, kind text, value text);
                create table yesterday (profile_id text, first_seen_at timestamptz)
                """
            )
            for number in range(self.days + 1):
                self._land(number)
                published = None if self.forgets or not number else self._published
                build(self, self.data, as_of=self.as_of(number), previous=published)
                yield self._compare(memory, number)
                shutil.copyfile(self.data / "warehouse.duckdb", self._published)

    def rebuild(self, name: str, *, shuffled: int | None = None, forgetful: bool = True) -> Path:
        """A build of all that landed in a data directory of its own; returns its warehouse.

        `shuffled` is the seed of other orders and files; `forgetful`, without what was published.
        """
        data = self.folder / name
        if shuffled is None:
            shutil.copytree(self.data / "landing", data / "landing")
        else:
            land_unmoving(self.folder / "world" / "landing", data)
            land_shuffled(self.rows, data, shuffled)
        previous = None if forgetful else self._published
        build(self, data, as_of=self.as_of(self.days), previous=previous)
        return data / "warehouse.duckdb"

    def different(self, rebuilt: Path, names: tuple[str, ...] = _TABLES) -> list[str]:
        """Tables of schema identity in which a rebuild isn't row for row what the last day had."""
        with duckdb.connect() as connection:
            connection.execute(f"attach '{self._published}' as life (read_only)")
            connection.execute(f"attach '{rebuilt}' as rebuilt (read_only)")
            return [
                name
                for name in names
                if connection.execute(
                    f"""
                    select count(*) from (
                        (from life.identity.{name} except all from rebuilt.identity.{name})
                        union all
                        (from rebuilt.identity.{name} except all from life.identity.{name})
                    )
                    """
                ).fetchone()
                != (0,)
            ]

    @property
    def _published(self) -> Path:
        return self.data / "published.duckdb"

    def _land(self, number: int) -> None:
        first, last = (self.as_of(n).date() for n in (number - 1, number))
        for rows in self.rows:
            new = [r for r in rows.rows if (number == 0 or r.day >= first) and r.day < last]
            rows.land(self.data, f"day-{number:03}", new, packed=number % 2 == 1)

    def _compare(self, memory: duckdb.DuckDBPyConnection, number: int) -> Day:
        memory.execute(f"attach '{self.data / 'warehouse.duckdb'}' as today (read_only)")
        try:
            memory.execute(_TODAY)
            counts = memory.execute(_COUNTS, [self.as_of(number)]).fetchone()
            memory.execute(_REMEMBER)
        finally:
            memory.execute("detach today")
        assert counts
        return Day(number, *counts)


# One row an identifier, of the one person who holds it today.
_TODAY = """
create or replace table held as
select distinct profile_id, identifier_type as kind, identifier_value as value
from today.identity.identifiers
where not is_demoted
"""
_COUNTS = """
with moved as (
    select ever.profile_id as former, held.profile_id as present
    from ever join held using (kind, value)
    where ever.profile_id <> held.profile_id
        and ever.profile_id in (select profile_id from yesterday)
),
told as (
    select kind, from_profile_id as former, to_profile_id as present, reason
    from today.identity.history where happened_at = $1
),
former as (
    select distinct profile_id from ever where profile_id not in (select profile_id from held)
),
heirs as (
    select ever.profile_id as former, held.profile_id as heir, count(*) as share
    from ever join held using (kind, value)
    where ever.profile_id in (from former)
    group by ever.profile_id, held.profile_id
    qualify rank() over (partition by ever.profile_id order by share desc) = 1
)
select
    (select count(distinct profile_id) from held),
    (select count(*) from moved),
    (select count(*) from told where kind = 'merge'),
    (select count(*) from told where kind = 'split'),
    (select count(*) from former),
    (select count(*) from moved anti join told using (former, present)),
    (
        select count(*)
        from told
        join yesterday as formers on formers.profile_id = told.former
        join today.identity.profiles as presents on presents.profile_id = told.present
        left join yesterday as elders on elders.profile_id = told.present
        where told.kind = 'merge' and told.reason not like 'demoted%'
            and case when elders.profile_id is null
                then presents.first_seen_at >= formers.first_seen_at
                else elders.first_seen_at > formers.first_seen_at end
    ),
    (
        select count(distinct former) from heirs
        where former not in (
            select heirs.former
            from heirs
            join today.identity.redirects as led
                on led.former_profile_id = heirs.former and led.profile_id = heirs.heir
        )
    )
"""
# What each id held last: of those that are there today, today.
_REMEMBER = """
delete from ever where profile_id in (select profile_id from held);
insert into ever from held;
create or replace table yesterday as
select profile_id, first_seen_at from today.identity.profiles
"""


def build(life: Life, data: Path, *, as_of: datetime, previous: Path | None) -> None:
    """Load, stage and resolve what landed, and write the marts that the next history reads."""
    for table in tables():
        load_table(table, data, loaded_at=as_of)
    with connect(data / "warehouse.duckdb") as connection:
        _clear(connection)
        begin(connection, Build("run", as_of, "UTC", "EUR", "RO", as_of))
        create_views(connection, data)
    if not life.models:
        life.models += _compiled(data)
    with connect(data / "warehouse.duckdb") as connection:
        _create(connection, [model for model in life.models if model[1] not in _MARTS])
        resolve(
            connection,
            as_of=as_of,
            default_country="RO",
            salt=life.salt,
            previous=previous,
            rules=RULES,
        )
        _create(connection, [model for model in life.models if model[1] in _MARTS])
        connection.execute("create table meta.identity_measures as from identity.measures")
        connection.execute(
            "create table meta.identity_resolution as "
            "select resolution_id from identity_state.resolution"
        )


def _clear(connection: duckdb.DuckDBPyConnection) -> None:
    """What every run writes anew: all but what identity goes on from."""
    for (schema,) in connection.execute(
        "select distinct schema_name from information_schema.schemata where catalog_name = "
        "current_database() and schema_name not in ('main', 'identity', 'identity_state', "
        "'information_schema', 'pg_catalog')"
    ).fetchall():
        connection.execute(f"drop schema {schema} cascade")


def _compiled(data: Path) -> list[tuple[str, str, str]]:
    """Schema, name and statement of each model, in the order of the graph."""
    outcome: Any = dbt(data, "compile", "--select", "fqn:perennial.staging", *_MARTS).result
    nodes = [result.node for result in outcome.results]
    return [
        (node.schema, node.alias, f"{node.config.materialized} {{}} as {node.compiled_code}")
        for node in nodes
        if node.resource_type == "model"
    ]


def _create(connection: duckdb.DuckDBPyConnection, models: list[tuple[str, str, str]]) -> None:
    for schema, name, statement in models:
        connection.execute(f"create schema if not exists {schema}")
        connection.execute(f"create {statement.replace('{}', f'{schema}.{name}', 1)}")


def main() -> None:
    """Print what became of the ids."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--every", type=int, default=1, help="days that land at a time")
    parser.add_argument("--shuffles", type=int, default=5)
    parser.add_argument("--customers", type=int, default=400)
    chosen = parser.parse_args()
    began, wrong = time.monotonic(), 0

    def say(text: str) -> None:
        print(f"{text}; {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201

    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder), chosen.days, chosen.every, chosen.customers)
        for day in life.live():
            wrong += day.wrong
            say(str(day))
        rebuilds = {
            "rebuilt from landing alone": (life.rebuild("alone"), _TABLES),
            "rebuilt beside what was published": (
                life.rebuild("beside", forgetful=False),
                (*_TABLES, *_LOG),
            ),
        }
        for seed in range(chosen.shuffles):
            rebuilds[f"shuffle {seed}"] = (life.rebuild(f"order-{seed}", shuffled=seed), _TABLES)
        for name, (rebuilt, compared) in rebuilds.items():
            different = life.different(rebuilt, compared)
            wrong += len(different)
            say(f"{name}: {', '.join(different) or 'no table'} of {len(compared)} differs")
    raise SystemExit(wrong != 0)


if __name__ == "__main__":
    main()
