"""A table made anew from what landed: by today's rules, whole, and only once it is whole."""

import dataclasses
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from landed import EVENTS, LOADED_AT, RECEIPTS, World, csv_text, event

from sources.contract import Rule
from sources.loader import reprocess
from sources.loader.load import LoadReport, load_table
from sources.loader.reprocess import Reprocessed
from sources.loader.store import Store

STRICT = dataclasses.replace(
    RECEIPTS,
    rules=(*RECEIPTS.rules, Rule("too_cheap", '"line_amount" >= 3', "line_amount is at least 3")),
)
RAW = "columns(* exclude (_loaded_at))"


def land(world: World, files: int = 4) -> None:
    for number in range(files):
        rows = [{"receipt_id": f"{number}-{line}", "line_amount": f"{line}"} for line in range(6)]
        world.land(RECEIPTS, f"{number}.csv", csv_text(*rows))


def made_anew(world: World, table: object = RECEIPTS) -> tuple[LoadReport, Reprocessed]:
    report = load_table(table, world.data, loaded_at=LOADED_AT, anew=True)  # type: ignore[arg-type]
    assert report.reprocessed
    return report, report.reprocessed


@pytest.mark.parametrize("files", [4, 40])
def test_a_new_rule_moves_rows_to_quarantine_and_its_end_brings_them_back(
    world: World, files: int
) -> None:
    land(world, files)
    world.load(RECEIPTS)
    rows = world.raw(RECEIPTS, RAW)
    report, found = made_anew(world, STRICT)
    assert (report.files_new, found.kept) == (files, 0)
    assert found.by_rule == {"too_cheap": (0, 3 * files)}
    assert len(world.raw(RECEIPTS)) == 3 * files
    _, found = made_anew(world)
    assert found.by_rule == {"too_cheap": (3 * files, 0)}
    assert f"raw {3 * files:,} → {6 * files:,} rows" in str(found)
    assert world.raw(RECEIPTS, RAW) == rows
    assert world.quarantine(RECEIPTS) == []
    assert world.load(RECEIPTS).files_new == 0


def test_what_has_left_landing_stays_as_it_was(world: World) -> None:
    land(world, 40)
    world.land(RECEIPTS, "odd.csv", csv_text({"receipt_id": "odd"}, {"line_no": "x"}))
    world.load(RECEIPTS)
    rows, refused = world.raw(RECEIPTS, RAW), world.quarantine(RECEIPTS, "*")
    folder = world.data / "landing" / "pos" / "receipt_lines"
    (folder / "odd.csv").unlink()
    (folder / "7.csv").unlink()
    _, found = made_anew(world)
    assert found.kept == 2
    assert world.raw(RECEIPTS, RAW) == rows
    assert world.quarantine(RECEIPTS, "*") == refused
    world.land(RECEIPTS, "again.csv", csv_text({"receipt_id": "odd"}, {"line_no": "x"}))
    assert world.load(RECEIPTS).files_new == 0


def test_a_file_that_is_refused_now_leaves_raw(world: World) -> None:
    land(world, 2)
    world.load(RECEIPTS)
    wanting = dataclasses.replace(
        RECEIPTS,
        columns=tuple(
            dataclasses.replace(c, required=True) if c.name == "register_id" else c
            for c in RECEIPTS.columns
        ),
    )
    report, found = made_anew(world, wanting)
    assert report.files_rejected == 2
    assert (found.after.loaded, found.after.by_rule) == (0, {"file_columns_missing": 2})
    assert world.raw(RECEIPTS) == []


def test_a_kill_leaves_the_old_or_the_new_and_never_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = World(tmp_path / "before")
    land(before, 3)
    before.land(EVENTS, "a.ndjson", event() + "\n")
    before.load(RECEIPTS)
    results = set()
    killed = 0
    for moment in range(16):
        world = World(tmp_path / str(moment))
        shutil.copytree(before.data, world.data)
        with monkeypatch.context() as patched:
            kill_at(patched, moment)
            try:
                made_anew(world, STRICT)
            except KeyboardInterrupt:
                killed += 1
        world.query("select 1")  # a reader makes the folders that it doesn't find
        world.load(RECEIPTS)
        results.add(len(world.raw(RECEIPTS)))
        assert len(world.raw(RECEIPTS)) + len(world.quarantine(RECEIPTS)) == 18
        assert not list(world.data.rglob(".*.anew")) + list(world.data.rglob(".*.old"))
        assert world.load(RECEIPTS).files_new == 0
    assert killed >= 8
    assert results == {9, 18}


def kill_at(patched: pytest.MonkeyPatch, moment: int) -> None:
    """Be killed before the file system is changed for the nth time."""
    steps = count()

    def counted(act: Callable[..., object]) -> Callable[..., object]:
        def step(*arguments: object, **options: object) -> object:
            if next(steps) == moment:
                raise KeyboardInterrupt
            return act(*arguments, **options)

        return step

    for name in ("commit", "remove", "sync"):
        patched.setattr(reprocess, name, counted(getattr(reprocess, name)))
    patched.setattr(Path, "rename", counted(Path.rename))
    patched.setattr(shutil, "rmtree", counted(shutil.rmtree))


def test_folders_half_made_by_a_killed_process_are_cleared_away(world: World) -> None:
    land(world)
    world.load(RECEIPTS)
    rows = world.raw(RECEIPTS)
    left = Store(world.data).beside().raw_folder(RECEIPTS)
    left.mkdir(parents=True)
    (left / "half.parquet").write_bytes(b"PAR1")
    assert world.load(RECEIPTS).files_new == 0
    assert not left.exists()
    assert world.raw(RECEIPTS) == rows
