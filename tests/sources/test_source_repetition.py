"""Loading again, loading twice at once and loading after a kill all come to the same rows."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from landed import EVENT, EVENTS, RECEIPTS, World, csv_text, event

GOOD = "\n".join([EVENT, "{", event(userId='"u1"')]) + "\n"

LOADER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from sources import tables
from sources.loader.load import load_table

print("ready", flush=True)
sys.stdin.readline()
for table in tables():
    if table.full_name in ("web_events", "pos_receipt_lines"):
        load_table(table, Path(sys.argv[1]), loaded_at=datetime.now(UTC))
"""


def test_loading_again_adds_nothing(world: World) -> None:
    world.land(EVENTS, "a.ndjson", GOOD)
    world.load(EVENTS)
    files, rows = world.files(), world.raw(EVENTS)
    report = world.load(EVENTS)
    assert (report.files_seen, report.files_new, report.rows, report.bytes_read) == (1, 0, 0, 0)
    assert (world.files(), world.raw(EVENTS)) == (files, rows)
    assert world.quarantine(EVENTS) == [(2, "malformed_json")]


def test_the_same_bytes_under_another_name_add_nothing(world: World) -> None:
    world.land(EVENTS, "a.ndjson", GOOD)
    world.load(EVENTS)
    files = world.files()
    for name in ("b.ndjson", "again/a.jsonl", "c.txt"):
        world.land(EVENTS, name, GOOD)
    assert world.load(EVENTS).files_new == 0
    assert world.files() == files


def test_the_same_bytes_twice_in_one_load_are_one_file(world: World) -> None:
    world.land(RECEIPTS, "a.csv", csv_text({}))
    world.land(RECEIPTS, "b.csv", csv_text({}))
    report = world.load(RECEIPTS)
    assert (report.files_seen, report.files_new, report.rows) == (2, 1, 1)


def test_of_files_with_the_same_bytes_the_first_by_name_is_loaded(world: World) -> None:
    contents = [csv_text(*({"line_no": str(n * i)} for i in range(500))) for n in range(1, 9)]
    for copy in ("a", "b", "c"):
        for number, content in enumerate(contents):
            world.land(RECEIPTS, f"{copy}{number}.csv", content)
    report = world.load(RECEIPTS)
    assert (report.files_seen, report.files_new, report.rows) == (24, 8, 4_000)
    files = {file for (file,) in world.raw(RECEIPTS, "_landed_file")}
    assert files == {f"pos/receipt_lines/a{number}.csv" for number in range(8)}


def test_bytes_that_have_left_the_landing_zone_stay_in_raw(world: World) -> None:
    path = world.land(EVENTS, "a.ndjson", GOOD)
    world.load(EVENTS)
    path.unlink()
    world.load(EVENTS)
    assert len(world.raw(EVENTS)) == 2


def test_raw_is_named_by_what_landed(world: World) -> None:
    world.land(EVENTS, "a.ndjson", GOOD)
    world.load(EVENTS)
    digest = hashlib.sha256(GOOD.encode()).hexdigest()
    assert world.files() == [
        f"quarantine/web/events/{digest}.parquet",
        f"raw/web/events/{digest}.parquet",
    ]


def test_what_a_killed_load_left_is_cleared_away_once_it_is_old(world: World) -> None:
    world.land(EVENTS, "a.ndjson", GOOD)
    world.load(EVENTS)
    files = world.files()
    folder = world.data / "raw" / "web" / "events"
    old, young = folder / ".left.abc.tmp", folder / ".busy.def.tmp"
    for path in (old, young):
        path.write_bytes(b"half a Parquet file")
    os.utime(old, (time.time() - 7_200,) * 2)
    world.load(EVENTS)
    assert not old.exists()
    assert young.exists()
    assert len(world.raw(EVENTS)) == 2
    young.unlink()
    assert world.files() == files


def test_no_refused_row_is_lost_by_a_kill_between_the_two_files(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sources.loader import files

    world.land(EVENTS, "a.ndjson", GOOD)
    commit, committed = files.commit, []

    def killed_after_the_first(finished: Path, final: Path) -> None:
        if committed:
            raise KeyboardInterrupt
        committed.append(final)
        commit(finished, final)

    with monkeypatch.context() as patched:
        patched.setattr(files, "commit", killed_after_the_first)
        with pytest.raises(KeyboardInterrupt):
            world.load(EVENTS)
    assert world.load(EVENTS).rows_rejected == 1
    assert world.quarantine(EVENTS) == [(2, "malformed_json")]
    assert len(world.raw(EVENTS)) == 2


DIRTY = "\n".join([EVENT, "{", EVENT]) + "\n"


@pytest.mark.parametrize(
    "content",
    [f"{EVENT}\n" * 5, DIRTY, DIRTY[:-1], f"{EVENT}\n\n{EVENT}\n", "\ufeff" + EVENT + "\n"],
)
@pytest.mark.parametrize("checksum", [None, "right", "wrong"])
def test_hashing_large_files_on_the_way_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, checksum: str | None
) -> None:
    results = []
    for name in ("small", "large"):
        world = World(tmp_path / name)
        path = world.land(EVENTS, "a.ndjson", content)
        digest = hashlib.sha256(content.encode()).hexdigest()
        if checksum:
            stated = digest if checksum == "right" else "0" * 64
            path.with_name("a.ndjson.sha256").write_text(stated)
        if name == "large":
            monkeypatch.setattr("sources.loader.files._LARGE_BYTES", 0)
        reports = [world.load(EVENTS) for _ in range(2)]
        results.append([reports, world.raw(EVENTS), world.quarantine(EVENTS), world.files()])
    assert results[0] == results[1]


def large_world(data: Path) -> World:
    """Files of every way of loading, large enough that a kill hits them."""
    world = World(data)
    for day in range(4):
        lines = [event(messageId=f'"{day}-{number}"') for number in range(4_000)]
        world.land(EVENTS, f"clean-{day}.ndjson", "\n".join(lines) + "\n")
        world.land(EVENTS, f"dirty-{day}.ndjson.gz", "\n".join([*lines, "{"]) + "\n")
        world.land(EVENTS, f"cut-{day}.ndjson", "\n".join(lines)[: 1_000 + day])
        rows = [{"receipt_id": f"{day}-{number}"} for number in range(4_000)]
        rows[7]["quantity"] = "-1"
        world.land(RECEIPTS, f"{day}.csv", csv_text(*rows))
    return world


def started(data: Path) -> "subprocess.Popen[str]":
    """A loader that has imported everything and waits for the word to begin."""
    process = subprocess.Popen(
        [sys.executable, "-c", LOADER, str(data)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def begin(process: "subprocess.Popen[str]") -> None:
    assert process.stdin
    process.stdin.write("go\n")
    process.stdin.flush()


def loaded(world: World) -> list[object]:
    """Everything that loading has made but the moment of loading."""
    events = world.query("select columns(* exclude _loaded_at) from raw.web_events order by all")
    receipts = world.query(
        "select columns(* exclude _loaded_at) from raw.pos_receipt_lines order by all"
    )
    refused = [
        world.quarantine(table, "landed_file, line, rule, message, row")
        for table in (EVENTS, RECEIPTS)
    ]
    final = [name for name in world.files() if not name.endswith(".tmp")]
    return [events, receipts, refused, final]


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    large_world(folder)
    return folder / "landing"


@pytest.fixture(scope="module")
def undisturbed(
    landing: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[object], float]:
    """What a load comes to that nobody disturbs, and how many seconds it takes."""
    world = World(tmp_path_factory.mktemp("undisturbed"))
    shutil.copytree(landing, world.data / "landing")
    process = started(world.data)
    began = time.monotonic()
    begin(process)
    assert process.wait() == 0
    seconds = time.monotonic() - began
    result = loaded(world)
    assert len(result[0]) == 32_000
    assert len(result[1]) == 15_996
    return result, seconds


def test_a_load_may_be_killed_at_any_moment(
    landing: Path, tmp_path: Path, undisturbed: tuple[list[object], float]
) -> None:
    result, seconds = undisturbed
    world = World(tmp_path)
    shutil.copytree(landing, world.data / "landing")
    moments = random.Random(3)
    hits = 0
    for _ in range(10):
        process = started(world.data)
        begin(process)
        time.sleep(moments.uniform(0, seconds * 0.6))
        hits += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert all(name.endswith((".parquet", ".tmp")) for name in world.files())
    assert hits >= 5, "the load is too short to be hit"
    process = started(world.data)
    begin(process)
    assert process.wait() == 0
    assert loaded(world) == result


def test_two_loads_at_once_come_to_what_one_does(
    landing: Path, tmp_path: Path, undisturbed: tuple[list[object], float]
) -> None:
    world = World(tmp_path)
    shutil.copytree(landing, world.data / "landing")
    processes = [started(world.data) for _ in range(2)]
    for process in processes:
        begin(process)
    assert [process.wait() for process in processes] == [0, 0]
    assert loaded(world) == undisturbed[0]
    assert not [name for name in world.files() if name.endswith(".tmp")]
