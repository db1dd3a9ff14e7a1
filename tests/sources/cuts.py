"""Files of every format cut off at random bytes: none is taken for the whole.

python -m tests.sources.cuts --files 200 --cuts 20

A plain text that is cut just after a line end looks like a whole one to anybody; it is counted
apart, and the sidecar is the remedy.
"""

import argparse
import random
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from sources.loader.load import create_views, load_table
from tests.sources.sent_again import TABLES, contents


def cut_files(folder: Path, files: int, cuts: int, seed: int = 1) -> dict[str, int]:
    """Of all cuts, how many were refused, accepted, and accepted just after a line end."""
    chance = random.Random(seed)
    at_line_end: set[str] = set()
    for number, (pattern, content) in enumerate(contents(files)):
        for cut in chance.sample(range(1, len(content)), cuts):
            name = pattern.format(f"{number}-{cut}")
            target = folder / "landing" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content[:cut])
            if content[cut - 1 : cut] == b"\n" and name.endswith((".ndjson", ".csv")):
                at_line_end.add(name)
    seen = refused = 0
    accepted: set[str] = set()
    for table in TABLES:
        report = load_table(table, folder, loaded_at=datetime.now(UTC))
        seen, refused = seen + report.files_seen, refused + report.files_rejected
        with duckdb.connect() as connection:
            create_views(connection, folder)
            sql = f"select distinct _landed_file from raw.{table.full_name}"
            accepted |= {name for (name,) in connection.execute(sql).fetchall()}
    return {
        "cuts": seen,
        "refused": refused,
        # By their rows, and those that would be accepted without leaving any.
        "accepted": len(accepted - at_line_end) + abs(seen - refused - len(at_line_end)),
        "after a line end": len(at_line_end),
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--cuts", type=int, default=20)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = cut_files(Path(folder), chosen.files, chosen.cuts)
    print(", ".join(f"{name}: {count}" for name, count in found.items()))  # noqa: T201
    raise SystemExit(found["accepted"] != 0)


if __name__ == "__main__":
    main()
