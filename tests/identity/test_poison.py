"""A wrong record costs at most the two people whose identifiers it carries."""

from collections.abc import Iterator

import duckdb
import pytest
from poison import POISON, POPULAR, clean, poisoned

RECORDS = 48_000


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        clean(connection, RECORDS)
        yield connection


@pytest.mark.parametrize("kind", POISON)
def test_one_wrong_record_changes_nobody_but_the_two_it_names(
    connection: duckdb.DuckDBPyConnection, kind: str
) -> None:
    assert poisoned(connection, kind) <= 2


def test_a_value_that_everybody_uses_changes_nobody(connection: duckdb.DuckDBPyConnection) -> None:
    assert poisoned(connection, POPULAR) == 0


def test_the_count_sees_a_world_in_which_everybody_changed(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    connection.execute("create table kept as from clean")
    connection.execute("update clean set profile_id = signal_id")
    assert poisoned(connection, next(iter(POISON))) == RECORDS
    connection.execute("create or replace table clean as from kept")
