"""Integers and texts between DuckDB and NumPy, by Arrow."""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dagster_project.database import read

Integers = NDArray[np.int64]


def integers(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, Integers]:
    """The result's columns, all BIGINT and none null, as NumPy arrays by name."""
    table = read(connection, query)
    return {
        name: np.asarray(table.column(name).to_numpy(), dtype=np.int64)
        for name in table.column_names
    }


def write_table(
    connection: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, Any]
) -> None:
    """Create the temporary table `name` from arrays (NumPy, or any that Arrow takes)."""
    view = f"{name}_arrow"
    connection.register(view, pa.table(dict(columns)))
    try:
        connection.execute(f"create or replace temp table {name} as select * from {view}")
    finally:
        connection.unregister(view)


def texts(values: Sequence[str | None]) -> Any:
    """A column of text for write_table."""
    return pa.array(values, type=pa.string())
