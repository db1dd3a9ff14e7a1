"""One wrong record among a million: whom does it join?

Each kind of poison is one more record that carries identifiers of two people who have nothing to
do with each other, and each is resolved alone. Nobody else may change; a value that ten thousand
people use joins nobody at all.

    python tests/identity/poison.py --records 1000000
"""

import argparse
import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb

# Run as a script, its own folder is where Python looks first.
sys.path.insert(0, str(Path(__file__).parents[2]))

from dagster_project.identity import resolve
from tests.benchmarks.identity_world import write_signals

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
TABLE = "staging.stg_identity__signals"

# What the record carries, as SQL over the records `one` and `other` of two people.
POISON = {
    "a receipt with one's card, paid with another's": (
        "pos",
        {"loyalty_id": "one.loyalty_id", "payment_card": "other.payment_card"},
    ),
    "a browser in which another's e-mail was given": (
        "web",
        {"anonymous_id": "one.anonymous_id", "email": "other.email"},
    ),
    "a customer of the ERP with another's card": (
        "erp",
        {"erp_customer_id": "one.erp_customer_id", "loyalty_id": "other.loyalty_id"},
    ),
    "a member with another's e-mail": (
        "pos",
        {"loyalty_id": "one.loyalty_id", "email": "other.email"},
    ),
    "an order from another's browser": (
        "erp",
        {"erp_customer_id": "one.erp_customer_id", "anonymous_id": "other.anonymous_id"},
    ),
    "an alias of another's browser": (
        "web",
        {"anonymous_id": "one.anonymous_id", "previous_id": "other.anonymous_id"},
    ),
}
POPULAR = "an e-mail that ten thousand people use"


def poisoned(connection: duckdb.DuckDBPyConnection, kind: str) -> int:
    """How many persons of the clean build (table clean) are no longer what they were."""
    if kind == POPULAR:
        connection.execute(
            f"""
            insert into {TABLE} by name
            select signal_id || ' poisoned' as signal_id, source, source_table, erp_customer_id,
                'info@shop.example' as email, first_seen_at, last_seen_at, 1 as record_count
            from {TABLE} where erp_customer_id is not null limit 10_000
            """
        )
    else:
        source, carried = POISON[kind]
        columns = ", ".join(f"{value} as {name}" for name, value in carried.items())
        connection.execute(
            f"""
            insert into {TABLE} by name
            with people as (
                select split_part(email, '@', 1) as person, max(anonymous_id) as anonymous_id,
                    max(email) as email, max(erp_customer_id) as erp_customer_id
                from {TABLE} where email is not null group by person
            ),
            full_people as (
                select people.*, receipts.loyalty_id, receipts.payment_card
                from people
                join {TABLE} as receipts
                    on receipts.source = 'pos'
                    and receipts.loyalty_id = (2_000_000_000 + people.person[2:]::bigint)::varchar
                where receipts.payment_card is not null
                order by person limit 2
            )
            select 'poison' as signal_id, '{source}' as source, '{source}_records' as source_table,
                {columns}, timestamptz '2025-06-01 00:00:00+00' as first_seen_at,
                timestamptz '2025-06-01 00:00:00+00' as last_seen_at, 1 as record_count
            from full_people as one join full_people as other on one.person < other.person
            """
        )
    resolve(connection, as_of=AS_OF, default_country="RO", salt="s", previous=None)
    changed = connection.execute(
        """
        with sizes as (select profile_id, count(*) as n from identity.resolved
                where signal_id not like '%poison%' group by profile_id),
        clean_sizes as (select profile_id, count(*) as n from clean group by profile_id),
        moved as (
            select clean.profile_id
            from clean join identity.resolved as now using (signal_id)
            join clean_sizes on clean_sizes.profile_id = clean.profile_id
            left join sizes on sizes.profile_id = now.profile_id
            where now.profile_id is distinct from clean.profile_id
                or sizes.n is distinct from clean_sizes.n
        )
        select count(distinct profile_id) from moved
        """
    ).fetchone()
    connection.execute(f"delete from {TABLE} where signal_id like '%poison%'")
    assert changed is not None
    return int(changed[0])


def clean(connection: duckdb.DuckDBPyConnection, records: int) -> None:
    """The build without poison: table clean (signal_id, profile_id)."""
    write_signals(connection, records)
    resolve(connection, as_of=AS_OF, default_country="RO", salt="s", previous=None)
    connection.execute("create or replace table clean as from identity.resolved")


def main() -> None:
    """Print how many persons each poison changed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    chosen = parser.parse_args()
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        clean(connection, chosen.records)
        for kind in (*POISON, POPULAR):
            began = time.perf_counter()
            changed = poisoned(connection, kind)
            seconds = time.perf_counter() - began
            sys.stdout.write(f"{kind}: {changed} persons changed, {seconds:.1f} s\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(f"{chosen.records:,} records, {peak:.0f} MB at the peak\n")


if __name__ == "__main__":
    main()
