"""One transaction, counts without personal values, errors that say what to do."""

import logging
import os
import signal as signals_of_the_system
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import duckdb
import pytest
from identity_world import AS_OF, customer, member, named, resolved, signal, warehouse

from dagster_project.database import connect
from dagster_project.errors import PerennialError
from dagster_project.identity import IdentityReport, resolve


def run(connection: duckdb.DuckDBPyConnection) -> IdentityReport:
    return resolve(connection, as_of=AS_OF, default_country="RO", salt="s", previous=None)


def test_a_missing_staging_table_says_what_to_build_first() -> None:
    with pytest.raises(PerennialError, match="build the staging models before identity"):
        run(duckdb.connect())


def test_no_temporary_table_is_left_behind() -> None:
    world = resolved([customer("erp", "C1", email="a@example.com")])
    left = world.rows(
        "select table_name from information_schema.tables where table_catalog = 'temp'"
    )
    assert left == []


def test_nothing_personal_is_reported_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = ["ana@example.com", "+40721234567", "Ana", "Popescu", "L-secret"]
    world = resolved(
        [
            member("card", "L-secret", email=secrets[0], phone=secrets[1], **named(*secrets[2:4])),
            member("other", "L2", email=secrets[0], phone=secrets[1], **named("Dragoș", "Ene")),
        ]
    )
    said = caplog.text + str(world.report)
    assert world.report.demoted == {"email": 1, "phone": 1}
    assert not [secret for secret in secrets if secret in said]


def test_a_failure_leaves_the_tables_of_the_run_before(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = warehouse([signal("s", "web", user_id="U1")])
    run(connection)
    before = connection.execute("from identity.resolved").fetchall()
    connection.execute(
        "insert into staging.stg_identity__signals (signal_id, source, user_id, "
        "record_count) values ('t', 'web', 'U2', 1)"
    )
    module = import_module("dagster_project.identity.resolve")
    monkeypatch.setattr(module, "write_redirects", lambda c: c.execute("select * from missing"))
    with pytest.raises(duckdb.Error):
        run(connection)
    assert connection.execute("from identity.resolved").fetchall() == before
    monkeypatch.undo()
    assert run(connection).signals == 2


def test_a_kill_at_any_moment_leaves_the_old_tables_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    old = [signal(f"s{n}", "web", user_id=f"U{n}", email=f"e{n}@example.com") for n in range(400)]
    connection = warehouse(old, path)
    run(connection)
    connection.execute("update staging.stg_identity__signals set email = 'all@example.com'")
    connection.close()
    script = (
        "import sys, pathlib, datetime as dt\n"
        "from dagster_project.database import connect\n"
        "from dagster_project.identity import resolve\n"
        "connection = connect(pathlib.Path(sys.argv[1]))\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    resolve(connection, as_of=dt.datetime(2026, 3, 1, tzinfo=dt.UTC),"
        " default_country='RO', salt='s', previous=None)\n"
    )
    for delay in (0.0, 0.4, 0.8):
        child = subprocess.Popen(
            [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(delay)
        os.kill(child.pid, signals_of_the_system.SIGKILL)
        child.wait()
        with connect(path) as after:
            counted = after.execute(
                "select (select count(*) from identity.resolved), "
                "(select count(*) from identity.links), (select count(*) from identity.demoted)"
            ).fetchone()
        assert counted in {(400, 400, 0), (400, 0, 1)}


def test_one_signal_is_resolved_once_whatever_it_carries() -> None:
    world = resolved(
        [
            signal(
                "all",
                "web",
                user_id="U1",
                anonymous_id="b",
                previous_id="b",
                device_id="d",
                email="a@example.com",
                phone="0721234567",
                loyalty_id="L1",
                erp_customer_id="C1",
                payment_card="p",
                tax_id="T1",
                country="RO",
            ),
            signal("same account twice", "web", user_id="U1", previous_id="U1"),
        ]
    )
    assert world.rows("select count(*), count(distinct signal_id) from identity.resolved") == [
        (2, 2)
    ]
    assert world.same("all", "same account twice")
    assert world.rows("select identifier_count from identity.profiles") == [(9,)]


def test_unknown_times_and_counts_break_nothing() -> None:
    world = resolved(
        [
            signal("s", "web", user_id="U1", first_seen_at=None, last_seen_at=None),
            signal("t", "web", user_id="U1", anonymous_id="b"),
        ]
    )
    assert world.same("s", "t")
