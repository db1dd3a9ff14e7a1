"""Landed files: which there are, what their bytes are, and what is wrong with a file as a whole.

A file that isn't whole, or isn't what its name says, is refused whole: half a file would say that
the customers in the other half have left.
"""

import gzip
import hashlib
import os
import re
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from sources.contract import SourceError, Table
from sources.loader.encodings import UTF_8, UTF_8_MARK, UTF_32, encoding_of, is_wide
from sources.loader.formats import AS_CONTRACTED, FileFormat, Kind
from sources.loader.store import COLLECTED, Store, make_folder

if TYPE_CHECKING:
    from sources.loader.objects import Objects

_FORMATS: dict[str, Kind] = {
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".csv": "csv",
    ".parquet": "parquet",
}
_KNOWN_BY_FIRST_BYTES = (
    (b"\x1f\x8b", "gzip"),
    (b"PAR1", "Parquet"),
    (b"PK\x03\x04", "zip or Excel"),
    (b"\xd0\xcf\x11\xe0", "old Excel"),
    (b"%PDF", "PDF"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"SQLite format 3", "SQLite"),
)
HEAD_BYTES = 4096
_HASH_BYTES = 1 << 20
# Events pack 5 to 10 times smaller, rows that differ by a counter alone up to 140 times (measured);
# a bomb is packed 1,000 times. What any file may unpack to is read in a fraction of a second.
MOST_TIMES_UNPACKED = 200
_FREE_BYTES = 16 << 20
_STRETCH_BYTES = 256 << 10


class DefectiveFileError(Exception):
    """The file as a whole breaks the contract: `rule` names how, the message says what to do."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


@dataclass(frozen=True)
class LandedFile:
    """One name in the landing zone.

    `name` is its path below landing/, always printable. `state` is another one whenever the bytes
    are; empty where nobody can say. `changed_ns`: when a file was last changed. `declared`: how the
    files of its table are written. `object_path`: of an object, which is fetched to `path` while it
    is read; `object_sidecar`: so is its .sha256.
    """

    place: str
    name: str
    byte_count: int = 0
    state: str = ""
    changed_ns: int = 0
    declared: FileFormat = AS_CONTRACTED
    object_path: str = ""
    object_sidecar: bool = False

    @cached_property
    def path(self) -> Path:
        """Where it lies; made when it is needed, as of 100,000 known files none is."""
        return Path(self.place)

    @property
    def gzipped(self) -> bool:
        """Whether the name says that the content is compressed."""
        return self.path.suffix.lower() == ".gz"

    @property
    def format(self) -> Kind | None:
        """What the name says the content is, else what is declared; None where neither does."""
        inner = self.path.with_suffix("") if self.gzipped else self.path
        found = _FORMATS.get(inner.suffix.lower(), self.declared.kind)
        return None if found == "parquet" and self.gzipped else found


def landed_files(
    store: Store, table: Table, declared: FileFormat = AS_CONTRACTED
) -> list[LandedFile]:
    """Every file of the table that has landed, sorted by name.

    `declared`: how they are written; those that a build has read from the ERP are as contracted.

    What starts with a dot or an underscore or ends in .tmp or .part isn't there yet; a .sha256 is
    the word about another file. A link to a folder, and a folder that can't be read, are listed as
    one file, to be refused.
    """
    require_landing(store)
    if store.objects:
        return _landed_objects(store, store.objects, table, declared)
    found: list[str] = []

    def unlisted(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            found.append(error.filename)

    folder = str(store.landed_folder(table))
    for here, subfolders, names in os.walk(folder, onerror=unlisted, followlinks=False):
        subfolders[:] = [name for name in subfolders if _has_landed(name)]
        links = [name for name in subfolders if os.path.islink(f"{here}/{name}")]  # noqa: PTH114
        found.extend(f"{here}/{name}" for name in [*links, *names] if _has_landed(name))
    # Texts rather than paths, which take four times as long: there may be 100,000.
    below = len(str(store.landing)) + 1
    collected = f"{store.collected_folder(table)}/"
    return [
        _landed_file(path, path[below:], AS_CONTRACTED if path.startswith(collected) else declared)
        for path in sorted(found)
    ]


def _landed_file(path: str, name: str, declared: FileFormat) -> LandedFile:
    size, state, changed = 0, "", 0
    with suppress(OSError, ValueError):
        seen = os.stat(path)  # noqa: PTH116
        size = seen.st_size
        state = f"{size} {seen.st_mtime_ns} {seen.st_ctime_ns} {seen.st_ino}"
        changed = max(seen.st_mtime_ns, seen.st_ctime_ns)
    return LandedFile(path, _printable(name), size, state, changed, declared)


def _landed_objects(
    store: Store, objects: "Objects", table: Table, declared: FileFormat
) -> list[LandedFile]:
    folder = f"landing/{table.source}/{table.name}"
    found = objects.below(folder)
    sidecars = {one.path for one in found if one.path.lower().endswith(".sha256")}
    collected = f"{folder}/{COLLECTED}/"
    return [
        LandedFile(
            place=str(store.fetched_file(one.path)),
            name=one.path.removeprefix("landing/"),
            byte_count=one.byte_count,
            state=one.state,
            declared=AS_CONTRACTED if one.path.startswith(collected) else declared,
            object_path=one.path,
            object_sidecar=f"{one.path}.sha256" in sidecars,
        )
        for one in found
        if all(map(_has_landed, one.path.removeprefix(f"{folder}/").split("/")))
    ]


def require_landing(store: Store) -> None:
    """Raise SourceError, one line that says what to do, where there is no landing folder."""
    if store.objects:
        if not store.objects.has_any("landing"):
            raise SourceError(
                f"There is nothing in {store.objects.url}/landing: put files into "
                "landing/<source>/<table>/ there, or point PERENNIAL_DATA at what holds it."
            )
        return
    try:
        if store.landing.is_dir():
            return
        reason = f"There is no landing folder {store.landing}: create it"
    except OSError as error:
        reason = f"{store.landing} can't be opened ({error.strerror}): let Perennial's user read it"
    raise SourceError(
        f"{reason} and put files into landing/<source>/<table>/, or point PERENNIAL_DATA at the "
        "folder that holds it."
    )


def _has_landed(name: str) -> bool:
    return not name.startswith((".", "_")) and not name.lower().endswith(
        (".tmp", ".part", ".sha256")
    )


def _printable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")


@contextmanager
def opened(store: Store, file: LandedFile) -> Iterator[IO[bytes]]:
    """The file's bytes, once it is sure that it is a plain file inside the landing zone."""
    if store.objects:
        with _fetched(store.objects, file) as stream:
            yield stream
        return
    try:
        str(file.path).encode()
    except UnicodeEncodeError as error:
        raise DefectiveFileError("file_format", "has a name that isn't UTF-8: rename it") from error
    if "\\" in file.name and set("*?[") & set(file.name):
        raise DefectiveFileError(
            "file_format",
            "has a name with a backslash and one of *?[, which DuckDB can't open: rename it",
        )
    try:
        inside = file.path.resolve(strict=True).is_relative_to(store.landing.resolve())
        if not inside:
            raise DefectiveFileError(
                "file_outside_landing",
                "is a link that leads out of the landing zone: put the file itself there",
            )
        # Opening a pipe would wait for ever; whoever can write to landing could park a run.
        mode = file.path.stat().st_mode
        if stat.S_ISDIR(mode) and not file.path.is_symlink():
            next(file.path.iterdir(), None)  # it is listed as a file because it can't be: say why
        if not stat.S_ISREG(mode):
            raise DefectiveFileError(
                "file_unreadable", "is no plain file: put the file itself into the landing zone"
            )
        stream = file.path.open("rb")
    except (OSError, RuntimeError) as error:
        raise _unreadable(error) from error
    with stream:
        yield stream


@contextmanager
def _fetched(objects: "Objects", file: LandedFile) -> Iterator[IO[bytes]]:
    """An object's bytes, as a file for as long as they are read."""
    make_folder(file.path.parent)
    try:
        objects.fetch(file.object_path, file.path)
        if file.object_sidecar:
            objects.fetch(f"{file.object_path}.sha256", _sidecar(file))
        with file.path.open("rb") as stream:
            yield stream
    except FileNotFoundError as error:
        raise _unreadable(error) from error
    finally:
        file.path.unlink(missing_ok=True)
        _sidecar(file).unlink(missing_ok=True)


def _unreadable(error: Exception) -> DefectiveFileError:
    reason = getattr(error, "strerror", None) or type(error).__name__
    return DefectiveFileError(
        "file_unreadable",
        f"can't be read ({reason}): let the user who runs Perennial read it, or land it again",
    )


def content_hash(stream: IO[bytes]) -> str:
    """SHA-256 of all the bytes; where the stream stands is of no matter, and stays."""
    digest, at = hashlib.sha256(), 0
    try:
        while block := os.pread(stream.fileno(), _HASH_BYTES, at):
            digest.update(block)
            at += len(block)
    except OSError as error:
        raise _unreadable(error) from error
    return digest.hexdigest()


def has_sidecar(file: LandedFile) -> bool:
    """Whether there is a .sha256 beside the file."""
    return _sidecar(file).exists()


def _sidecar(file: LandedFile) -> Path:
    return file.path.with_name(file.path.name + ".sha256")


def vouched(file: LandedFile, digest: str) -> bool:
    """Whether a sidecar says that these bytes are the whole file; a wrong one refuses the file."""
    try:
        words = _sidecar(file).read_bytes()[:HEAD_BYTES].decode("utf-8", "replace").lower().split()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unreadable(error) from error
    stated = words[0] if words else ""
    if stated != digest:
        known = bool(re.fullmatch("[0-9a-f]{64}", stated))
        raise DefectiveFileError(
            "file_checksum",
            "isn't the file that its .sha256 names: land it again"
            if known
            else "has a .sha256 that doesn't start with a SHA-256 in hexadecimal: write it again",
        )
    return True


def check_bytes(stream: IO[bytes], file: LandedFile, *, whole: bool) -> None:
    """Refuse what the first and last bytes already give away.

    `whole`: a sidecar vouches for the bytes, so that a missing last line end is no sign of a cut.
    """
    size = os.fstat(stream.fileno()).st_size
    if file.format is None:
        raise DefectiveFileError(
            "file_format",
            "has a name that says no format: use .ndjson, .jsonl, .csv (each also .gz) or "
            '.parquet, or declare in formats.toml what it is (format = "ndjson")',
        )
    if size == 0:
        raise _empty()
    stream.seek(0)
    head = stream.read(HEAD_BYTES)
    stream.seek(max(0, size - 4))
    tail = stream.read(4)
    if file.format == "parquet":
        _check_parquet_ends(head, tail)
    elif file.gzipped:
        if not head.startswith(b"\x1f\x8b"):
            raise _not_its_name(_known(head) or "something else", "gzip")
    else:
        encoding = check_text_head(head, file)
        # In UTF-16 the last line's end is looked for when its pairs of bytes are read.
        if not (whole or is_wide(encoding) or tail.endswith(b"\n")):
            raise cut_short()


def _check_parquet_ends(head: bytes, tail: bytes) -> None:
    if not head.startswith(b"PAR1"):
        raise _not_its_name(_known(head) or "something else", "Parquet")
    if tail != b"PAR1":
        raise DefectiveFileError("file_truncated", "ends before its Parquet footer: land it again")


def check_text_head(head: bytes, file: LandedFile) -> str:
    """The text's encoding; refuse a file whose first bytes aren't those of lines of its format."""
    if not head:
        raise _empty()
    expected = "CSV" if file.format == "csv" else "JSON lines"
    if known := _known(head):
        raise _not_its_name(known, expected)
    encoding = _encoding(head, file.declared)
    if encoding != UTF_8:
        head = head.decode(encoding, "ignore").encode(UTF_8, "ignore")
    words = head.removeprefix(UTF_8_MARK).lstrip().lower()
    if words.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise _not_its_name("HTML or XML (often an error page saved as the file)", expected)
    if head.count(b"\0") * 10 > len(head):
        raise _not_its_name("binary, or UTF-16 that isn't declared", expected)
    first_line = words.split(b"\n", 1)[0].strip()
    if file.format == "ndjson" and first_line in (b"[", b"{"):
        raise _not_its_name("one JSON document over many lines", expected)
    return encoding


def _encoding(head: bytes, declared: FileFormat) -> str:
    encoding = encoding_of(head, declared.encoding)
    if encoding is None:
        raise DefectiveFileError(
            "file_encoding",
            "has no byte order mark, and utf-16 alone doesn't say which it is: declare utf-16-le "
            "or utf-16-be in formats.toml",
        )
    if encoding == UTF_32:
        raise DefectiveFileError("file_not_utf8", "is UTF-32: write it as UTF-8")
    return encoding


def _empty() -> DefectiveFileError:
    return DefectiveFileError("file_empty", "has no bytes: land it again, or delete it")


def _known(head: bytes) -> str | None:
    return next((kind for first, kind in _KNOWN_BY_FIRST_BYTES if head.startswith(first)), None)


def _not_its_name(kind: str, expected: str) -> DefectiveFileError:
    return DefectiveFileError(
        "file_not_its_name", f"is {kind} though its name says {expected}: land the right file"
    )


def cut_short() -> DefectiveFileError:
    """The refusal of a text whose last line has no end."""
    return DefectiveFileError(
        "file_truncated",
        "ends within a line, so it may be cut short: land it again, or put its .sha256 beside it",
    )


def too_large_unpacked() -> DefectiveFileError:
    """The refusal of a file that is small on the disk and would be huge in memory."""
    return DefectiveFileError(
        "file_too_large_unpacked",
        f"unpacks to more than {MOST_TIMES_UNPACKED} times its size, as no data does that isn't "
        "the same over and over: look what wrote it; if it is meant, land it as CSV, not packed",
    )


class _Unpacked(gzip.GzipFile):
    """The text of a gzip stream, refused where a stretch of it is packed better than data is."""

    def __init__(self, packed: IO[bytes]) -> None:
        super().__init__(fileobj=packed, mode="rb")
        self._source = packed
        self._stretch = (0, 0)

    def read(self, size: int | None = -1) -> bytes:
        return self._checked(super().read(size))

    def readline(self, size: int | None = -1) -> bytes:
        return self._checked(super().readline(size))

    def _checked(self, found: bytes) -> bytes:
        # By stretches, so that an honest beginning is no cover.
        packed_before, before = self._stretch
        packed, unpacked = self._source.tell() - packed_before, self.tell() - before
        if unpacked > _FREE_BYTES + MOST_TIMES_UNPACKED * packed:
            raise too_large_unpacked()
        if packed > _STRETCH_BYTES:
            self._stretch = (packed_before + packed, before + unpacked)
        return found


def plain_text(stream: IO[bytes], file: LandedFile) -> IO[bytes]:
    """The file's text from its first byte, unpacked where it is gzip; read it with `read_text`."""
    stream.seek(0)
    return cast("IO[bytes]", _Unpacked(stream)) if file.gzipped else stream


def read_text(text: IO[bytes], size: int, *, line: bool = False) -> bytes:
    """Up to `size` bytes, or up to the first line end in them; a damaged stream is refused."""
    try:
        return text.readline(size) if line else text.read(size)
    except UnicodeError as error:
        raise DefectiveFileError(
            "file_truncated", "ends within a character: land it again, or declare its encoding"
        ) from error
    except EOFError as error:
        raise DefectiveFileError(
            "file_truncated", "ends within its gzip stream: land it again"
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DefectiveFileError(
            "file_corrupt", "has a damaged gzip stream: land it again"
        ) from error
    except OSError as error:
        raise _unreadable(error) from error
