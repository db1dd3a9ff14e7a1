"""How well a resolution agrees with the truth of a sample world, counted in pairs.

A pair of records is right if they belong to one person in truth and have one profile. Pairs are
counted from contingency tables, never listed: of n records in a cell, n(n-1)/2 pairs. B-cubed is
the mean over records of the share of their profile that is theirs (precision), and of the share of
their person's records that is in it (recall): Bagga and Baldwin, 1998.

Run as a script, it makes a world and prints the figures:

    python tests/identity/quality.py --customers 20000
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb
from sample_world import AS_OF, make_world

from dagster_project.database import connect, read
from dagster_project.identity import resolve
from dagster_project.identity.components import component_labels

# The profile of each source record that has a signal, by the truth's keys.
_RECORDS = """
create or replace temp view quality_records as
with records as (
    select 'web' as source, 'events' as "table", event_id as record_key, signal_id
    from staging.stg_web__events
    union all
    select 'app', 'events', event_id, signal_id from staging.stg_app__events
    union all
    select distinct 'pos', 'receipt_lines', receipt_id, signal_id
    from staging.stg_pos__receipt_lines
    union all
    select 'pos', 'members', loyalty_id, signal_id from staging.stg_pos__members
    union all
    select 'erp', 'customers', customer_id, signal_id from staging.stg_erp__customers
    union all
    select 'erp', 'orders', order_id, signal_id from staging.stg_erp__orders
    union all
    select 'erp', 'tickets', ticket_id, signal_id from staging.stg_erp__tickets
)

select records.*, resolved.profile_id
from records left join identity.resolved using (signal_id)
"""

# Aliases that name one thing of one person: an account, a card, a customer, a browser.
_ALIASES = {
    "account": "user_id",
    "member": "loyalty_id",
    "customer": "erp_customer_id",
    "payment card": "payment_card",
    "browser": "anonymous_id",
    "device": "device_id",
}


@dataclass(frozen=True)
class Quality:
    """Pairs right, pairs joined and pairs to be joined, of one kind of thing."""

    level: str
    things: int
    right: int
    joined: int
    true: int
    bcubed_precision: float
    bcubed_recall: float

    @property
    def precision(self) -> float:
        """The share of joined pairs that are right."""
        return self.right / self.joined if self.joined else 1.0

    @property
    def recall(self) -> float:
        """The share of true pairs that were joined."""
        return self.right / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        return 2 * self.right / (self.joined + self.true) if self.joined + self.true else 1.0

    @property
    def bcubed_f1(self) -> float:
        """The harmonic mean of B-cubed precision and recall."""
        return (
            2
            * self.bcubed_precision
            * self.bcubed_recall
            / (self.bcubed_precision + self.bcubed_recall)
        )

    def __str__(self) -> str:
        return (
            f"{self.level:<14} {self.things:>9,} things  precision {self.precision:.4f}  "
            f"recall {self.recall:.4f}  B-cubed F1 {self.bcubed_f1:.4f}"
        )


def of_records(connection: duckdb.DuckDBPyConnection, truth: Path) -> Quality:
    """Over all source records that carry at least one identifier, traps included."""
    _write_records(connection, truth)
    return measure(connection, "records", "select person_id, profile_id from quality_truth")


def ceiling(connection: duckdb.DuckDBPyConnection, truth: Path) -> Quality:
    """The records as one who knows the truth would join them, by what the records carry.

    Each person's records are tied by what they share, but for what several people share; all
    registrations and contacts of a person are one. What paid with a card, or looked at the shop,
    and never told who it is stays alone: no evidence says whose it is.
    """
    _write_records(connection, truth)
    own = f"""
        with kept as (
            select signal_id, erp_customer_id, anonymous_id, user_id, device_id, email, phone,
                loyalty_id, payment_card, tax_id
            from staging.stg_identity__signals
        ),
        carried as (
            unpivot kept on columns (* exclude signal_id) into name kind value identifier
        ),
        usable as (
            select signal_id, kind, coalesce(identifier_value, identifier) as identifier
            from carried
            left join (
                select distinct identifier_type, raw_value, identifier_value
                from identity.normalised
            ) as normalised
                on normalised.identifier_type = carried.kind
                and normalised.raw_value = carried.identifier
            where lower(identifier) not in (
                select lower(identifier_value) from read_parquet('{truth}/identifiers.parquet')
                where is_shared
            )
        ),
        owners as (select distinct person_id, signal_id from quality_truth),
        -- an order's browser has the person of its customer
        placed as (
            select signals.signal_id, owners.person_id
            from usable as signals
            join staging.stg_erp__orders as orders on orders.customer_id = signals.identifier
            join owners on owners.signal_id = orders.signal_id
            where signals.kind = 'erp_customer_id'
            group by all
        ),
        tied as (
            select person_id, signal_id, kind || identifier as identifier
            from usable join (from owners union by name from placed) using (signal_id)
            union
            select person_id, signal_id, 'told'
            from usable join (from owners union by name from placed) using (signal_id)
            where kind in ('erp_customer_id', 'loyalty_id', 'user_id', 'email', 'phone', 'tax_id')
        )
        select person_id, signal_id,
            dense_rank() over (order by person_id, signal_id) - 1 as record,
            dense_rank() over (order by person_id, identifier) - 1 as identifier
        from tied
    """
    tied = read(connection, own)
    record, identifier = tied["record"].to_numpy(), tied["identifier"].to_numpy()
    first = int(record.max()) + 1
    labels = component_labels(first + int(identifier.max()) + 1, record, identifier + first)
    connection.register("quality_tied", tied.append_column("joined", [labels[record]]))
    found = measure(
        connection,
        "ceiling",
        """
        select truth.person_id,
            coalesce('joined ' || tied.joined, 'nobody ' || truth.record_key) as profile_id
        from quality_truth as truth
        left join (select distinct person_id, signal_id, joined from quality_tied) as tied
            using (person_id, signal_id)
        """,
    )
    connection.unregister("quality_tied")
    return found


def _write_records(connection: duckdb.DuckDBPyConnection, truth: Path) -> None:
    """quality_truth: one row a record with an identifier, with whose it is and is said to be."""
    connection.execute(_RECORDS)
    connection.execute(
        f"""
        create or replace temp view quality_truth as
        select coalesce(truth.person_id, truth.source || truth.record_key) as person_id,
            coalesce(records.profile_id, 'nobody ' || truth.source || truth.record_key)
                as profile_id,
            records.signal_id, truth.source || truth.record_key as record_key
        from read_parquet('{truth}/records.parquet') as truth
        join quality_records as records
            on records.source = truth.source and records."table" = truth."table"
            and records.record_key = truth.record_key
        where truth.has_identifier
        """
    )


def of_aliases(connection: duckdb.DuckDBPyConnection, truth: Path) -> list[Quality]:
    """Over each kind of alias that is one person's, and over all of them together."""
    kinds = ", ".join(f"('{level}', '{kind}')" for level, kind in _ALIASES.items())
    connection.execute(
        f"""
        create or replace temp table quality_aliases as
        with kinds (level, identifier_type) as (values {kinds}),
        held as (
            select distinct identifier_type, identifier_value, profile_id
            from identity.identifiers where not is_demoted
        ),
        seen as (
            select distinct identifier_type, raw_value as identifier_value
            from identity.normalised
        )
        select kinds.level, truth.person_id,
            coalesce(held.profile_id, 'nobody ' || truth.identifier_type || truth.identifier_value)
                as profile_id
        from read_parquet('{truth}/identifiers.parquet') as truth
        join kinds using (identifier_type)
        join seen using (identifier_type, identifier_value)
        left join held using (identifier_type, identifier_value)
        where not truth.is_shared
        """
    )
    everything = measure(connection, "all aliases", "from quality_aliases")
    return [everything] + [
        measure(connection, level, f"from quality_aliases where level = '{level}'")
        for level in _ALIASES
    ]


def of_households(connection: duckdb.DuckDBPyConnection, truth: Path) -> Quality:
    """Over all registered persons: a pair is right if they are of one family in truth."""
    return measure(
        connection,
        "households",
        f"""
        select
            coalesce(any_value(people.family_no)::varchar, people.person_id) as person_id,
            coalesce(max(members.household_id), people.person_id) as profile_id
        from read_parquet('{truth}/people.parquet') as people
        join read_parquet('{truth}/identifiers.parquet') as truth
            on truth.person_id = people.person_id and not truth.is_shared
        join identity.identifiers as held
            on held.identifier_type = truth.identifier_type
            and held.identifier_value = truth.identifier_value and not held.is_demoted
        left join identity.household_members as members on members.profile_id = held.profile_id
        where truth.identifier_type in ('loyalty_id', 'erp_customer_id', 'user_id')
        group by people.person_id
        """,
    )


def measure(connection: duckdb.DuckDBPyConnection, level: str, pairs: str) -> Quality:
    """`pairs` is a query of person_id and profile_id, one row a thing."""
    row = connection.execute(
        f"""
        with cells as (
            select person_id, profile_id, count(*) as n from ({pairs}) group by all
        ),
        persons as (select person_id, sum(n) as n from cells group by person_id),
        profiles as (select profile_id, sum(n) as n from cells group by profile_id),
        bcubed as (
            select sum(cells.n * cells.n / profiles.n) / sum(cells.n) as bcubed_precision,
                sum(cells.n * cells.n / persons.n) / sum(cells.n) as bcubed_recall
            from cells join persons using (person_id) join profiles using (profile_id)
        )
        select
            coalesce((select sum(n) from cells), 0)::bigint,
            coalesce((select sum(n * (n - 1) / 2) from cells), 0)::bigint,
            coalesce((select sum(n * (n - 1) / 2) from profiles), 0)::bigint,
            coalesce((select sum(n * (n - 1) / 2) from persons), 0)::bigint,
            coalesce(bcubed_precision, 1)::double,
            coalesce(bcubed_recall, 1)::double
        from bcubed
        """
    ).fetchone()
    assert row is not None
    return Quality(level, *row)


def main() -> None:
    """Make a world, resolve it and print how well that agrees with the truth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, help="an empty folder, or a world made here before")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = chosen.data or Path(folder)
        if not (data / "warehouse.duckdb").exists():
            make_world(data, customers=chosen.customers, seed=chosen.seed)
        with connect(data / "warehouse.duckdb") as connection:
            started = time.perf_counter()
            report = resolve(connection, as_of=AS_OF, default_country="RO", salt="s", previous=None)
            seconds = time.perf_counter() - started
            found = of_records(connection, data / "truth")
            possible = ceiling(connection, data / "truth")
            aliases = of_aliases(connection, data / "truth")
        lines = [found, possible, *aliases]
        share = found.recall / possible.recall
        sys.stdout.write(
            "\n".join(map(str, lines))
            + f"\n{share:.4f} of the recall that the records allow; largest profile "
            + f"{report.largest_profile} identifiers; {seconds:.1f} s\n"
        )


if __name__ == "__main__":
    main()
