"""Many small files: loaded together, made one in raw, recognised without being read again."""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from landed import EVENT, EVENTS, MEMBERS, RECEIPTS, World, csv_text, event
from test_source_repetition import begin, loaded, started

from sources.contract import SourceError
from sources.loader import compaction, contents, small_files
from sources.loader.store import Store

RAW = "columns(* exclude (_loaded_at))"


def raw_files(world: World) -> list[str]:
    return [name for name in world.files() if name.startswith("raw/")]


def land_small(world: World, count: int, *, start: int = 0) -> None:
    """Small event files, each with one row that is refused every third file."""
    for number in range(start, start + count):
        rows = [event(messageId=f'"{number}-{row}"') for row in range(3)]
        if number % 3 == 0:
            rows.insert(1, "{")
        name = f"{number % 7}/{number:05}.ndjson" + (".gz" if number % 5 == 0 else "")
        world.land(EVENTS, name, "\n".join(rows) + "\n")


def test_small_files_are_loaded_together_and_each_row_knows_its_own(world: World) -> None:
    land_small(world, 100)
    report = world.load(EVENTS)
    assert (report.files_new, report.rows, report.rows_rejected) == (100, 300, 34)
    assert len(raw_files(world)) == 1
    files = {file for (file,) in world.raw(EVENTS, "_landed_file")}
    assert len(files) == 100
    lines = world.query(
        "select list(_line order by _line) from raw.web_events group by _landed_file"
    )
    assert {tuple(found) for (found,) in lines} == {(1, 2, 3), (1, 3, 4)}
    assert {line for line, _ in world.quarantine(EVENTS)} == {2}
    again = world.load(EVENTS)
    assert (again.files_seen, again.files_new, again.rows, again.bytes_read) == (100, 0, 0, 0)


def test_a_defective_file_among_many_keeps_out_no_other(world: World) -> None:
    land_small(world, 40)
    world.land(EVENTS, "cut.ndjson", EVENT)
    world.land(EVENTS, "empty.ndjson", b"")
    world.land(EVENTS, "picture.ndjson", b"\x89PNG" + bytes(100))
    world.land(EVENTS, "wrong.ndjson", EVENT + "\n").with_name("wrong.ndjson.sha256").write_text(
        "0" * 64
    )
    report = world.load(EVENTS)
    assert (report.files_new, report.files_rejected, report.rows) == (40, 4, 120)
    rules = {rule for line, rule in world.quarantine(EVENTS) if line is None}
    assert rules == {"file_truncated", "file_empty", "file_not_its_name", "file_checksum"}


def test_a_file_that_was_refused_is_loaded_among_many_once_its_checksum_is_right(
    world: World,
) -> None:
    path = world.land(EVENTS, "wrong.ndjson", EVENT + "\n")
    sidecar = path.with_name("wrong.ndjson.sha256")
    sidecar.write_text("0" * 64)
    assert world.load(EVENTS).files_rejected == 1
    sidecar.unlink()
    land_small(world, 20)
    assert world.load(EVENTS).files_new == 21
    assert all(line is not None for line, _ in world.quarantine(EVENTS))


def test_a_damaged_file_of_raw_is_named_and_loaded_again_once_it_is_deleted(world: World) -> None:
    land_small(world, 20)
    world.load(EVENTS)
    (file,) = Store(world.data).raw_files(EVENTS)
    file.write_bytes(file.read_bytes()[:-9])
    Store(world.data).index_file(EVENTS).unlink()
    with pytest.raises(SourceError, match=f"{file.name} can't be read: delete it"):
        world.load(EVENTS)
    file.unlink()
    assert world.load(EVENTS).files_new == 20


def test_files_with_other_columns_are_loaded_apart(world: World) -> None:
    for number in range(20):
        world.land(RECEIPTS, f"a{number}.csv", csv_text({"receipt_id": f"a{number}"}))
        world.land(
            RECEIPTS, f"b{number}.csv", csv_text({"receipt_id": f"b{number}", "colour": "red"})
        )
    assert world.load(RECEIPTS).rows == 40
    extras = world.query(
        "select left(receipt_id, 1), any_value(_extra ->> 'colour'), count(*) "
        "from raw.pos_receipt_lines group by 1 order by 1"
    )
    assert extras == [("a", None, 20), ("b", "red", 20)]


def test_of_many_small_files_the_same_bytes_are_loaded_once(world: World) -> None:
    for copy in ("a", "b", "c"):
        for number in range(50):
            world.land(MEMBERS, f"{copy}{number}.csv", f"loyalty_id\nL{number}\n")
    report = world.load(MEMBERS)
    assert (report.files_seen, report.files_new, report.rows) == (150, 50, 50)
    assert {file[:13] for (file,) in world.raw(MEMBERS, "_landed_file")} == {"pos/members/a"}
    world.land(MEMBERS, "later.csv", "loyalty_id\nL7\n")
    assert world.load(MEMBERS).files_new == 0


def test_a_batch_that_cant_be_loaded_is_loaded_file_by_file(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    land_small(world, 30)

    def stumbles(*_: object) -> None:
        raise duckdb.InternalException("a value that DuckDB stumbles over")

    with monkeypatch.context() as patched:
        patched.setattr(small_files, "_load", stumbles)
        assert world.load(EVENTS).rows == 90
    assert len(raw_files(world)) == 30
    assert world.load(EVENTS).files_new == 0


def test_files_that_came_one_by_one_are_made_one(world: World) -> None:
    for number in range(40):
        rows = [event(messageId=f'"{number}-{row}"', colour='"red"') for row in range(3)]
        world.land(EVENTS, f"{number:02}.ndjson", "\n".join([*rows, "{"]) + "\n")
        world.load(EVENTS)
    assert len(raw_files(world)) < 32
    assert len([name for name in world.files() if name.startswith("quarantine/")]) < 32
    assert len(world.raw(EVENTS)) == 120
    assert world.quarantine(EVENTS) == [(4, "malformed_json")] * 40
    lines = world.query("select _line, count(*) from raw.web_events group by 1 order by 1")
    assert lines == [(1, 40), (2, 40), (3, 40)]
    assert world.load(EVENTS).files_new == 0
    for number in range(40):  # renamed, so that nothing but the content can tell
        name = f"{number:02}.ndjson"
        path = world.data / "landing" / "web" / "events" / name
        path.rename(path.with_name(f"again-{name}"))
    assert world.load(EVENTS).files_new == 0
    assert len(world.raw(EVENTS)) == 120


def test_a_kill_while_files_are_made_one_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "_MOST_SMALL", 1_000)
    before = World(tmp_path / "before")
    for number in range(6):
        before.land(EVENTS, f"{number}.ndjson", event(messageId=f'"{number}"') + "\n{\n")
    before.load(EVENTS)
    rows, refused = before.raw(EVENTS, RAW), before.quarantine(EVENTS)
    killed = 0
    for moment in range(30):
        world = World(tmp_path / str(moment))
        shutil.copytree(before.data, world.data)
        with monkeypatch.context() as patched:
            patched.setattr(compaction, "_MOST_SMALL", 2)
            kill_at(patched, moment)
            try:
                world.load(EVENTS)
            except KeyboardInterrupt:
                killed += 1
        world.load(EVENTS)
        assert world.raw(EVENTS, RAW) == rows
        assert world.quarantine(EVENTS) == refused
        assert len(raw_files(world)) == (6 if moment < 2 else 1)
    assert killed >= 15


def kill_at(patched: pytest.MonkeyPatch, moment: int) -> None:
    """Be killed before the file system is changed for the nth time."""
    steps = count()

    def counted(act: Callable[..., None]) -> Callable[..., None]:
        def step(*arguments: object) -> None:
            if next(steps) == moment:
                raise KeyboardInterrupt
            act(*arguments)

        return step

    for module, name in ((compaction, "commit"), (contents, "remove"), (contents, "commit")):
        patched.setattr(module, name, counted(getattr(module, name)))


def test_the_index_is_made_again_where_it_is_lost_or_damaged(world: World) -> None:
    land_small(world, 30)
    world.land(RECEIPTS, "a.csv", csv_text({}))
    world.load(EVENTS)
    kept = index(world)
    assert [row["row_count"] for row in kept] == [3] * 30
    assert sum(row["refused"] == '{"malformed_json": 1}' for row in kept) == 10
    path = Store(world.data).index_file(EVENTS)
    for damage in (b"", b"PAR1 and no more", None):
        path.unlink() if damage is None else path.write_bytes(damage)
        assert world.load(EVENTS).files_new == 0
        assert index(world) == kept


def index(world: World) -> list[dict[str, object]]:
    rows = pq.read_table(Store(world.data).index_file(EVENTS)).to_pylist()
    return sorted(rows, key=lambda row: str(row["content"]))


def test_raw_of_before_the_index_is_known(world: World) -> None:
    """Files of raw without a footer of ours are named by the one content they hold."""
    world.land(EVENTS, "a.ndjson", EVENT + "\n")
    world.load(EVENTS)
    (file,) = Store(world.data).raw_files(EVENTS)
    rows = pq.read_table(file).drop_columns(["_content"])
    pq.write_table(rows.replace_schema_metadata(None), file)
    Store(world.data).index_file(EVENTS).unlink()
    assert world.load(EVENTS).files_new == 0
    assert len(world.raw(EVENTS)) == 1


def test_a_file_that_is_as_it_was_is_not_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sources.loader.contents._TICK_NS", 0)
    land_small(world, 20)
    time.sleep(0.05)
    world.load(EVENTS)
    read: list[str] = []
    monkeypatch.setattr(
        small_files,
        "_read",
        lambda load: read.append(load.file.name) or small_files.Outcome("known"),
    )
    assert world.load(EVENTS).files_seen == 20
    assert read == []
    for path in (world.data / "landing" / "web" / "events").rglob("*.ndjson"):
        content = path.read_bytes()
        path.write_bytes(content.replace(b"a1", b"a2"))  # as large as it was
        os.utime(path, (1_000_000_000, 1_000_000_000))
    world.load(EVENTS)
    assert len(read) == 16


def test_what_was_deleted_from_raw_is_loaded_again(world: World) -> None:
    land_small(world, 20)
    world.load(EVENTS)
    rows = world.raw(EVENTS)
    for path in Store(world.data).raw_files(EVENTS):
        path.unlink()
    assert world.load(EVENTS).files_new == 20
    assert world.raw(EVENTS) == rows


def test_small_files_may_be_loaded_by_two_processes_while_one_is_killed(tmp_path: Path) -> None:
    world = World(tmp_path)
    land_small(world, 1_500)
    world.land(RECEIPTS, "a.csv", csv_text({}))
    moments = random.Random(5)
    for _ in range(6):
        processes = [started(world.data) for _ in range(2)]
        for process in processes:
            begin(process)
        time.sleep(moments.uniform(0.05, 0.6))
        processes[0].send_signal(signal.SIGKILL)
        assert [process.wait() for process in processes] == [-signal.SIGKILL, 0]
        for path in Store(world.data).raw_files(EVENTS)[:3]:
            path.unlink()
        land_small(world, 50, start=len(list((tmp_path / "landing").rglob("*.ndjson*"))))
    process = started(world.data)
    begin(process)
    assert process.wait() == 0
    events, _, refused, _ = loaded(world)
    landed = len(list((tmp_path / "landing" / "web").rglob("*.ndjson*")))
    assert (len(events), len({row[1] for row in events})) == (3 * landed, 3 * landed)  # type: ignore[arg-type, attr-defined]
    assert len(refused[0]) == (landed + 2) // 3  # type: ignore[index]
