"""Kills runs at random moments and compares what the next run publishes with a run never killed.

python -m tests.e2e.kills --kills 50
"""

import argparse
import random
import signal
import tempfile
import time
from pathlib import Path

from sources.sample import write_world
from tests.e2e.house import AS_OF, House


def killed_runs(house: House, kills: int, *, longest: float, seed: int) -> list[float]:
    """Start a run `kills` times and SIGKILL it; returns the seconds after which each was killed."""
    moments = [random.Random(f"{seed}-{i}").uniform(0, longest) for i in range(kills)]
    for moment in moments:
        process = house.start("run")
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    return moments


def main() -> None:
    """Print how many of the runs after a kill published the same tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--customers", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        calm, stormy = House(Path(folder) / "calm"), House(Path(folder) / "stormy")
        for house in (calm, stormy):
            write_world(
                house.data,
                customers=chosen.customers,
                seed=3,
                as_of=AS_OF,
                lines_per_receipt=2,
                dirty=0.01,
            )
        started = time.monotonic()
        calm.succeed("run")
        longest = time.monotonic() - started
        expected = calm.content()
        same = 0
        for number in range(chosen.kills):
            [moment] = killed_runs(stormy, 1, longest=longest, seed=chosen.seed * 1000 + number)
            stormy.succeed("run")
            is_same = stormy.content() == expected
            same += is_same
            print(  # noqa: T201 - a script's result
                f"kill {number + 1} after {moment:.2f} s of {longest:.2f} s: "
                f"{'same' if is_same else 'DIFFERENT'}",
                flush=True,
            )
        print(f"{same} of {chosen.kills} the same")  # noqa: T201
        raise SystemExit(same != chosen.kills)


if __name__ == "__main__":
    main()
