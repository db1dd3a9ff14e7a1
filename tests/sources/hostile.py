"""Fuzzed files and bombs, each loaded in a process apart: seconds, memory, and what became of it.

python -m tests.sources.hostile --files 1000 --gigabytes 10
"""

import argparse
from collections import Counter
from itertools import chain

from tests.sources import bombs, fuzz
from tests.sources.ordeal import fates


def main() -> None:
    """Print the worst of each, and every file that a promise wasn't kept for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000)
    parser.add_argument("--gigabytes", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    size = chosen.gigabytes
    troubles: Counter[str] = Counter()
    for title, cases in {
        "fuzzed files": fuzz.fuzzed(chosen.files, chosen.seed),
        "bombs": chain(bombs.text_bombs(size), bombs.zip_bombs(), bombs.parquet_bombs(size)),
    }.items():
        count, seconds, megabytes = 0, 0.0, 0.0
        for fate in fates(cases, fresh=title == "bombs"):
            count += 1
            seconds, megabytes = max(seconds, fate.seconds), max(megabytes, fate.megabytes)
            if fate.trouble:
                troubles[fate.trouble] += 1
                print(f"  {fate.case.kind}, {fate.case.name}: {fate.trouble}", flush=True)  # noqa: T201
        print(f"{count} {title}: at most {seconds:.2f} s and {megabytes:.0f} MB", flush=True)  # noqa: T201
    print(f"{troubles.total()} in trouble")  # noqa: T201
    raise SystemExit(bool(troubles))


if __name__ == "__main__":
    main()
