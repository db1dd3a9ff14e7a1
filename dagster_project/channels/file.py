"""The channel `file`: one CSV and its manifest for each audience and build, on any file system.

The manifest is written last and holds the CSV's SHA-256 and counts: a file without its manifest
isn't there yet. Where nothing changed nothing is written.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from pydantic import BaseModel, Field, field_validator

from dagster_project.channels.base import (
    ERASURE,
    Answers,
    Batch,
    Channel,
    CheckResult,
    FatalError,
    Limits,
    RetriableError,
)
from dagster_project.channels.normalise import inert, spreadsheet_table

# Errors of the folder itself, which trying again doesn't mend.
_HOPELESS = (PermissionError, NotADirectoryError, FileExistsError)


class FileSettings(BaseModel):
    """Where the files go."""

    url: str | None = Field(
        default=None,
        description="Folder for the files: a local path or any fsspec address (s3://, sftp://, "
        "gs://, abfs://). Default: channels/file in the data directory.",
    )

    @field_validator("url", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value


class FileChannel(Channel):
    """Writes `<folder>/<audience>/<build>.<batch>.csv` and `….manifest.json`."""

    name = "file"
    title = "Files"
    description = "One CSV and a manifest for each audience and build, on any file system."
    limits = Limits(batch_size=None)
    Settings = FileSettings

    def configure(self, settings: FileSettings) -> None:
        """Choose the folder: the setting's, else the one of the data directory."""
        self._url = settings.url or (str(self.folder) if self.folder else None)

    def missing(self) -> tuple[str, ...]:
        """Without a data directory the address must be set."""
        return () if self._url else ("url",)

    def check(self) -> CheckResult:
        """Write a small file and delete it again."""
        self.require_settings()
        try:
            folder = _Folder.at(str(self._url))
            with folder.writing(".perennial-check") as handle:
                handle.write(b"")
            folder.remove(".perennial-check")
        except (OSError, ImportError, ValueError) as error:
            return CheckResult(False, f"The folder can't be written ({type(error).__name__}).")
        return CheckResult(True, "The folder can be written.")

    def apply(self, batch: Batch) -> Answers:
        """Write the batch's file; the same batch written again gives the same file."""
        self.require_settings()
        name = f"{batch.audience}/{_file_name(batch.build_id)}.{batch.batch_id[:12]}"
        try:
            folder = _Folder.at(str(self._url))
            digest, byte_count = _write_csv(folder, f"{name}.csv", batch)
            manifest = _manifest(batch, f"{name}.csv".rpartition("/")[2], digest, byte_count)
            with folder.writing(f"{name}.manifest.json") as handle:
                handle.write(_as_json(manifest))
        except (*_HOPELESS, ImportError, ValueError) as error:
            raise FatalError(
                f"The folder of the file channel can't be written ({type(error).__name__}): check "
                "PERENNIAL_FILE_URL and the rights on it."
            ) from error
        except OSError as error:
            raise RetriableError(f"Writing the file failed ({type(error).__name__}).") from error
        return Answers.acknowledged(batch)

    def erase(self, batch: Batch) -> Answers:
        """Take the people out of the audience's files, then write a file that asks to erase them.

        Whoever reads the folder may have read them before.
        """
        self.require_settings()
        try:
            folder = _Folder.at(str(self._url))
            for name in folder.manifests(batch.audience):
                _rewrite_without(folder, name, batch.records.column("profile_id"))
        except (*_HOPELESS, ImportError, ValueError) as error:
            raise FatalError(
                f"A file of the file channel can't be written anew ({type(error).__name__}): check "
                "PERENNIAL_FILE_URL, the rights on it, and that its files are as they were written."
            ) from error
        except OSError as error:
            raise RetriableError(f"Rewriting a file failed ({type(error).__name__}).") from error
        return super().erase(batch)


class _Folder:
    """A folder on any file system, in which files appear whole or not at all."""

    def __init__(self, system: Any, root: str) -> None:
        self._system = system
        self._root = root.rstrip("/")

    @classmethod
    def at(cls, url: str) -> Self:
        system, root = fsspec.core.url_to_fs(url)
        return cls(system, root)

    @contextmanager
    def writing(self, name: str) -> Iterator[Any]:
        """Write under a temporary name, and rename when all of it is on disk."""
        path = f"{self._root}/{name}"
        temporary = f"{path}.tmp"
        self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
        try:
            with self._system.open(temporary, "wb") as handle:
                yield handle
                handle.flush()
                # Remote systems have no descriptor; their close() is the commit.
                with suppress(AttributeError, OSError):
                    os.fsync(handle.fileno())
        except BaseException:
            with suppress(OSError):
                self._system.rm_file(temporary)
            raise
        self._system.mv(temporary, path)

    def manifests(self, folder: str) -> list[str]:
        """Names of the manifests in a folder."""
        found = self._system.glob(f"{self._root}/{folder}/*.manifest.json")
        return [f"{folder}/{path.rpartition('/')[2]}" for path in sorted(found)]

    def read(self, name: str) -> bytes:
        """A file's whole content."""
        content: bytes = self._system.cat_file(f"{self._root}/{name}")
        return content

    def remove(self, name: str) -> None:
        self._system.rm_file(f"{self._root}/{name}")


class _Hashing:
    """A binary file that knows the SHA-256 of what went through it."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._digest = hashlib.sha256()
        self.byte_count = 0
        self.closed = False

    def write(self, content: bytes) -> int:
        self._digest.update(content)
        self.byte_count += len(content)
        self._handle.write(content)
        return len(content)

    def flush(self) -> None:
        self._handle.flush()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _write_csv(folder: _Folder, name: str, batch: Batch) -> tuple[str, int]:
    columns = ["profile_id", *batch.columns]
    cells = spreadsheet_table(batch.records, columns)
    cells = cells.add_column(0, "_operation", batch.records.column("operation"))
    cells = cells.rename_columns(["_operation", *inert(columns)])
    with folder.writing(name) as handle:
        hashing = _Hashing(handle)
        _write_rows(cells, hashing)
    return hashing.sha256, hashing.byte_count


def _write_rows(cells: pa.Table, target: _Hashing) -> None:
    pa.csv.write_csv(
        cells,
        pa.PythonFile(target, mode="w"),
        # Quoted text, bare null: an empty text and no value are not the same.
        pa.csv.WriteOptions(quoting_style="all_valid"),
    )


def _rewrite_without(folder: _Folder, manifest_name: str, people: pa.ChunkedArray) -> None:
    """Write a file again without some people, and then its manifest."""
    manifest = json.loads(folder.read(manifest_name))
    if manifest["build_id"] == ERASURE:
        return  # it names nobody but by the id that is to be erased
    name = f"{manifest_name.rpartition('/')[0]}/{manifest['file']}"
    content = folder.read(name)
    # Every cell stays the text that it is, and an empty one what it is: quoted, or no value.
    options = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(manifest["columns"], pa.string()),
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=[""],
    )
    parsing = pa.csv.ParseOptions(newlines_in_values=True)
    rows = pa.csv.read_csv(pa.BufferReader(content), None, parsing, options)
    kept = rows.filter(pc.invert(pc.is_in(rows.column("profile_id"), people.combine_chunks())))
    if kept.num_rows == rows.num_rows and manifest["sha256"] == _sha256(content):
        return
    with folder.writing(name) as handle:
        hashing = _Hashing(handle)
        _write_rows(kept, hashing)
    changed = {
        "sha256": hashing.sha256,
        "bytes": hashing.byte_count,
        "rows": kept.num_rows,
        "operations": _counted(kept.column("_operation")),
    }
    with folder.writing(manifest_name) as handle:
        handle.write(_as_json(manifest | changed))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _manifest(batch: Batch, file_name: str, digest: str, byte_count: int) -> dict[str, Any]:
    return {
        "audience": batch.audience,
        "build_id": batch.build_id,
        "batch_id": batch.batch_id,
        "created_at": batch.at.isoformat(),
        "file": file_name,
        "sha256": digest,
        "bytes": byte_count,
        "rows": batch.size,
        "operations": _counted(batch.records.column("operation")),
        "columns": ["_operation", "profile_id", *batch.columns],
    }


def _counted(operations: pa.ChunkedArray) -> dict[str, int]:
    return {each["values"]: each["counts"] for each in pc.value_counts(operations).to_pylist()}


def _as_json(manifest: dict[str, Any]) -> bytes:
    return json.dumps(manifest, indent=2, sort_keys=True).encode() + b"\n"


def _file_name(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in text)
