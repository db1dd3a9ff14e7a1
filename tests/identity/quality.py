"""How well a resolution agrees with the truth of a sample world, counted in pairs.

A pair of records is right if they belong to one person in truth and have one profile. Pairs are
counted from contingency tables, never listed: of n records in a cell, n(n-1)/2 pairs.
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb

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

    def __str__(self) -> str:
        return (
            f"{self.level:<14} {self.things:>9,} things  precision {self.precision:.4f}  "
            f"recall {self.recall:.4f}"
        )


def of_records(connection: duckdb.DuckDBPyConnection, truth: Path) -> Quality:
    """Over all source records that carry at least one identifier, traps included."""
    connection.execute(_RECORDS)
    return _measured(
        connection,
        "records",
        f"""
        select coalesce(truth.person_id, truth.source || truth.record_key) as person_id,
            coalesce(records.profile_id, 'nobody ' || truth.source || truth.record_key)
                as profile_id
        from read_parquet('{truth}/records.parquet') as truth
        join quality_records as records
            on records.source = truth.source and records."table" = truth."table"
            and records.record_key = truth.record_key
        where truth.has_identifier
        """,
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
    everything = _measured(connection, "all aliases", "from quality_aliases")
    return [everything] + [
        _measured(connection, level, f"from quality_aliases where level = '{level}'")
        for level in _ALIASES
    ]


def _measured(connection: duckdb.DuckDBPyConnection, level: str, pairs: str) -> Quality:
    """`pairs` is a query of person_id and profile_id, one row a thing."""
    row = connection.execute(
        f"""
        with cells as (
            select person_id, profile_id, count(*) as n from ({pairs}) group by all
        ),
        persons as (select sum(n) as n from cells group by person_id),
        profiles as (select sum(n) as n from cells group by profile_id)
        select
            coalesce((select sum(n) from cells), 0)::bigint,
            coalesce((select sum(n * (n - 1) / 2) from cells), 0)::bigint,
            coalesce((select sum(n * (n - 1) / 2) from profiles), 0)::bigint,
            coalesce((select sum(n * (n - 1) / 2) from persons), 0)::bigint
        """
    ).fetchone()
    assert row is not None
    return Quality(level, *row)
