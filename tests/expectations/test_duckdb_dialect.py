"""Results outlive their connection, and a long one never fills the memory."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import Engine, create_engine, inspect, text

from expectations.duckdb_dialect import URL, ResultTooLongError, engine_options
from expectations.runner import validate


@pytest.fixture
def engine() -> Iterator[Engine]:
    with duckdb.connect() as connection:
        connection.execute('create schema s; create table s."at" (id bigint, "at" timestamptz)')
        yield create_engine(URL, **engine_options(connection))


def rows(engine: Engine, count: int):  # noqa: ANN201 - SQLAlchemy's own result
    with engine.connect() as connection:
        return connection.execute(text(f"select i from range({count}) as t(i)"))


def test_a_result_can_be_read_after_its_connection_was_closed(engine: Engine) -> None:
    assert rows(engine, 3).fetchall() == [(0,), (1,), (2,)]
    assert rows(engine, 10_000).fetchmany(20_000)[-1] == (9_999,)


def test_of_a_long_result_the_first_rows_are_there_and_the_rest_is_an_error(
    engine: Engine,
) -> None:
    assert rows(engine, 20_000).fetchmany(200)[-1] == (199,)
    with pytest.raises(ResultTooLongError):
        rows(engine, 20_000).fetchall()
    with pytest.raises(ResultTooLongError):
        rows(engine, 20_000).fetchmany(15_000)
    with pytest.raises(ResultTooLongError):
        list(rows(engine, 20_000))


def test_columns_are_found_whatever_they_are_called(engine: Engine) -> None:
    columns = inspect(engine).get_columns("at", schema="s")

    assert [(column["name"], str(column["type"])) for column in columns] == [
        ("id", "BIGINT"),
        ("at", "TIMESTAMP"),
    ]


def test_a_rule_that_a_whole_table_breaks_is_counted_to_the_last_row(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema marts; create schema raw")
        connection.execute(
            "create table marts.identity_history as select null::timestamptz as happened_at, "
            "'merge' as kind, 'p1' as from_profile_id, 'p1' as to_profile_id from range(50000)"
        )

    (result,) = validate("marts", ["identity_history"], path, context={"as_of": "2026-03-01"})

    failed = {check.name: check.failed_count for check in result.checks if check.failed_count}
    assert failed == {
        "happened_at is never null": 50_000,
        "nobody merges with or splits from themselves": 50_000,
    }
