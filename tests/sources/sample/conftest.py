"""Two small worlds that the tests of this room read: one clean, one dirty, else alike."""

from collections.abc import Callable

import duckdb
import pytest
from sample_worlds import AS_OF

from sources.sample import WorldReport, write_world


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> WorldReport:
    """120 customers with everything they bought."""
    return write_world(tmp_path_factory.mktemp("clean"), customers=120, seed=7, as_of=AS_OF)


@pytest.fixture(scope="session")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> WorldReport:
    """The same, and dirt."""
    return write_world(
        tmp_path_factory.mktemp("dirty"), customers=120, seed=7, as_of=AS_OF, dirty=0.01
    )


@pytest.fixture(scope="session")
def world(clean: WorldReport) -> duckdb.DuckDBPyConnection:
    """The clean world's files as text tables, and its truth, to ask questions of."""
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'")
    landing = clean.landing
    for name, files in {
        "receipt_lines": "pos/receipt_lines/**/*.csv",
        "members": "pos/members/**/*.csv",
        "stores": "pos/stores/*.csv",
        "customers": "erp/customers/**/*.csv.gz",
        "orders": "erp/orders/**/*.csv",
        "tickets": "erp/tickets/**/*.csv",
    }.items():
        con.execute(
            f"create table {name} as from read_csv('{landing}/{files}', all_varchar = true)"
        )
    for name in ("order_lines", "products"):
        con.execute(f"create table {name} as from '{landing}/erp/{name}/**/*.parquet'")
    con.execute(f"create table returns as from read_json('{landing}/erp/returns/**/*.ndjson')")
    con.execute(f"""
        create table events as
        select
            *,
            coalesce(timestamp, originalTimestamp + (receivedAt - sentAt)) as happened_at,
            coalesce(traits ->> 'email', properties ->> 'email', context -> 'traits' ->> 'email')
                as told_email
        from read_json(
            ['{landing}/web/**/*.ndjson', '{landing}/app/**/*.ndjson', '{landing}/app/**/*.gz'],
            format = 'newline_delimited', filename = true,
            columns = {{
                type: 'VARCHAR', messageId: 'VARCHAR', timestamp: 'TIMESTAMPTZ',
                originalTimestamp: 'TIMESTAMPTZ', receivedAt: 'TIMESTAMPTZ', sentAt: 'TIMESTAMPTZ',
                anonymousId: 'VARCHAR', userId: 'VARCHAR', previousId: 'VARCHAR', event: 'VARCHAR',
                name: 'VARCHAR', properties: 'JSON', traits: 'JSON', context: 'JSON'
            }}
        )
    """)
    for path in clean.truth.glob("*.parquet"):
        con.execute(f"create table truth_{path.stem} as from '{path}'")
    return con


@pytest.fixture
def one(world: duckdb.DuckDBPyConnection) -> Callable[[str], object]:
    """The single value of a query on the clean world."""

    def ask(query: str) -> object:
        row = world.execute(query).fetchone()
        assert row is not None
        return row[0]

    return ask
