"""A build is published, and sent, only when every gate that should have spoken said yes."""

import hashlib
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from delivery_world import AS_OF, EXPECTED, Recorder, World

from dagster_project import database
from dagster_project.publishing import gates
from dagster_project.publishing import ledger as ledger_file
from dagster_project.publishing.gates import GateClosedError, GateKey, GateOutcome
from dagster_project.publishing.published import NotPublishedError


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def change_gates(world: World, statement: str) -> None:
    connection = database.connect(world.warehouse)
    connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "update meta.gates set passed = false where asset = 'audiences/x'",
            r"x · unique \(failed",
        ),
        ("delete from meta.gates where asset = 'audiences/x'", r"x · unique \(did not run"),
        ("delete from meta.gates", r"2 gate\(s\) closed"),
        ("drop table meta.gates", r"2 gate\(s\) closed"),
        # failed, critical, and expected by nobody
        (
            "insert into meta.gates select 'raw', 'raw/web_events', 'a', engine, severity, false, "
            "1, 1, null, run_id, checked_at from meta.gates limit 1",
            r"raw/web_events · a \(failed",
        ),
    ],
)
def test_a_closed_gate_leaves_the_published_file_byte_for_byte(
    world: World, statement: str, words: str
) -> None:
    before = digest(world.published)
    world.build(12)
    change_gates(world, statement)

    with pytest.raises(GateClosedError, match=words) as caught:
        world.publish()

    assert len(caught.value.closed) >= 1
    assert digest(world.published) == before
    assert list(world.folder.glob("*.tmp*")) == []


def test_a_failed_warning_does_not_close(world: World) -> None:
    world.build(12)
    change_gates(
        world,
        "update meta.gates set passed = false, severity = 'warning' where asset = 'audiences/x'",
    )
    assert world.publish().row_counts["marts.customer_profiles"] == 12


def test_building_a_stage_again_forgets_its_gates_and_all_later_ones() -> None:
    connection = duckdb.connect()
    outcomes = [GateOutcome(s, f"{s}/t", "c", "dbt", "critical", True) for s in gates.STAGES]
    gates.record(connection, outcomes, "r", AS_OF)
    expected = [GateKey(o.asset, o.check_name) for o in outcomes]
    assert gates.closed_gates(connection, expected) == []

    gates.invalidate(connection, "intermediate")

    closed = gates.closed_gates(connection, expected)
    assert [(c.key.asset, c.why) for c in closed] == [
        ("audiences/t", "missing"),
        ("calendar/t", "missing"),
        ("intermediate/t", "missing"),
        ("marts/t", "missing"),
        ("prediction/t", "missing"),
    ]
    with pytest.raises(ValueError, match="'mart' is no stage"):
        gates.invalidate(connection, "mart")


def test_a_check_that_runs_again_replaces_its_outcome() -> None:
    connection = duckdb.connect()
    for passed in (True, False):
        outcome = GateOutcome("marts", "marts/t", "c", "dbt", "critical", passed, 1, 2, "1 of 2")
        gates.record(connection, [outcome], "r", AS_OF)
    assert connection.execute("select passed, failed_count from meta.gates").fetchall() == [
        (False, 1)
    ]


def test_nothing_is_sent_after_a_newer_build_was_closed(world: World, recorder: Recorder) -> None:
    ledger_file.record_build(
        world.ledger,
        run_id="run-2",
        outcome="closed",
        closed_gates=["marts/customer_profiles · unique"],
        at=AS_OF,  # clocks may go back: the order of attempts counts
    )
    with pytest.raises(GateClosedError, match=r"run-2.*marts/customer_profiles · unique"):
        world.deliver(recorder)
    with pytest.raises(GateClosedError):
        world.deliver(recorder, approve=True)
    assert recorder.batches == []

    world.rebuild()
    assert world.deliver(recorder).acknowledged_count == 10


@pytest.mark.parametrize(("hours", "is_sent"), [(-1, True), (1, False)])
def test_a_build_that_was_killed_before_it_was_noted_is_known_by_its_time(
    world: World, recorder: Recorder, hours: int, is_sent: bool
) -> None:
    with ledger_file.opened(world.ledger) as connection:
        connection.execute("delete from builds")
    finished_at = duckdb.connect(str(world.published), read_only=True).sql(
        "select finished_at from meta.run"
    )
    row = finished_at.fetchone()
    assert row is not None
    ledger_file.record_build(
        world.ledger, run_id="x", outcome="closed", at=row[0] + timedelta(hours=hours)
    )
    finished_at.close()
    if is_sent:
        assert world.deliver(recorder).acknowledged_count == 10
    else:
        with pytest.raises(GateClosedError):
            world.deliver(recorder)


@pytest.mark.parametrize(
    "statement",
    [
        "update meta.gates set passed = false where asset = 'audiences/x'",
        "delete from meta.gates where asset = 'audiences/x'",
        "drop table meta.gates",
        "drop table meta.expected_gates",
        "delete from meta.expected_gates",
        "drop table meta.run",
    ],
)
def test_a_published_file_that_lost_a_gate_is_not_sent(
    world: World, recorder: Recorder, statement: str
) -> None:
    connection = database.connect(world.published)
    connection.execute(statement)
    connection.close()
    with pytest.raises((GateClosedError, NotPublishedError)):
        world.deliver(recorder)
    assert recorder.batches == []


def test_without_a_published_build_there_is_one_clear_line(
    tmp_path: Path, recorder: Recorder
) -> None:
    world = World(tmp_path)
    with pytest.raises(NotPublishedError, match="isn't there yet: `perennial run` publishes it"):
        world.deliver(recorder)
    (tmp_path / "published.duckdb").write_bytes(b"not a database at all" * 500)
    with pytest.raises(NotPublishedError, match="can't be read as a published build"):
        world.deliver(recorder)


def test_an_empty_list_of_expected_gates_publishes_nothing(world: World) -> None:
    from dagster_project.publishing.swap import PublishError, publish_build

    assert EXPECTED
    with pytest.raises(PublishError, match="No gate is expected"):
        publish_build(
            world.warehouse, world.published, expected=[], audiences=[], finished_at=AS_OF
        )
