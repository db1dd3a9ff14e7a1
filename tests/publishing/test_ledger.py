"""The ledger: versioned, opened for moments, and nobody's data in it."""

import threading
from pathlib import Path

import pytest
from delivery_world import Recorder, World

from dagster_project import database
from dagster_project.publishing import ledger as ledger_file
from dagster_project.publishing.ledger import LedgerError


def test_opening_it_again_keeps_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "ledger.duckdb"
    for _ in range(2):
        with ledger_file.opened(path) as connection:
            connection.execute("insert into facts values ('a', 'b')")
    with ledger_file.opened(path, read_only=True) as connection:
        assert ledger_file.scalar(connection, "select count(*) from facts") == 2
        assert connection.execute("from ledger_version").fetchall() == [(1,), (2,)]


def test_an_older_ledger_is_brought_to_this_version_and_keeps_its_rows(
    world: World, monkeypatch: pytest.MonkeyPatch, recorder: Recorder
) -> None:
    world.deliver(recorder)
    later = (*ledger_file.MIGRATIONS, "alter table membership add column reference varchar")
    monkeypatch.setattr(ledger_file, "MIGRATIONS", later)
    assert world.query("select count(*), count(reference) from membership") == [(10, 0)]
    assert world.query("select max(version) from ledger_version") == [(3,)]


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = (*ledger_file.MIGRATIONS, "drop table facts; drop table no_such_table")
    with monkeypatch.context() as patch:
        patch.setattr(ledger_file, "MIGRATIONS", broken)
        with pytest.raises(Exception, match="no_such_table"):
            world.query("select 1")
    assert world.query("select count(*) from facts") == [(0,)]


def test_a_newer_ledger_is_left_alone(world: World) -> None:
    world.query("insert into ledger_version values (99)")
    with pytest.raises(LedgerError, match="version 99 and this release knows 2"):
        world.query("select 1")


def test_a_damaged_ledger_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.duckdb"
    path.write_bytes(b"nonsense" * 4096)
    with (
        pytest.raises(database.DatabaseUnreadableError, match="can't be opened"),
        ledger_file.opened(path),
    ):
        pytest.fail("it was opened")


def test_readers_and_writers_of_one_process_wait_for_each_other(world: World) -> None:
    """DuckDB refuses them in one process with another error than across processes."""
    errors: list[BaseException] = []

    def use(read_only: bool) -> None:
        try:
            for _ in range(10):
                with ledger_file.opened(world.ledger, read_only=read_only) as connection:
                    connection.execute("select count(*) from membership").fetchall()
        except BaseException as error:  # noqa: BLE001 - reported by the test below
            errors.append(error)

    threads = [threading.Thread(target=use, args=(i % 2 == 0,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []


def test_the_ledger_holds_no_personal_value(world: World, recorder: Recorder) -> None:
    recorder.refuse = {"p_000001": "p1@example.org is blocked"}
    world.deliver(recorder)
    connection = database.connect(world.ledger)
    tables = [
        row[0] for row in connection.execute("select table_name from duckdb_tables()").fetchall()
    ]
    contents = "".join(str(connection.execute(f"from {t}").fetchall()) for t in tables)
    connection.close()
    assert "p_000001" in contents  # the search finds what is there
    for value in ("example.org", "Ana", "+4072200"):
        assert value not in contents
