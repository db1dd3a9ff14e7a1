"""SQLAlchemy dialect `duckdb+buffered`, on which Great Expectations evaluates inside DuckDB.

GX reads the rows of a result after it has given the connection back, when duckdb-engine has nothing
left to read. Here every result is read as soon as it is executed, so nothing is copied into pandas.
Can go when duckdb-engine buffers its results itself.
"""

from collections import deque
from typing import Any

import duckdb
import duckdb_engine
from sqlalchemy import Connection, text
from sqlalchemy.dialects import registry
from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy
from sqlalchemy.pool import NullPool
from sqlalchemy.types import NullType

URL = "duckdb+buffered://"
_COLUMNS = text(
    "select column_name, lower(regexp_extract(data_type, '^[A-Z ]+')), is_nullable "
    "from duckdb_columns() where database_name = current_database() "
    "and schema_name = :schema and table_name = :name order by column_index"
)


class _BufferedExecution(duckdb_engine.Dialect.execution_ctx_cls):  # type: ignore[misc,valid-type]
    def post_exec(self) -> None:
        super().post_exec()
        if self.cursor.description:
            self.cursor_fetch_strategy = FullyBufferedCursorFetchStrategy(
                self.cursor,
                alternate_description=self.cursor.description,
                initial_buffer=deque(self.cursor.fetchall()),
            )


class _QuotingPreparer(duckdb_engine.DuckDBIdentifierPreparer):
    def _requires_quotes(self, value: str) -> bool:  # noqa: ARG002
        # duckdb-engine knows only DuckDB's "reserved" words, but a column named `at` breaks too.
        return True


class Dialect(duckdb_engine.Dialect):
    """duckdb-engine's dialect, with results read at once and every name quoted."""

    execution_ctx_cls = _BufferedExecution
    preparer = _QuotingPreparer
    supports_statement_cache = False

    def get_columns(
        self, connection: Connection, table_name: str, schema: str | None = None, **_: Any
    ) -> list[dict[str, Any]]:
        """Return a table's columns from DuckDB's own catalogue.

        Asking its imitation of PostgreSQL's, as duckdb-engine does, took 0.08 s of 0.2 s a suite.
        """
        found = connection.execute(_COLUMNS, {"schema": schema or "main", "name": table_name})
        types = self.ischema_names
        return [
            {"name": name, "type": types.get(kind, NullType)(), "nullable": nullable}
            for name, kind, nullable in found
        ]

    def get_pk_constraint(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Return none: dbt's tables have no primary keys, and looking for them isn't free."""
        return {"constrained_columns": [], "name": None}


registry.register("duckdb.buffered", __name__, "Dialect")


def engine_options(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Options of `create_engine` with which each of its connections is a cursor of `connection`.

    Whoever opened `connection` decides when the file is free again: the pool keeps nothing. Nor
    does the path pass through a URL or GX's `$` substitution, so any folder name will do.
    """

    def cursor() -> duckdb_engine.ConnectionWrapper:
        session = connection.cursor()
        session.execute("set TimeZone = 'UTC'")  # a session's own: cursors don't inherit it
        return duckdb_engine.ConnectionWrapper(session)

    return {"poolclass": NullPool, "creator": cursor}
