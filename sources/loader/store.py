"""Where things lie in the data directory, and how a file gets there whole or not at all.

The only module of this room that joins paths. Where an object store holds the data, what is here is
a working copy of it.
"""

import fcntl
import hashlib
import logging
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, cast

from sources.contract import SourceError, Table

if TYPE_CHECKING:
    from sources.loader.objects import Mirror, Objects

_log = logging.getLogger(__name__)

# A loader touches its temporary file all the while it writes; one that nobody has touched for an
# hour belongs to a process that was killed.
_ABANDONED_AFTER_SECONDS = 3600
_TEMPORARY = ".tmp"
# How the name of a file of raw begins that holds more than one landed content.
MANY = "many-"
# The folder within a table's landing folder where a build lands what it reads from a database.
COLLECTED = "database"


class Store:
    """The data directory. A file is named by the content it is made of, so writers never meet.

    `url`: the object store that holds landing, raw and quarantine, of which the directory has a
    working copy then. `is_anew`: the folders of raw and quarantine are those in which a table is
    made anew.
    """

    def __init__(self, data: Path, url: str | None = None, *, is_anew: bool = False) -> None:
        # Absolute, so that views and readers don't depend on where a process was started.
        self.data = data.absolute()
        self.landing = self.data / "landing"
        self._url = url
        self._is_anew = is_anew
        self._loader = self.data / ".loader"

    @cached_property
    def objects(self) -> "Objects | None":
        """The object store, where there is one."""
        if not self._url:
            return None
        from sources.loader.objects import Objects  # and with it a library that most never need

        return Objects(self._url)

    def pull(self, table: Table) -> None:
        """Bring the working copy of a table's raw and quarantine up to date."""
        for mirror in self._mirrors(table):
            mirror.pull()

    def push(self, table: Table, *, replaces: bool = False) -> None:
        """Write a table's quarantine and raw back; `replaces`: they were made anew."""
        for mirror in self._mirrors(table):
            mirror.push(replaces=replaces)

    def collected(self, table: Table) -> "Mirror | None":
        """What keeps the landed reads of a database in the object store, where there is one."""
        return self._mirror(table, self.collected_folder(table)) if self.objects else None

    def _mirrors(self, table: Table) -> "list[Mirror]":
        # Quarantine first: once a file of raw is there, nobody looks at its content again.
        folders = (self.quarantine_folder(table), self.raw_folder(table))
        return [self._mirror(table, folder) for folder in folders] if self.objects else []

    def _mirror(self, table: Table, folder: Path) -> "Mirror":
        from sources.loader.objects import Mirror

        remote = folder.relative_to(self.data)
        memory = self._loader / f"{table.full_name}.{remote.parts[0]}.json"
        return Mirror(cast("Objects", self.objects), remote.as_posix(), folder, memory)

    def fetched_file(self, name: str) -> Path:
        """Where an object of the landing zone lies while it is read; its name tells its format."""
        ending = "".join(PurePosixPath(name).suffixes[-2:])[-24:]
        return self._loader / "fetched" / f"{hashlib.sha256(name.encode()).hexdigest()}{ending}"

    @property
    def formats_file(self) -> Path:
        """How the files of each table are written, unless another file says it."""
        return self.data / "formats.toml"

    def landed_folder(self, table: Table) -> Path:
        """Where the table's files land."""
        return self.landing / table.source / table.name

    def collected_folder(self, table: Table) -> Path:
        """Where a build itself lands what it reads from the ERP's database."""
        return self.landed_folder(table) / COLLECTED

    def raw_folder(self, table: Table) -> Path:
        """Where the table's typed rows lie, one Parquet file for each landed content."""
        return self._folder("raw", table)

    def quarantine_folder(self, table: Table) -> Path:
        """Where the table's refused rows and files are written down."""
        return self._folder("quarantine", table)

    def _folder(self, stage: str, table: Table) -> Path:
        name = f".{table.name}.anew" if self._is_anew else table.name
        return self.data / stage / table.source / name

    def beside(self) -> "Store":
        """The same data directory, where raw and quarantine are being made anew."""
        return Store(self.data, self._url, is_anew=True)

    def anew_marker(self, table: Table) -> Path:
        """It exists while a table that was made anew, whole, changes places with the old one."""
        return self._loader / f"{table.full_name}.anew"

    def raw_file(self, table: Table, digest: str) -> Path:
        """The typed rows of one landed content; it exists once that content has been loaded."""
        return self.raw_folder(table) / f"{digest}.parquet"

    def quarantine_file(self, table: Table, digest: str) -> Path:
        """What was refused of one landed content."""
        return self.quarantine_folder(table) / f"{digest}.parquet"

    def schema_file(self, table: Table) -> Path:
        """An empty Parquet file with the contract's columns, so that a table always has a shape."""
        return self.raw_folder(table) / "_schema.parquet"

    def index_file(self, table: Table) -> Path:
        """What raw holds of each landed content: made from raw, and again where it is missing."""
        return self._loader / f"{table.full_name}.contents.parquet"

    def seen_file(self, table: Table) -> Path:
        """Which content each landed name had when it was last looked at."""
        return self._loader / f"{table.full_name}.seen.parquet"

    @contextmanager
    def lock(self, table: Table) -> Iterator[None]:
        """Be the only process that loads the table; a killed one lets go of it."""
        path = self._loader / f"{table.full_name}.lock"
        make_folder(path.parent)
        with path.open("ab") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _log.info("Waiting for another process that loads %s.", table.full_name)
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def spill_folder(self, table: Table) -> Path:
        """A new name for what one DuckDB instance can't keep in memory: instances can't share."""
        return self._loader / f".{table.full_name}.{uuid.uuid4().hex}{_TEMPORARY}"

    def clear_temporary(self, table: Table) -> None:
        """Delete what killed loads of the table left, for whoever holds its lock, however young."""
        folders = (self.raw_folder(table), self.quarantine_folder(table))
        left = [path for folder in folders for path in folder.glob(f".*{_TEMPORARY}")]
        left += self._loader.glob(f".{table.full_name}.*{_TEMPORARY}")
        for path in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def raw_files(self, table: Table) -> list[Path]:
        """Every file of raw that holds rows, in the order of their names."""
        return sorted(self.raw_folder(table).glob("[!_.]*.parquet"))

    def prepare(self, table: Table) -> None:
        """Make the table's folders and clear away what killed loads left in them."""
        make_folder(self.raw_folder(table))
        make_folder(self.quarantine_folder(table))


def many(contents: Iterable[str]) -> str:
    """The name, instead of a content's hash, of a file of raw that is made of several contents."""
    return MANY + hashlib.sha256("\n".join(sorted(contents)).encode()).hexdigest()


def make_folder(folder: Path) -> None:
    """Make a folder that takes files, and clear away what killed processes left in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise unwritable(folder, error) from error
    _clear_abandoned(folder)


def _clear_abandoned(folder: Path) -> None:
    before = time.time() - _ABANDONED_AFTER_SECONDS
    for path in folder.glob(f".*{_TEMPORARY}"):
        try:
            if path.stat().st_mtime < before:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                _log.info("Removed %s, left by a process that was killed.", path.name)
        except FileNotFoundError:  # another process cleared it first
            continue


@contextmanager
def temporary(final: Path) -> Iterator[Path]:
    """A name beside `final` to write to before `commit`; what isn't committed is gone after."""
    path = final.with_name(f".{final.stem}.{uuid.uuid4().hex}{_TEMPORARY}")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def commit(finished: Path, final: Path) -> None:
    """Put a finished temporary file in place, in one step that survives a power cut."""
    try:
        sync(finished)
        finished.replace(final)
        sync(final.parent)
    except OSError as error:
        raise unwritable(final.parent, error) from error


def remove(path: Path) -> None:
    """Delete a file, if it is there, and make that survive a power cut."""
    if path.exists():
        path.unlink(missing_ok=True)
        sync(path.parent)


def sync(path: Path) -> None:
    """Make what was done to a file or a folder survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def unwritable(folder: Path, error: OSError) -> SourceError:
    """The error for a data directory that takes no files."""
    return SourceError(
        f"{folder} can't be written ({error.strerror or error}): give the user who runs Perennial "
        "the right to write there, or point PERENNIAL_DATA at another folder."
    )
