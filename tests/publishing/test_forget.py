"""One person forgotten: by everybody who was told of them, in every file, for ever."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from delivery_world import AUDIENCE, SALT, Recorder, World

from dagster_project import database
from dagster_project.channels.base import RetriableError
from dagster_project.channels.file import FileChannel, FileSettings
from dagster_project.publishing import ledger as ledger_file
from dagster_project.publishing.erasure.forget import ErasureIncompleteError
from dagster_project.publishing.erasure.search import Search
from dagster_project.publishing.erasure.subject import FOLDER
from dagster_project.publishing.erasure.tombstones import SaltChangedError
from dagster_project.publishing.people import UnknownPersonError
from dagster_project.publishing.status import status
from sources.loader.mentions import ERASED, pattern

VALUES = ("p3@example.org", "+40722000003")
MARTS = ("customer_profiles", "customer_identifiers", "customer_consents")


def left(world: World) -> dict[str, int]:
    """Files that hold the person, by place."""
    return dict(Search(VALUES).everywhere(world.folder))


def test_a_forgotten_person_is_in_no_file_and_others_stay(world: World, recorder: Recorder) -> None:
    world.deliver(recorder)
    assert set(left(world)) == {"published.duckdb", "warehouse.duckdb"}

    report = world.forget("p3@example.org", recorder)
    assert left(world) == {}
    assert report.found["published rows"] == 8
    assert report.identifier_count == 2
    assert not world.warehouse.exists()
    assert not list((world.folder / FOLDER).iterdir())
    with duckdb.connect(str(world.published), read_only=True) as connection:
        for table in ("marts.customer_profiles", f"audiences.{AUDIENCE}"):
            assert connection.execute(f"select count(*) from {table}").fetchone() == (9,)


def test_channels_are_told_at_once_and_their_answer_is_kept(
    world: World, recorder: Recorder
) -> None:
    world.deliver(recorder)
    report = world.forget("p_000003", recorder)
    assert recorder.operations() == {"p_000003": "erase"}
    [notice] = report.notices
    assert (notice.audience, notice.channel, notice.answer) == (
        AUDIENCE,
        "recorder",
        "acknowledged",
    )
    assert notice.acknowledged_at is not None
    assert b"p_000003" not in world.ledger.read_bytes()
    assert len(world.held("recorder")) == 9

    assert world.forget("p3@example.org", recorder).known
    assert len(recorder.batches) == 2
    # The person is still in the warehouse's audience of a build that knew them.
    world.rebuild()
    assert dict(world.deliver(recorder).excluded) == {"erased": 1}
    assert len(recorder.batches) == 2


def test_a_channel_that_does_not_answer_is_told_again_by_the_next_delivery(
    world: World, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(recorder)

    def fail(*_: Any) -> None:
        raise RetriableError("it timed out")

    monkeypatch.setattr(recorder, "apply", fail)
    report = world.forget("p3@example.org", recorder)
    assert [n.answer for n in report.unacknowledged] == ["it timed out"]
    [waiting] = status(world.published, world.ledger).erasures
    assert (waiting.people, waiting.channel, waiting.answer) == (1, "recorder", "it timed out")
    assert world.forget("p3@example.org", recorder).unacknowledged
    monkeypatch.undo()

    world.rebuild()
    world.deliver(recorder)
    assert [r["operation"] for r in recorder.batches[1].records.to_pylist()] == ["erase"]
    assert status(world.published, world.ledger).erasures == ()
    assert world.query("select profile_id from erasure_notices") == [(None,)]
    assert world.forget("p3@example.org", recorder).unacknowledged == []


def test_whoever_was_ever_sent_the_person_is_told(world: World, recorder: Recorder) -> None:
    world.deliver(recorder)
    world.rebuild(changes=[f"delete from audiences.{AUDIENCE} where profile_id = 'p_000003'"])
    world.deliver(recorder)
    assert "p_000003" not in world.held("recorder")
    world.forget("p3@example.org", recorder)
    assert recorder.operations() == {"p_000003": "erase"}


def test_an_old_file_with_a_new_id_is_recognised(world: World, recorder: Recorder) -> None:
    world.forget("p3@example.org")
    # The same phone under a new profile and a new e-mail.
    world.rebuild(
        changes=[
            f"update {table} set profile_id = 'p_new' where profile_id = 'p_000003'"
            for table in (*(f"marts.{mart}" for mart in MARTS), f"audiences.{AUDIENCE}")
        ]
        + [
            "update marts.customer_identifiers set identifier_value = 'other@example.org' "
            "where profile_id = 'p_new' and identifier_type = 'email'"
        ]
    )
    assert dict(world.deliver(recorder).excluded) == {"erased": 1}
    assert recorder.operations().keys() == {f"p_{n:06d}" for n in range(10) if n != 3}


def test_what_a_family_shares_bars_nobody_else(world: World, recorder: Recorder) -> None:
    world.rebuild(
        changes=[
            "insert into marts.customer_identifiers select profile_id, 'email', "
            "'family@example.org', 'web', now(), now(), true "
            "from marts.customer_profiles where profile_id in ('p_000003', 'p_000004')"
        ]
    )
    report = world.forget("p3@example.org")
    assert (report.identifier_count, report.shared_count) == (2, 1)
    assert world.deliver(recorder).eligible_count == 9
    assert "p_000004" in recorder.operations()


def test_former_ids_of_the_person_are_forgotten_too(world: World, recorder: Recorder) -> None:
    world.deliver(recorder)
    world.rebuild(
        9,
        changes=[
            "insert into marts.identity_history values "
            "(now(), 'merge', 'p_000009', 'p_000003', 'joined by email')"
        ],
    )
    world.forget("p3@example.org", recorder)
    erased = [row["profile_id"] for row in recorder.batches[-1].records.to_pylist()]
    assert erased == ["p_000003", "p_000009"]
    assert b"p_000009" not in world.published.read_bytes()


def test_an_erasure_keeps_no_identifier(world: World) -> None:
    world.forget("p3@example.org")
    kept = world.query("from erasures")
    assert len(kept) == 3
    assert not any(word in str(kept) for word in ("example.org", "+4072", "p_000003"))
    for again in ("p3@example.org", " P3@Example.org", "phone:+40722000003", "p_000003"):
        assert world.forget(again).known
    assert len(world.query("from erasures")) == 3


def test_nobody_is_a_clear_error_and_changes_nothing(world: World) -> None:
    before = world.published.read_bytes()
    with pytest.raises(UnknownPersonError, match="Nobody in the published build"):
        world.forget("nobody@example.org")
    world.forget("p3@example.org", dry_run=True)
    assert world.published.read_bytes() == before
    assert world.query("from erasures") == []


def test_another_salt_stops_everything_rather_than_send_to_erased_people(
    world: World, recorder: Recorder
) -> None:
    world.forget("p_000003")
    with pytest.raises(SaltChangedError, match="Set the salt back"):
        world.deliver(recorder, holdout_salt="another")
    with pytest.raises(SaltChangedError):
        world.forget("p_000004", salt="another")
    assert recorder.batches == []
    assert world.deliver(recorder, holdout_salt="another", erasure_salt=SALT).eligible_count == 9


def test_a_build_or_another_erasure_under_way_is_said(world: World) -> None:
    with (
        database.exclusive(world.folder / ".build.lock", what="A build"),
        pytest.raises(database.DatabaseLockedError, match="under way in process"),
    ):
        world.forget("p_000003")


def test_files_of_the_file_channel_are_written_anew_with_true_manifests(world: World) -> None:
    folder = world.folder / "channels" / "file"
    channel = FileChannel(FileSettings(url=str(folder)))
    world.deliver(channel)
    assert left(world)["channels"] == 1
    [before] = (folder / AUDIENCE).glob("*.csv")
    rows = before.read_bytes().splitlines(keepends=True)
    world.forget("p3@example.org", channel)
    assert left(world) == {}
    assert before.read_bytes() == b"".join(row for row in rows if b"p_000003" not in row)
    import hashlib
    import json

    manifest = json.loads(before.with_suffix(".manifest.json").read_text())
    assert manifest["sha256"] == hashlib.sha256(before.read_bytes()).hexdigest()
    assert (manifest["rows"], manifest["operations"]) == (9, {"add": 9})
    [asked] = [path for path in (folder / AUDIENCE).glob("*.csv") if path != before]
    assert asked.read_text().splitlines()[1:] == ['"erase","p_000003"']


def test_logs_notes_and_dagsters_storage_are_searched_and_scrubbed(world: World) -> None:
    home = world.folder / ".dagster" / "history" / "runs"
    home.mkdir(parents=True)
    (home / "a.log").write_text("p3@example.org,p3@example.org\nof ap3@example.org\n")
    overrides = world.folder / "identity" / "overrides.csv"
    overrides.parent.mkdir()
    overrides.write_text("kind,a,b,c,d\nmust_link,email,P3@example.org,x,y\nmust_link,a,b,c,d\n")
    with sqlite3.connect(home / "index.db") as connection:
        connection.execute("create table events (body text, number integer)")
        connection.executemany(
            "insert into events values (?, ?)",
            [("mail to p3@example.org failed", 1), ("fine", 2), (None, 3)],
        )
    assert left(world)[".dagster"] == 2
    report = world.forget("p3@example.org")
    assert report.found["logs and notes"] == 3
    assert left(world) == {}
    assert b"p3@example.org" not in (home / "index.db").read_bytes()
    assert (home / "a.log").read_text() == "erased,erased\nof ap3@example.org\n"
    assert overrides.read_text() == "kind,a,b,c,d\nmust_link,a,b,c,d\n"
    with sqlite3.connect(home / "index.db") as connection:
        assert connection.execute("select * from events").fetchall() == [
            ("mail to erased failed", 1),
            ("fine", 2),
            (None, 3),
        ]


def test_what_is_left_is_said_loudly_and_without_a_value(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "dagster_project.publishing.erasure.places.forget_in_published", lambda *_: 0
    )
    with pytest.raises(ErasureIncompleteError, match=r"1 file\(s\) of published") as caught:
        world.forget("p3@example.org")
    assert "example.org" not in str(caught.value)
    assert status(world.published, world.ledger).unfinished_erasures == 1
    monkeypatch.undo()
    # Whoever is forgotten next, what was begun is finished first.
    assert world.forget("p_000004").identifier_count == 2
    assert left(world) == {}


@pytest.mark.parametrize(
    "step",
    [
        "places.forget_in_published",
        "places.remove_warehouse",
        "places.forget_in_ledger",
        "places.scrub",
        "forget._tell_all",
        "forget._report",
    ],
)
def test_broken_off_at_any_step_it_is_finished_by_the_next(
    world: World, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    world.deliver(recorder)

    class Killed(BaseException):
        pass

    def stop(*_: Any, **__: Any) -> None:
        raise Killed

    monkeypatch.setattr(f"dagster_project.publishing.erasure.{step}", stop)
    with pytest.raises(Killed):
        world.forget("p3@example.org", recorder)
    monkeypatch.undo()
    assert not world.forget("p3@example.org", recorder).known
    assert left(world) == {}
    assert recorder.operations() == {"p_000003": "erase"}
    assert world.forget("p3@example.org", recorder).known


def test_the_ledger_written_anew_is_the_ledger(world: World, recorder: Recorder) -> None:
    world.deliver(recorder)
    before = world.query("from deliveries"), world.query("from membership")
    ledger_file.rewrite(world.ledger)
    assert (world.query("from deliveries"), world.query("from membership")) == before
    [(attempt,)] = world.query("select max(attempt) from deliveries")
    world.deliver(recorder)
    assert world.query("select max(attempt) from deliveries") == [(attempt + 1,)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ana@x.pt", "erased"),
        ('{"email":"ANA@x.pt"}', '{"email":"erased"}'),
        ("to ana@x.pt.", "to erased."),
        ("ana@x.pt,C100000,C100000;C100000", "erased,erased,erased;erased"),
        ("mariana@x.pt j.ana@x.pt ana@x.pt.br ana@x.ptx", None),
        ("C1000001 1C100000 C100000x", None),
    ],
)
def test_a_value_is_not_part_of_a_longer_one(text: str, expected: str | None) -> None:
    values: Sequence[str] = ("ana@x.pt", "C100000")
    with duckdb.connect() as connection:
        [(found,)] = connection.execute(
            "select regexp_replace(regexp_replace($text, $p, $by, 'gi'), $p, $by, 'gi')",
            {"text": text, "p": pattern(values), "by": ERASED},
        ).fetchall()
    assert found == (text if expected is None else expected)


def test_a_value_that_no_query_shows_any_more_is_found_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "published.duckdb"
    value = "somebody.very.special@example.org"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table t as select range as n from range(100000)")
        connection.execute(f"create table p as select '{value}' as email")
        connection.execute("checkpoint")
        connection.execute("drop table p")
    assert value.encode() in path.read_bytes(), "DuckDB scrubs free pages now: rejoice"
    assert Search((value,)).everywhere(tmp_path) == {"published.duckdb": 1}
