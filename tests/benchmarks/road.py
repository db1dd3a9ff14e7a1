"""A whole run against the floor: the same compiled SQL in one plain DuckDB script.

    python -m tests.benchmarks.road --customers 50000 --rounds 3

The floor reads the same landed files with DuckDB's own readers, runs the same models and the same
data tests in the same order, and joins the same people, with no orchestrator, no row rules and no
gates: once with DuckDB as it comes, once with the settings that Perennial gives it. Each is a
process of its own, from interpreter start to exit. Rounds are repeated, as a machine shared with
others has better and worse minutes: the figures are medians.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil

from sources.sample import write_world
from tests.e2e.house import AS_OF, PERENNIAL, House

FIRST = "first run"
FLOORS = {"floor": (), "tuned floor": ("tuned",)}
_STAGE_LINE = re.compile(r"^\s{2}(\w+)\s+.*\s([\d.]+) s\s*$")


@dataclass
class Measured:
    """One process: seconds, peak resident memory in MB, and both for each stage it told of."""

    seconds: float = 0.0
    peak: float = 0.0
    stages: dict[str, tuple[float, float]] = field(default_factory=dict)


def measure(command: list[str], environment: dict[str, str]) -> Measured:
    """Run a command to its end; a line '  <stage> ... <n> s' on stderr ends a stage."""
    found, memory = Measured(), {"stage": 0.0, "all": 0.0}
    os.sync()  # what was written before is nobody's of these
    started = time.monotonic()
    process = subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )

    def watch() -> None:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                resident = watched.memory_info().rss / 1e6
            except psutil.Error:
                return
            memory["stage"], memory["all"] = (max(v, resident) for v in memory.values())
            time.sleep(0.05)

    threading.Thread(target=watch, daemon=True).start()
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if stage := _STAGE_LINE.match(line):
            found.stages[stage[1]] = (float(stage[2]), memory["stage"])
            memory["stage"] = 0.0
    if process.wait() != 0:
        raise RuntimeError("".join(said[-20:]))
    found.seconds, found.peak = time.monotonic() - started, memory["all"]
    return found


def bench(customers: int, lines: int, rounds: int) -> dict[str, list[Measured]]:
    """Measure first runs and both floors in turn, then a run with nothing new."""
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder) / "data")
        write_world(house.data, customers=customers, seed=1, as_of=AS_OF, lines_per_receipt=lines)
        run = [str(PERENNIAL), "run"]
        script = [sys.executable, "-m", "tests.benchmarks.floor"]
        measure([*script, "compile", f"{folder}/floor"], house.environment())
        floor = [*script, "run", f"{folder}/floor", str(house.data)]
        found: dict[str, list[Measured]] = {name: [] for name in (FIRST, *FLOORS)}
        for turn in range(1, rounds + 1):
            _leave_only_landing(house.data)
            found[FIRST].append(measure(run, house.environment()))
            for name, options in FLOORS.items():
                found[name].append(measure([*floor, *options], house.environment()))
            seconds = ", ".join(f"{name} {last[-1].seconds:.1f} s" for name, last in found.items())
            print(f"round {turn}: {seconds}", flush=True)  # noqa: T201 - progress on minutes of work
        return found | {"second run": [measure(run, house.environment())]}


def _leave_only_landing(data: Path) -> None:
    for path in data.iterdir():
        if path.is_dir() and path.name != "landing":
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()


def report(found: dict[str, list[Measured]]) -> str:
    """Lay the medians side by side."""
    lines = [f"{'stage':<14}" + "".join(f"{name:>22}" for name in found)]

    def cell(measured: list[tuple[float, float]]) -> str:
        if not measured:
            return ""
        seconds, peaks = zip(*measured, strict=True)
        return f"{median(seconds):9.1f} s {median(peaks):7.0f} MB"

    for stage in found[FIRST][0].stages:
        cells = (
            cell([m.stages[stage] for m in all_ if stage in m.stages]) for all_ in found.values()
        )
        lines.append(f"{stage:<14}" + "".join(f"{c:>22}" for c in cells))
    whole = (cell([(m.seconds, m.peak) for m in all_]) for all_ in found.values())
    lines.append(f"{'whole process':<14}" + "".join(f"{c:>22}" for c in whole))
    for name in FLOORS:
        pairs = zip(found[FIRST], found[name], strict=True)
        ratios = [first.seconds / floor.seconds for first, floor in pairs]
        each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        lines.append(f"{FIRST} / {name}: {median(ratios):.2f} (of {each})")
    return "\n".join(lines)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--lines", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    print(report(bench(chosen.customers, chosen.lines, chosen.rounds)))  # noqa: T201 - a script's result


if __name__ == "__main__":
    main()
