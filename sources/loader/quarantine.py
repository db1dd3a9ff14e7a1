"""What lies in quarantine, counted: how many rows, under which rule; never a row."""

from dataclasses import dataclass

import duckdb

from sources.contract import Table
from sources.loader.sql import parquet_folder
from sources.loader.store import Store


@dataclass(frozen=True)
class Stock:
    """Rows of one table over all files ever landed: in raw, and in quarantine by rule.

    A file that was refused whole counts as one.
    """

    loaded: int
    by_rule: dict[str, int]

    @property
    def quarantined(self) -> int:
        """Rows, and whole files, in quarantine."""
        return sum(self.by_rule.values())

    @property
    def total(self) -> int:
        """Everything that landed."""
        return self.loaded + self.quarantined


def stock(connection: duckdb.DuckDBPyConnection, table: Table, store: Store) -> Stock:
    """Count a table's rows in raw and in quarantine."""
    (loaded,) = connection.execute(
        f"select count(*) from {parquet_folder(store.raw_folder(table))}"
    ).fetchall()[0]
    folder = store.quarantine_folder(table)
    if not any(folder.glob("*.parquet")):
        return Stock(loaded, {})
    rules = connection.execute(
        f"select rule, count(*) from {parquet_folder(folder)} group by rule order by rule"
    ).fetchall()
    return Stock(loaded, dict(rules))
