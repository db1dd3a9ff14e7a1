"""One read of the ERP's database: what is new, changed or gone since the last one lands as files.

Every table is read in one read-only transaction that sees one state of the ERP. A file has the time
of that state for a name, so the newest one says from when to read the next time; an overlap brings
what was committed late, and rows that are as they were are left out. Once a day every row is
compared: what is made of a contact, an address or a price changes without a trace when that is
deleted. Files are put in place when all of them are whole: a lost connection, or a kill, leaves
what was there before.
"""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from adbc_driver_manager import Error as DatabaseError

from sources.contract import SourceError, Table
from sources.erp_database.compare import MAPPING, NAME, READ_AT, Landed, check_keys
from sources.erp_database.mapping import Mapping, mappings
from sources.erp_database.modules import fitted
from sources.erp_database.whole_reads import WholeReads
from sources.loader.store import Store, commit, make_folder, temporary

if TYPE_CHECKING:
    from adbc_driver_postgresql import dbapi

_log = logging.getLogger(__name__)

# A handful is no flood, however small the table is.
_FEW_ROWS = 10
_TRANSACTION_FAILED = "25P02"
_REASONS = {  # by class of SQLSTATE
    "42": "lacks a table or column that the mapping reads, or the right to read it: see that "
    "PERENNIAL_ERP_KIND is right, and what its user may read",
    "57": "was shut down, or a query took longer than PERENNIAL_ERP_TIMEOUT_SECONDS: run again",
}


@dataclass(frozen=True)
class Collected:
    """What one read of a table found: rows that came over, and of those what was news."""

    table: str
    rows_read: int
    rows_landed: int
    rows_deleted: int


def collect(
    url: str,
    kind: str,
    data: Path,
    *,
    objects_url: str | None = None,
    overlap: timedelta = timedelta(hours=1),
    timeout: timedelta = timedelta(minutes=10),
    maximum_gone_share: float = 0.15,
    full_read_after: timedelta = timedelta(hours=24),
) -> list[Collected]:
    """Read the ERP of `kind` at the PostgreSQL address `url`, and land what is new.

    `overlap`: how long a transaction of the ERP may take; `timeout`: how long one query may;
    `maximum_gone_share`: of a table's rows, how many may be gone since the last read;
    `full_read_after`: how long a change that leaves no trace may go unseen. Raises SourceError, one
    line that says what to do, and then nothing has landed.
    """
    store = Store(data, objects_url)
    wanted = mappings(kind)
    with ExitStack() as files, _snapshot(url, timeout) as (cursor, read_at):
        finished: list[tuple[Path, Path]] = []
        found = []
        read_whole = []
        for mapping in fitted(wanted, partial(_rows, cursor)):
            folder = store.collected_folder(mapping.table)
            make_folder(folder)
            if mirror := store.collected(mapping.table):
                mirror.pull()
            final = folder / f"{read_at.strftime(NAME)}.parquet"
            news = files.enter_context(temporary(final))
            whole_reads = WholeReads(folder)
            in_full = whole_reads.is_due(read_at, full_read_after)
            read = _Read(cursor, mapping, read_at, overlap, maximum_gone_share, in_full)
            collected = read.into(news, Landed.in_folder(mapping.table, folder))
            if collected.rows_landed:
                finished.append((news, final))
            if in_full:
                read_whole.append(whole_reads)
            found.append(collected)
        for news, final in finished:
            commit(news, final)
        for mapping in wanted:
            if mirror := store.collected(mapping.table):
                mirror.push()
        # Last: killed before, the next read compares everything once more, which harms nothing.
        for whole_reads in read_whole:
            whole_reads.remember(read_at)
    for collected in found:
        _log.info(
            "%s: %d rows read, %d landed, %d of them gone.",
            *(collected.table, collected.rows_read, collected.rows_landed, collected.rows_deleted),
        )
    return found


@dataclass(frozen=True)
class _Read:
    """One table read in the transaction of `cursor`."""

    cursor: "dbapi.Cursor"
    mapping: Mapping
    read_at: datetime
    overlap: timedelta
    maximum_gone_share: float
    in_full: bool

    def into(self, news: Path, landed: Landed) -> Collected:
        """Write what isn't in `landed` to `news`."""
        if landed.read_at and landed.read_at >= self.read_at:
            raise SourceError(
                f"The ERP's clock says {self.read_at:%Y-%m-%d %H:%M:%S} UTC, but it has been read "
                f"at {landed.read_at:%Y-%m-%d %H:%M:%S}: set the clock of its database right."
            )
        if not landed.files:
            rows = self._fetch(self.mapping.rows(None), news)
            check_keys(self._table, news)
            return Collected(self._table.full_name, rows, rows, 0)
        same_mapping = landed.mapping == self.mapping.fingerprint
        goes_on = landed.read_at and same_mapping and not self.in_full
        since = landed.read_at - self.overlap if landed.read_at and goes_on else None
        with temporary(news) as fetched, temporary(news) as keys, landed.newest(news) as newest:
            self._fetch(self.mapping.keys(), keys)
            check_keys(self._table, keys)
            rows = self._fetch(self.mapping.rows(since), fetched)
            if since and newest.lacks(fetched, keys):
                rows = self._fetch(self.mapping.rows(None), fetched)
            found = newest.write_news(
                fetched, keys, news, read_at=self.read_at, mapping=self.mapping.fingerprint
            )
        if found.gone > max(_FEW_ROWS, self.maximum_gone_share * found.before):
            raise SourceError(
                f"{found.gone} of {found.before} rows of {self._table.full_name} have left the "
                "ERP: is PERENNIAL_ERP_URL the right database, and may its user read all of it? If "
                "they are meant to be gone, set PERENNIAL_ERP_MAXIMUM_GONE_SHARE=1 for one run."
            )
        return Collected(self._table.full_name, rows, found.rows, found.gone)

    def _fetch(self, sql: str, target: Path) -> int:
        """Run a query of the ERP into a Parquet file, a batch at a time."""
        self.cursor.execute(sql)
        reader = self.cursor.fetch_record_batch()
        # The time as well: the loader takes equal bytes for one content.
        known = {MAPPING: self.mapping.fingerprint, READ_AT: str(self.read_at)}
        schema = reader.schema.with_metadata(known)
        rows = 0
        with pq.ParquetWriter(target, schema, compression="zstd") as writer:
            for batch in self._batches(reader):
                writer.write_batch(batch.cast(schema) if batch.schema != schema else batch)
                rows += batch.num_rows
        return rows

    def _batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        """Give a result's batches; of an error on the way the stream tells no SQLSTATE."""
        try:
            yield from reader
        except (OSError, pa.ArrowException):
            try:
                self.cursor.execute("select 1")
            except DatabaseError as error:
                if error.sqlstate != _TRANSACTION_FAILED:
                    raise
            raise SourceError(
                f"The ERP's database gave up {self._table.full_name}: a value isn't of the type "
                "that the mapping makes of it, or the query took longer than "
                "PERENNIAL_ERP_TIMEOUT_SECONDS."
            ) from None

    @property
    def _table(self) -> Table:
        return self.mapping.table


@contextmanager
def _snapshot(url: str, timeout: timedelta) -> "Iterator[tuple[dbapi.Cursor, datetime]]":
    """Open a read-only transaction that sees one state of the database, and when that is."""
    from adbc_driver_postgresql import dbapi  # 1.5 s, which a run without a read needn't wait for

    try:
        with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(f"set statement_timeout = {timeout // timedelta(milliseconds=1)}")
            cursor.execute("set client_encoding = 'UTF8'")
            cursor.execute("begin isolation level repeatable read read only")
            ((read_at,),) = _rows(cursor, "select now()")
            yield cursor, read_at
    except DatabaseError as error:
        raise SourceError(_explain(error)) from None
    except (OSError, duckdb.Error, pa.ArrowException) as error:
        raise SourceError(
            f"What was read from the ERP can't be written ({type(error).__name__}), or what was "
            "landed before can't be read: check the disk and the folders landing/*/*/database."
        ) from error


def _rows(cursor: "dbapi.Cursor", sql: str) -> list[tuple[Any, ...]]:
    """Run a query whose result is small."""
    cursor.execute(sql)
    return list(cursor.fetchall())


def _explain(error: DatabaseError) -> str:
    """Say what to do by the error's SQLSTATE; its text may quote a value, or the address."""
    state = error.sqlstate or ""
    if not state or state.startswith("08"):
        return (
            "The ERP's database doesn't answer, or lets nobody in: see that the server is up and "
            "that host, database, user and password in PERENNIAL_ERP_URL are right, then run again."
        )
    reason = _REASONS.get(state[:2], "refuses a query of the mapping")
    return f"The ERP's database {reason} (SQLSTATE {state})."
