"""A data directory of its own, and the `perennial` command run in it as a person would."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb

PERENNIAL = Path(sys.executable).with_name("perennial")
AS_OF = datetime(2026, 3, 29, 12, 0, tzinfo=UTC)
WRONG_CLOCK = "landing/pos/receipt_lines/wrong-clock.csv"
# What a rebuild at the same as_of may not change. meta tells of the run, so it differs.
COMPARED = ("marts", "audiences")


@dataclass(frozen=True)
class House:
    """One installation."""

    data: Path

    def environment(self, **variables: str) -> dict[str, str]:
        """The environment of its commands: this one's, less what belongs to another house."""
        foreign = ("PERENNIAL_", "DAGSTER_", "PYTHONDONTWRITEBYTECODE")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        own = {"PERENNIAL_DATA": str(self.data), "PERENNIAL_AS_OF": AS_OF.isoformat()}
        return kept | own | {"COLUMNS": "200", "NO_COLOR": "1"} | variables

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start a command and return at once."""
        return subprocess.Popen(
            [str(PERENNIAL), *arguments],
            env=self.environment(**variables),
            cwd=self.data.parent,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        process = self.start(*arguments, **variables)
        out, err = process.communicate(timeout=280)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def python(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run Python in this house's environment."""
        return subprocess.run(
            [sys.executable, "-c", script],
            env=self.environment(),
            cwd=self.data.parent,
            text=True,
            capture_output=True,
            timeout=280,
            check=False,
        )

    def succeed(self, *arguments: str, **variables: str) -> str:
        """Run a command that has to end well; returns its stdout."""
        done = self.run(*arguments, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def document(self, *arguments: str, **variables: str) -> Any:
        """Run a command with --json; returns its document."""
        return json.loads(self.succeed(*arguments, "--json", **variables))

    @property
    def published(self) -> Path:
        return self.data / "published.duckdb"

    def published_bytes(self) -> str:
        """The hash of the published file."""
        return sha256(self.published.read_bytes()).hexdigest()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the published file."""
        with duckdb.connect(str(self.published), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            return connection.execute(sql).fetchall()

    def tables(self) -> list[str]:
        """The published tables that a rebuild may not change."""
        return [
            f"{schema}.{name}"
            for schema, name in self.query(
                "select schema_name, table_name from duckdb_tables() "
                f"where schema_name in {COMPARED} order by all"
            )
        ]

    def content(self) -> dict[str, tuple[int, str]]:
        """Rows and a hash that doesn't depend on their order, for each published table."""
        return {
            table: self.query(
                f"select count(*), coalesce(sum(hash(t)::hugeint), 0)::varchar from {table} t"
            )[0]
            for table in self.tables()
        }


def land_a_wrong_clock(house: House) -> None:
    """Land more receipts from years ahead than the whole world has: a gate of raw has to close."""
    header = (
        "receipt_id,store_id,register_id,sold_at,line_no,product_id,product_name,category,quantity,"
        "unit_price,discount_amount,line_amount,currency,promo_code,loyalty_id,email,phone,"
        "payment_card_hash,original_receipt_id\n"
    )
    rows = "".join(
        f"future-{i},S1,1,2031-01-01T10:00:00,1,P1,Milk,Dairy,1,1.00,0,1.00,EUR,,,,,,\n"
        for i in range(40_000)
    )
    (house.data / WRONG_CLOCK).write_text(header + rows, encoding="utf-8")
