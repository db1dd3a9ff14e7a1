"""The published file is whole at every moment: the old build or the new one."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from delivery_world import AUDIENCE, World, spec

from dagster_project import database
from dagster_project.publishing import swap
from dagster_project.publishing.published import opened, read_build
from dagster_project.publishing.swap import PublishError


def test_a_published_build_says_which_it_is_and_holds_what_outsiders_read(world: World) -> None:
    with opened(world.published) as connection:
        assert read_build(connection).run_id == "run-1"
        schemas = connection.execute(
            "select distinct schema_name from duckdb_tables() where database_name = 'published' "
            "order by all"
        ).fetchall()
        audiences = connection.execute("select name, channels from published.meta.audiences")
        assert audiences.fetchall() == [(AUDIENCE, ["webhook", "file", "recorder"])]
        gates = connection.execute("select count(*) from published.meta.gates where passed")
        assert gates.fetchall() == [(2,)]
    assert [row[0] for row in schemas] == ["audiences", "marts", "meta"]
    assert not world.published.with_name("published.duckdb.wal").exists()


def test_a_mart_that_is_a_view_is_published_as_rows(world: World) -> None:
    world.build(
        changes=[
            "create schema if not exists intermediate",
            "create or replace table intermediate.t as select 1 as x",
            "create or replace view marts.v as select x from warehouse.intermediate.t",
        ]
    )
    assert world.publish().row_counts["marts.v"] == 1
    world.warehouse.unlink()
    with opened(world.published) as connection:
        assert connection.execute("from published.marts.v").fetchall() == [(1,)]


def test_a_declared_audience_without_a_table_is_not_published(world: World) -> None:
    before = world.published.read_bytes()
    world.build()
    world.spec = spec(name="no_such_table")
    with pytest.raises(PublishError, match="no table for the audience"):
        world.publish()
    assert world.published.read_bytes() == before


def test_a_copy_that_differs_is_not_swapped_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.published.read_bytes()
    world.build(12)
    write = swap._write

    def lossy(*args: object) -> dict[str, int]:
        counts = write(*args)  # type: ignore[arg-type]
        connection = database.connect(args[1])  # type: ignore[arg-type]
        connection.execute("delete from marts.customer_orders where order_id = 'o-p_000003'")
        connection.close()
        return counts

    monkeypatch.setattr(swap, "_write", lossy)
    with pytest.raises(PublishError, match=r"customer_orders has 11 rows .* and 12"):
        world.publish()
    assert world.published.read_bytes() == before
    assert list(world.folder.glob("published.duckdb.*")) == []


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
from delivery_world import World
from dagster_project import database
from dagster_project.publishing import swap
def stop(*_):
    print("here", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
{step} = stop
World(Path({folder!r})).publish()
"""


@pytest.mark.parametrize("step", ["swap._write_meta", "database.put_in_place"])
def test_a_killed_attempt_changes_nothing_and_the_next_cleans_up(world: World, step: str) -> None:
    before = hashlib.sha256(world.published.read_bytes()).hexdigest()
    world.build(12)
    script = KILLED.format(tests=str(Path(__file__).parent), folder=str(world.folder), step=step)
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)

    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, b"here\n")
    assert hashlib.sha256(world.published.read_bytes()).hexdigest() == before
    assert list(world.folder.glob("published.duckdb.*.tmp*"))

    assert world.publish().row_counts["marts.customer_profiles"] == 12
    assert list(world.folder.glob("published.duckdb.*.tmp*")) == []


READER = """
import sys, time
import duckdb
path, stop = sys.argv[1:]
import os
seen = set()
while not os.path.exists(stop):
    c = duckdb.connect(path, read_only=True)
    n = c.execute(
        "select (select count(*) from marts.customer_profiles),"
        " (select count(*) from marts.customer_orders)"
    ).fetchone()
    c.close()
    assert n[0] == n[1], n
    seen.add(n[0])
print(len(seen), flush=True)
"""


def test_readers_never_see_an_error_or_half_a_build(world: World) -> None:
    stop = world.folder / "stop"
    command = [sys.executable, "-c", READER, str(world.published), str(stop)]
    readers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)
    ]
    time.sleep(0.5)
    for people in (20, 30, 40):
        world.rebuild(people)
    stop.touch()
    for reader in readers:
        seen, errors = reader.communicate(timeout=30)
        assert (reader.returncode, errors) == (0, b"")
        assert int(seen) >= 2


def test_a_reader_of_this_process_sees_the_newest_build_after_a_swap(world: World) -> None:
    with opened(world.published) as old:
        world.rebuild(20)
        with opened(world.published) as new:
            counts = [
                c.execute("select count(*) from published.marts.customer_profiles").fetchone()
                for c in (old, new)
            ]
    assert counts == [(10,), (20,)]


def test_only_one_publishes_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, leave = threading.Event(), threading.Event()
    checked = swap._checked

    def slow(*args: object) -> object:
        entered.set()
        leave.wait(10)
        return checked(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(swap, "_checked", slow)
    world.build(12)
    first = threading.Thread(target=world.publish)
    first.start()
    assert entered.wait(10)
    with pytest.raises(database.DatabaseLockedError, match="Publishing is under way"):
        world.publish()
    leave.set()
    first.join(20)
    with opened(world.published) as connection:
        assert read_build(connection).run_id == "run-2"
    assert os.listdir(world.folder).count("published.duckdb") == 1  # noqa: PTH208
