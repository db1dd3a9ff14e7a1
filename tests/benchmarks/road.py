"""A whole run against the floor: the same compiled SQL in one plain DuckDB script.

    python -m tests.benchmarks.road --customers 50000

The floor reads the same landed files with DuckDB's own readers, runs the same models and the same
data tests in the same order, and joins the same people, with no orchestrator, no row rules and no
gates: once with DuckDB as it comes, once with the settings that Perennial gives it. Each is a
process of its own, from interpreter start to exit.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from sources.sample import write_world
from tests.e2e.house import AS_OF, PERENNIAL, House

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


def bench(customers: int, lines: int) -> dict[str, Measured]:
    """Measure a first run, a second one with nothing new, and both floors."""
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder) / "data")
        write_world(house.data, customers=customers, seed=1, as_of=AS_OF, lines_per_receipt=lines)
        run = [str(PERENNIAL), "run"]
        first = measure(run, house.environment())
        script = [sys.executable, "-m", "tests.benchmarks.floor"]
        measure([*script, "compile", f"{folder}/floor"], house.environment())
        floor = [*script, "run", f"{folder}/floor", str(house.data)]
        return {
            "first run": first,
            "floor": measure(floor, house.environment()),
            "tuned floor": measure([*floor, "tuned"], house.environment()),
            "second run": measure(run, house.environment()),
        }


def report(found: dict[str, Measured]) -> str:
    """Lay the figures side by side."""
    lines = [f"{'stage':<14}" + "".join(f"{name:>22}" for name in found)]

    def cell(measured: tuple[float, float] | None) -> str:
        return f"{measured[0]:9.1f} s {measured[1]:7.0f} MB" if measured else ""

    first = found["first run"]
    for stage in first.stages:
        cells = (cell(measured.stages.get(stage)) for measured in found.values())
        lines.append(f"{stage:<14}" + "".join(f"{c:>22}" for c in cells))
    whole = (cell((measured.seconds, measured.peak)) for measured in found.values())
    lines.append(f"{'whole process':<14}" + "".join(f"{c:>22}" for c in whole))
    lines += [
        f"first run / {name}: {first.seconds / found[name].seconds:.2f}"
        for name in ("floor", "tuned floor")
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--lines", type=int, default=3)
    chosen = parser.parse_args()
    print(report(bench(chosen.customers, chosen.lines)))  # noqa: T201 - a script's result


if __name__ == "__main__":
    main()
