"""An object store that holds landing/, raw/ and quarantine/: S3, GCS, Azure, by URL.

The store is what counts. The data directory keeps a working copy of raw and quarantine, brought up
to date before a table is loaded and written back after it, so that everything else reads files; an
object of the landing zone is fetched when it is to be loaded, and not before. One installation
writes to a store. Credentials are the cloud's own settings (AWS_ACCESS_KEY_ID and the like).
"""

import json
import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from sources.contract import SourceError

if TYPE_CHECKING:
    from obstore.store import RetryConfig

_log = logging.getLogger(__name__)

_RETRY: "RetryConfig" = {"max_retries": 5, "retry_timeout": timedelta(minutes=2)}
_CHUNK_BYTES = 4 << 20
# While a folder that was made anew is written back, the store holds old files and new ones.
_BEING_REPLACED = "_being_replaced"


@dataclass(frozen=True)
class Found:
    """One object: its path below the store's URL, its size, and what changes with its bytes."""

    path: str
    byte_count: int
    state: str


class Objects:
    """The object store at a URL; errors of it are one line that says what to do."""

    def __init__(self, url: str) -> None:
        self.url = url
        with self._explained("opened"):
            # Client options would put out of force those that stand in the cloud's settings.
            self._store: Any = from_url(url, retry_config=_RETRY)

    def below(self, folder: str) -> list[Found]:
        """Every object below a folder, sorted by path."""
        with self._explained("listed"):
            return sorted(
                (
                    Found(one["path"], one["size"], f"{one['e_tag']} {one['last_modified']}")
                    for batch in obstore.list(self._store, prefix=f"{folder}/")
                    for one in batch
                ),
                key=lambda found: found.path,
            )

    def has_any(self, folder: str) -> bool:
        """Whether there is an object below a folder."""
        with self._explained("listed"):
            return any(batch for batch in obstore.list(self._store, prefix=f"{folder}/"))

    def fetch(self, path: str, target: Path) -> None:
        """Write an object to a file; FileNotFoundError where it has gone."""
        with self._explained("read"), target.open("wb") as file:
            for chunk in obstore.get(self._store, path).stream(min_chunk_size=_CHUNK_BYTES):
                file.write(chunk)

    def put(self, path: str, content: Path | bytes) -> str:
        """Write an object, whole or not at all, and give its new state's tag."""
        with self._explained("written"):
            return str(obstore.put(self._store, path, content)["e_tag"])

    def delete(self, paths: list[str]) -> None:
        """Delete objects; those that have gone are no error."""
        with self._explained("written"):
            if paths:
                obstore.delete(self._store, paths)

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except (BaseError, OSError, ValueError) as error:
            raise SourceError(
                f"The object store {self.url} can't be {what} ({type(error).__name__}): see that "
                "the bucket exists, that PERENNIAL_DATA is right, and that the cloud's own "
                "settings (such as AWS_ACCESS_KEY_ID, AWS_REGION, AWS_ENDPOINT_URL) let Perennial "
                "read and write there; then run again."
            ) from error


class Mirror:
    """A folder of the store and its working copy, `local`; files in it are made, never changed.

    `memory`: the file that remembers which object each local file is.
    """

    def __init__(self, objects: Objects, remote: str, local: Path, memory: Path) -> None:
        self._objects = objects
        self._remote = remote
        self._local = local
        self._memory = memory

    def pull(self) -> None:
        """Make the working copy what the store holds."""
        found = {one.path.removeprefix(f"{self._remote}/"): one for one in self._there()}
        if _BEING_REPLACED in found:
            self._require_whole()
            return
        known = self._known()
        for name, one in found.items():
            path = self._local / name
            if known.get(name) != [_tag(one), _state(path)]:
                part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
                path.parent.mkdir(parents=True, exist_ok=True)
                self._objects.fetch(one.path, part)
                part.replace(path)
                known[name] = [_tag(one), _state(path)]
        for path in self._files():
            if path.name not in found:  # its load was never finished
                path.unlink()
        self._remember({name: known[name] for name in found})

    def push(self, *, replaces: bool = False) -> None:
        """Make the store hold what the working copy is; `replaces`: its files were made anew."""
        there = {one.path.removeprefix(f"{self._remote}/") for one in self._there()}
        known = self._known()
        if replaces:
            self._objects.put(f"{self._remote}/{_BEING_REPLACED}", b"")
        here = {path.name: path for path in self._files()}
        for name, path in here.items():
            if name not in there or name not in known or known[name][1] != _state(path):
                known[name] = [self._objects.put(f"{self._remote}/{name}", path), _state(path)]
        gone = sorted(there - here.keys() - {_BEING_REPLACED})
        self._objects.delete([f"{self._remote}/{name}" for name in gone])
        self._remember({name: known[name] for name in here})
        if replaces or _BEING_REPLACED in there:
            self._objects.delete([f"{self._remote}/{_BEING_REPLACED}"])

    def _there(self) -> list[Found]:
        """The folder's own objects, not those of folders in it."""
        below = self._objects.below(self._remote)
        return [one for one in below if "/" not in one.path.removeprefix(f"{self._remote}/")]

    def _files(self) -> list[Path]:
        return sorted(
            path
            for path in self._local.glob("[!_.]*")
            if path.is_file() and not path.name.endswith((".tmp", ".part"))
        )

    def _require_whole(self) -> None:
        """Where writing back was broken off, the working copy is whole; elsewhere nothing is."""
        if not self._files():
            raise SourceError(
                f"{self._objects.url}/{self._remote} was being made anew when its load was broken "
                "off: run Perennial where that was, which completes it, or delete what lies there "
                "and run with --reprocess."
            )

    def _known(self) -> dict[str, list[str]]:
        try:
            found: dict[str, list[str]] = json.loads(self._memory.read_bytes())
        except (OSError, ValueError):
            return {}
        return found

    def _remember(self, known: dict[str, list[str]]) -> None:
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        part = self._memory.with_name(f".{self._memory.name}.{uuid.uuid4().hex}.tmp")
        part.write_text(json.dumps(known))
        part.replace(self._memory)


def _tag(found: Found) -> str:
    return found.state.rsplit(" ", 2)[0]


def _state(path: Path) -> str:
    """What a working copy's file is, by its size and its time; empty where it isn't there."""
    try:
        known = os.stat(path)  # noqa: PTH116
    except OSError:
        return ""
    return f"{known.st_size} {known.st_mtime_ns}"
