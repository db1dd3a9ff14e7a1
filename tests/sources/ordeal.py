"""Files loaded one by one in a process of their own: seconds and peak memory of each, or a crash.

The seconds are those of the processor, of all threads: those of the clock tell of the neighbours.

python -m tests.sources.ordeal is what the parent starts; it reads one case a line.
"""

import json
import logging
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from sources import tables
from sources.contract import Table
from sources.loader.load import load_table
from sources.loader.quarantine import stock
from sources.loader.store import Store

# What the platform promises for any file that isn't data.
MOST_SECONDS = 5.0
MOST_MEGABYTES = 512
# By the clock.
_GIVE_UP_SECONDS = 120.0
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Case:
    """One hostile file: where it lands, under which name, and what it is."""

    kind: str
    table: Table
    name: str
    content: bytes


@dataclass(frozen=True)
class Fate:
    """What became of a case. `trouble` is empty where every promise held."""

    case: Case
    seconds: float
    megabytes: float
    outcome: str
    trouble: str


def fates(cases: Iterable[Case], *, fresh: bool = False) -> Iterator[Fate]:
    """Load each case on its own; a process that ends is a crash and is started anew.

    `fresh`: each in a process of its own, as memory isn't all given back between two files.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        child: _Child | None = None
        for case in cases:
            data = Path(folder) / "data"
            landed = data / "landing" / case.table.source / case.table.name / case.name
            landed.parent.mkdir(parents=True)
            landed.write_bytes(case.content)
            child = child or _Child(home)
            fate = child.load(case, data)
            outside = sorted(path.name for path in home.rglob("*"))
            if outside:
                fate = Fate(case, fate.seconds, fate.megabytes, "", f"wrote outside: {outside}")
            if landed.read_bytes() != case.content:
                fate = Fate(case, fate.seconds, fate.megabytes, "", "changed what had landed")
            yield fate
            if fresh:
                child.end()
            if child.ended:
                child = None
            shutil.rmtree(data)
        if child:
            child.end()


class _Child:
    """A process that loads what it is told, in a folder that should stay empty."""

    def __init__(self, home: Path) -> None:
        own = {"HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": str(_ROOT)}
        self.ended = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.sources.ordeal"],
            cwd=home,
            env=os.environ | own | {"PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()
        self._answers.get(timeout=_GIVE_UP_SECONDS)  # its imports are done

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put("")

    def load(self, case: Case, data: Path) -> Fate:
        """Have a case loaded."""
        assert self._process.stdin
        began = time.monotonic()
        self._process.stdin.write(json.dumps([case.table.full_name, str(data)]) + "\n")
        self._process.stdin.flush()
        try:
            answer = self._answers.get(timeout=_GIVE_UP_SECONDS)
        except queue.Empty:
            self.end()
            return Fate(case, time.monotonic() - began, 0, "", "didn't end")
        if not answer:
            code = self.end()
            return Fate(case, time.monotonic() - began, 0, "", f"crashed with {code}")
        found = json.loads(answer)
        return Fate(case, found["seconds"], found["megabytes"], found["outcome"], _trouble(found))

    def end(self) -> int:
        """End the process; its exit code."""
        self.ended = True
        self._process.kill()
        return self._process.wait()


def _trouble(found: dict[str, Any]) -> str:
    if found["error"]:
        return f"raised {found['error']}"
    if not found["accounted"]:
        return "isn't accounted for"
    if found["seconds"] > MOST_SECONDS:
        return "took too long"
    return "took too much memory" if found["megabytes"] > MOST_MEGABYTES else ""


def _load(table: Table, data: Path) -> dict[str, Any]:
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # forget the peak so far
    began = time.process_time()
    found: dict[str, Any] = {"error": "", "outcome": "", "accounted": False}
    try:
        report = load_table(table, data, loaded_at=datetime.now(UTC))
    except Exception as error:  # noqa: BLE001 - every one is a finding
        found["error"] = f"{type(error).__name__}: {error}"[:300]
    found["seconds"] = time.process_time() - began
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found["megabytes"] = int(status.split("VmHWM:")[1].split()[0]) / 1024
    if not found["error"]:
        with duckdb.connect() as connection:
            kept = stock(connection, table, Store(data))
        one_file = report.files_new + report.files_rejected == report.files_seen == 1
        same = kept.loaded == report.rows and kept.by_rule == report.rejected_by_rule
        told = bool(report.rows or report.rejected_by_rule or report.files_new)
        found["accounted"] = one_file and same and told
        rules = ", ".join(f"{count} {rule}" for rule, count in report.rejected_by_rule.items())
        found["outcome"] = f"{report.rows} rows; {rules}"
    return found


def main() -> None:
    """Load what stdin names, table and data directory a line, and tell how it went."""
    logging.disable()
    by_name = {table.full_name: table for table in tables()}
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        full_name, data = json.loads(line)
        sys.stdout.write(json.dumps(_load(by_name[full_name], Path(data))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
