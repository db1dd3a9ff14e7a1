"""What becomes of one landed file: loaded, refused whole, or known already."""

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import Literal

import duckdb

from sources.contract import SourceError, Table
from sources.loader.contents import Contents
from sources.loader.copying import Copying
from sources.loader.csv_rows import CsvSurvey, survey_csv
from sources.loader.erasure import Erased, sift
from sources.loader.json_rows import Survey, early_survey
from sources.loader.landing import (
    DefectiveFileError,
    LandedFile,
    check_bytes,
    content_hash,
    has_sidecar,
    opened,
    vouched,
)
from sources.loader.source_file import Source
from sources.loader.sql import literal, parquet
from sources.loader.store import Store, commit, remove, temporary
from sources.loader.verdict import Stamp, refused_file

_log = logging.getLogger(__name__)

_LARGE_BYTES = 16 << 20
_identity = attrgetter("st_ino", "st_size", "st_mtime_ns")


@dataclass(frozen=True)
class Outcome:
    """What became of one landed file. `changing`: it was being written while it was read.

    `form`: how it is written, where that isn't as the contract has it. `erased`: rows of erased
    people, which are neither loaded nor kept anywhere else.
    """

    status: Literal["known", "loaded", "refused", "changing"]
    rows: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    byte_count: int = 0
    form: str = ""
    erased: int = 0


@dataclass(frozen=True)
class FileLoad:
    """The load of one landed file; `since`: when contents were first loaded, of those that were."""

    connection: duckdb.DuckDBPyConnection
    store: Store
    table: Table
    file: LandedFile
    loaded_at: datetime
    contents: Contents
    erased: Erased | None = None
    since: Mapping[str, datetime] = field(default_factory=dict)

    def came(self, digest: str) -> datetime:
        """When the content was first loaded: what is made anew came when it came."""
        return self.since.get(digest, self.loaded_at)

    def outcome(self) -> Outcome:
        """Load the file, or refuse it; a content that has been loaded is left as it is."""
        digest = self._unread
        before: os.stat_result | None = None
        try:
            with opened(self.store, self.file) as stream:
                before = os.fstat(stream.fileno())
                source = Source(self.connection, self.table, self.file, stream)
                with ThreadPoolExecutor(1) as beside:
                    hashing = beside.submit(content_hash, stream)
                    found = self._early_survey(source)
                    digest = hashing.result()
                remove(self.store.quarantine_file(self.table, self._unread))
                self.contents.met.add(digest)
                if digest in self.contents.known:
                    self.contents.remember(self.file, digest)
                    return Outcome("known")
                whole = vouched(self.file, digest)
                check_bytes(stream, self.file, whole=whole)
                return self._load(source, found, digest, before, whole=whole)
        except (DefectiveFileError, duckdb.Error) as error:
            if self.has_changed(before):
                return Outcome("changing")
            return self._refuse(digest, self._defect(error))

    @property
    def _unread(self) -> str:
        """What a file is named by that can't be read, so that it has no content."""
        return hashlib.sha256(f"name:{self.file.name}".encode()).hexdigest()

    def pardon(self, digest: str) -> None:
        """Forget that the file was refused whole before, now that its content is loaded."""
        for refused in (digest, self._unread):
            remove(self.store.quarantine_file(self.table, refused))

    def _stamp(self, digest: str) -> Stamp:
        return Stamp.of_file(self.file.name, self.came(digest))

    def _early_survey(self, source: Source) -> Survey | CsvSurvey | None:
        """Survey a large text while it is hashed, of which a second processor has the time."""
        seen = os.fstat(source.stream.fileno())
        is_text = self.file.format in ("ndjson", "csv") and not self.file.gzipped
        if not is_text or seen.st_size < _LARGE_BYTES or has_sidecar(self.file):
            return None
        try:
            check_bytes(source.stream, self.file, whole=False)
            if not source.is_utf8:
                return None
            return survey_csv(source) if self.file.format == "csv" else early_survey(source)
        except (DefectiveFileError, duckdb.InvalidInputException):
            return None  # to be said once the content has its name

    def _load(
        self,
        source: Source,
        surveyed: Survey | CsvSurvey | None,
        digest: str,
        before: os.stat_result,
        *,
        whole: bool,
    ) -> Outcome:
        raw_file = self.store.raw_file(self.table, digest)
        quarantine_file = self.store.quarantine_file(self.table, digest)
        with temporary(raw_file) as raw, temporary(quarantine_file) as quarantine:
            copying = Copying(source, self._stamp(digest), digest, raw, quarantine, whole, surveyed)
            rows, refused_count = copying.run()
            if self.has_changed(before):
                return Outcome("changing")
            gone, refused_gone = sift(self.connection, self.table, self.erased, raw, quarantine)
            refused = self._rules(quarantine) if refused_count else Counter[str]()
            # Quarantine first: once the raw file is there, nobody looks at this content again.
            if refused:
                commit(quarantine, quarantine_file)
            else:
                remove(quarantine_file)
            commit(raw, raw_file)
        self.contents.known.add(digest)
        self.contents.remember(self.file, digest)
        erased = gone + refused_gone
        return Outcome("loaded", rows - gone, refused, before.st_size, source.form, erased)

    def _refuse(self, digest: str, error: DefectiveFileError) -> Outcome:
        """Write down why the file is refused, unless that is what is written there already."""
        refused = Counter({error.rule: 1})
        final = self.store.quarantine_file(self.table, digest)
        if not final.exists() or self._rules(final) != refused:
            with temporary(final) as quarantine:
                sql = refused_file(error.rule, str(error), self._stamp(digest))
                self.connection.execute(
                    f"copy ({sql}) to {literal(str(quarantine))} (format parquet, compression zstd)"
                )
                commit(quarantine, final)
            _log.warning("%s is refused (%s): the file %s.", self.file.name, error.rule, error)
        return Outcome("refused", refused=refused)

    def _defect(self, error: DefectiveFileError | duckdb.Error) -> DefectiveFileError:
        """What is wrong with the file; raises SourceError where it is the machine instead."""
        if isinstance(error, DefectiveFileError):
            return error
        if isinstance(error, duckdb.IOException | duckdb.OutOfMemoryException):
            raise SourceError(
                f"{self.file.name} can't be loaded ({str(error).splitlines()[0]}): check the disk "
                "and the memory, then run again; what is loaded already stays."
            ) from error
        # One file that DuckDB stumbles over shall not keep out the others. The error's text may
        # quote a value of a person, its type doesn't.
        return DefectiveFileError(
            "file_unloadable",
            f"can't be read by DuckDB ({type(error).__name__}): look for what is odd in it",
        )

    def _rules(self, quarantine: Path) -> Counter[str]:
        """How many rows broke which rule, by a quarantine file."""
        counted = self.connection.execute(
            f"select rule, count(*) from {parquet(quarantine)} group by rule"
        )
        return Counter(dict(counted.fetchall()))

    def on(self, connection: duckdb.DuckDBPyConnection) -> "FileLoad":
        """The same load on another connection."""
        return replace(self, connection=connection)

    def has_changed(self, before: os.stat_result | None) -> bool:
        """Whether the file is another one than when it was opened: then nothing is said of it."""
        if before is None or self.file.object_path:  # an object is read whole, or not at all
            return False
        with suppress(OSError):
            if _identity(self.file.path.stat()) == _identity(before):
                return False
        _log.warning("%s was changed while it was read: left for the next run.", self.file.name)
        return True
