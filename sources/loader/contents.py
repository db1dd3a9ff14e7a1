"""Which landed contents raw holds, in which of its files, and what is known of each.

Every file of raw says in its footer which contents it was made of. The index beside it repeats that
so that nobody has to open them all; it is never the only place where something stands, and may be
deleted at any time. A second list remembers which content each landed name had, so that a file that
hasn't changed isn't read again to be recognised.
"""

import json
import logging
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from sources.contract import SourceError, Table
from sources.loader.landing import LandedFile
from sources.loader.sql import literal, name, parquet_files
from sources.loader.store import MANY, Store, commit, remove, temporary

_log = logging.getLogger(__name__)

CONTENTS, REPLACES = _KEYS = "perennial.contents", "perennial.replaces"

# A median of fewer says nothing.
_FEWEST_AMOUNTS = 30
_SHOWN = re.compile("[A-Za-z_][A-Za-z0-9_ .-]{0,62}")
# A file may be written twice within one tick of its file system's clock and look the same: what has
# just changed is read again the next time.
_TICK_NS = 2_000_000_000

INDEX = pa.schema(
    [
        ("content", pa.string()),
        ("raw_file", pa.string()),
        ("landed_file", pa.string()),
        ("byte_count", pa.int64()),
        ("row_count", pa.int64()),
        ("refused", pa.string()),  # a JSON object: rows in quarantine by rule
        ("unknown_columns", pa.list_(pa.string())),
        ("newest_event_at", pa.timestamp("us", "UTC")),
        ("loaded_at", pa.timestamp("us", "UTC")),
        ("medians", pa.string()),  # a JSON object: "column currency" to [count, median]
    ]
)
_SEEN = pa.schema([("landed_file", pa.string()), ("state", pa.string()), ("content", pa.string())])


@dataclass(frozen=True)
class Content:
    """One landed content, as raw's file says it was made of it.

    `unknown_columns`: what the contract doesn't know, where that could be told without its rows.
    """

    content: str
    landed_file: str
    byte_count: int
    loaded_at: datetime
    unknown_columns: tuple[str, ...] | None = None

    def said(self) -> dict[str, Any]:
        """The content as JSON."""
        return vars(self) | {"loaded_at": self.loaded_at.isoformat()}

    @classmethod
    def read(cls, said: dict[str, Any]) -> "Content":
        """A content from its JSON."""
        columns = said["unknown_columns"]
        at = datetime.fromisoformat(said["loaded_at"])
        known = None if columns is None else tuple(columns)
        return cls(**said | {"loaded_at": at, "unknown_columns": known})


@dataclass(frozen=True)
class Held:
    """One landed content in raw: how much it is, what of it was refused, how far it goes.

    `refused`: rows in quarantine by rule. `medians`: by "column currency", of how many amounts and
    which, signs left out.
    """

    content: str
    landed_file: str
    byte_count: int
    row_count: int
    refused: dict[str, int]
    unknown_columns: tuple[str, ...]
    newest_event_at: datetime | None
    loaded_at: datetime
    medians: dict[str, tuple[int, float]]


def footer(contents: Iterable[Content], *, replaces: Iterable[str] = ()) -> str:
    """The option of a COPY that writes down which contents a file of raw is made of.

    `replaces`: names of files of raw that hold the same contents, to be deleted once it is there.
    """
    said = [content.said() for content in contents]
    return _footer({CONTENTS: json.dumps(said), REPLACES: json.dumps(list(replaces))})


def footer_of(path: Path) -> str:
    """The same option for a file that is to be made of another one's contents."""
    return _footer({key: said.decode() for key, said in _said(path).items() if key in _KEYS})


def _footer(said: dict[str, str]) -> str:
    pairs = (f"{literal(key)}: {literal(value)}" for key, value in said.items())
    return f"kv_metadata {{{', '.join(pairs)}}}"


def _said(path: Path) -> dict[str, bytes]:
    found = pq.read_metadata(path).metadata or {}
    return {key.decode("utf-8", "replace"): value for key, value in found.items()}


class Contents:
    """The index of a table's raw folder, for the one process that holds the table's lock.

    `met`: contents that were read in the landing zone, whatever became of them.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, store: Store, table: Table) -> None:
        self._connection = connection
        self._store = store
        self._table = table
        self._seen = _seen(store.seen_file(table))
        self.met: set[str] = set()
        self.index = _read(store.index_file(table), INDEX)
        self._saved = self.index, self._seen.copy()
        self.refresh()
        self._before = self.known.copy()

    @property
    def known(self) -> set[str]:
        """The contents that raw holds, or that somebody has begun to load."""
        return self._known

    def refresh(self) -> None:
        """Bring the index to what lies in raw now, and finish what a killed process began."""
        kept = self.index
        there = {path.name for path in self._store.raw_files(self._table)}
        listed = set(kept.column("raw_file").unique().to_pylist())
        new = sorted(there - listed)
        found = self._described(new)
        for path in self._store.quarantine_folder(self._table).glob(f"{MANY}*.parquet"):
            if path.name not in there:  # its file of raw was never put in place
                remove(path)
        replaced = {old for _, names in found.values() for old in names} - set(found)
        for old in sorted(replaced & there):
            path = self._store.raw_folder(self._table) / old
            remove(self._store.quarantine_folder(self._table) / old)
            remove(path)
        there -= replaced
        new = [file for file in new if file in there]
        if not listed <= there:
            alive = pa.array([file in there for file in kept.column("raw_file").to_pylist()])
            kept = kept.filter(alive)
        self.index = pa.concat_tables([kept, self._rows({file: found[file][0] for file in new})])
        self._known = set(self.index.column("content").to_pylist())

    def of(self, files: set[str]) -> tuple[list[Content], int]:
        """The contents of some files of raw, and how many rows they are."""
        held = [row for row in self.index.to_pylist() if row["raw_file"] in files]
        contents = [
            Content(
                row["content"],
                row["landed_file"] or "",
                row["byte_count"],
                row["loaded_at"],
                tuple(row["unknown_columns"]),
            )
            for row in held
        ]
        return contents, sum(row["row_count"] for row in held)

    def came(self) -> dict[str, datetime]:
        """When each content was first loaded."""
        contents, at = (self.index.column(c).to_pylist() for c in ("content", "loaded_at"))
        return dict(zip(contents, at, strict=True))

    def newest_event_at(self) -> datetime | None:
        """When the newest event happened of what has come since the index was opened."""
        columns = (self.index.column(c).to_pylist() for c in ("content", "newest_event_at"))
        came = [at for content, at in zip(*columns, strict=True) if content not in self._before]
        return max((at for at in came if at), default=None)

    def newest(self, count: int) -> list[Held]:
        """The contents that came last, the newest at the end; before them the very first one."""
        order = [("loaded_at", "ascending"), ("landed_file", "ascending")]
        rows = self.index.sort_by(order)
        rows = pa.concat_tables([rows.slice(0, 1), rows.slice(max(1, len(rows) - count))])
        return [
            Held(
                content=row["content"],
                landed_file=row["landed_file"],
                byte_count=row["byte_count"],
                row_count=row["row_count"],
                refused=json.loads(row["refused"]),
                unknown_columns=tuple(row["unknown_columns"]),
                newest_event_at=row["newest_event_at"],
                loaded_at=row["loaded_at"],
                medians={of: tuple(found) for of, found in json.loads(row["medians"]).items()},
            )
            for row in rows.to_pylist()
        ]

    def content_of(self, file: LandedFile) -> str | None:
        """The known content of a file that hasn't changed since it was read; None: look."""
        state, content = self._seen.get(file.name, ("", ""))
        return content if state and state == file.state and content in self.known else None

    def remember(self, file: LandedFile, content: str) -> None:
        """Keep in mind which content a file had."""
        if file.state and file.changed_ns < time.time_ns() - _TICK_NS:
            self._seen[file.name] = (file.state, content)

    def save(self, landed: Iterable[LandedFile]) -> None:
        """Write the index, and what is remembered of the files that are still there."""
        index, before = self._saved
        seen = {file.name: self._seen[file.name] for file in landed if file.name in self._seen}
        if seen != before:
            rows = [(landed_file, *known) for landed_file, known in sorted(seen.items())]
            columns = [pa.array(c, pa.string()) for c in zip(*rows, strict=True)] or [[], [], []]
            _write(self._store.seen_file(self._table), pa.table(columns, schema=_SEEN))
        if not self.index.equals(index):
            _write(self._store.index_file(self._table), self.index)

    def _described(self, files: list[str]) -> dict[str, tuple[list[Content], list[str]]]:
        """What the footers of raw's files say: their contents, and which files they replace."""
        found: dict[str, tuple[list[Content], list[str]]] = {}
        for file in files:
            path = self._store.raw_folder(self._table) / file
            try:
                said = _said(path)
            except (OSError, pa.ArrowException) as error:
                raise SourceError(
                    f"{path} can't be read: delete it, and what it held is loaded again from "
                    "landing."
                ) from error
            contents = [Content.read(one) for one in json.loads(said.get(CONTENTS, b"[]"))]
            # A file of before footers is named by the one content that it holds.
            since = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            contents = contents or [Content(path.stem, "", 0, since, ())]
            found[file] = contents, json.loads(said.get(REPLACES, b"[]"))
        return found

    def _rows(self, files: dict[str, list[Content]]) -> pa.Table:
        """The index rows of raw's files, with what can be counted in their rows."""
        if not files:
            return INDEX.empty_table()
        folder = self._store.raw_folder(self._table)
        counted = _by_content(self._connection, self._table, [folder / file for file in files])
        quarantine = self._store.quarantine_folder(self._table)
        refused = _refused(
            self._connection, [quarantine / file for file in files if (quarantine / file).exists()]
        )
        asked = [c.content for all_ in files.values() for c in all_ if c.unknown_columns is None]
        unknown = _unknown_columns(
            self._connection, [folder / file for file in files] if asked else []
        )
        rows = []
        for file, contents in files.items():
            for content in contents:
                counts = counted.get((file, content.content), {})
                said = content.landed_file or str(counts.get("landed_file", ""))
                columns = content.unknown_columns
                if columns is None:
                    columns = tuple(unknown.get((file, content.content), []))
                rows.append(
                    {"row_count": 0, "medians": "{}"}
                    | counts
                    | {
                        "content": content.content,
                        "raw_file": file,
                        "landed_file": said,
                        "byte_count": content.byte_count,
                        "loaded_at": counts.get("loaded_at") or content.loaded_at,
                        "refused": json.dumps(refused.get((file, said), {})),
                        "unknown_columns": _simple(columns),
                    }
                )
        return pa.Table.from_pylist(rows, schema=INDEX)


def _simple(columns: tuple[str, ...]) -> tuple[str, ...]:
    """Names that can be shown: a key may be anything, somebody's address as well."""
    return tuple(sorted({c if _SHOWN.fullmatch(c) else "(a name not shown)" for c in columns}))


def _by_content(
    connection: duckdb.DuckDBPyConnection, table: Table, files: list[Path]
) -> dict[tuple[str, str], dict[str, Any]]:
    """What can be counted in the rows of raw's files, by file and content."""
    event = name(table.event_time) if table.event_time else "null"
    newest = f"try_cast(max({event}) as timestamptz)"
    counted = connection.execute(
        f"""select {_FILE}, {_CONTENT}, any_value(_landed_file), count(*), {newest},
            min(_loaded_at)
        from {read_raw(files)} group by all"""
    ).fetchall()
    found: dict[tuple[str, str], dict[str, Any]] = {
        (file, content): {
            "landed_file": landed_file,
            "row_count": rows,
            "newest_event_at": event_at,
            "loaded_at": loaded_at,
        }
        for file, content, landed_file, rows, event_at, loaded_at in counted
    }
    # What every row has, else what there is: a discount that few have jumps by itself.
    of_all = [column for column in table.columns if column.type == "amount"]
    amounts = [column.name for column in of_all if column.required]
    amounts = amounts or [column.name for column in of_all]
    if amounts:
        currency = "coalesce(currency, '')" if "currency" in table.column_names else "''"
        each = ", ".join(
            f"count(nullif({name(a)}, 0)), median(abs(nullif({name(a)}, 0)))" for a in amounts
        )
        medians: dict[tuple[str, str], dict[str, list[float]]] = {}
        for file, content, code, *values in connection.execute(
            f"""select {_FILE}, {_CONTENT}, {currency}, {each} from {read_raw(files)}
            group by all having count(*) >= {_FEWEST_AMOUNTS}"""
        ).fetchall():
            for place, amount in enumerate(amounts):
                count, median = values[2 * place : 2 * place + 2]
                if count >= _FEWEST_AMOUNTS:
                    of = medians.setdefault((file, content), {})
                    of[f"{amount} {code}".strip()] = [count, float(median)]
        for key, of in medians.items():
            found[key]["medians"] = json.dumps(of)
    return found


def _refused(
    connection: duckdb.DuckDBPyConnection, files: list[Path]
) -> dict[tuple[str, str], dict[str, int]]:
    """How many rows of a landed file broke which rule, by raw's file."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    if files:
        rows = parquet_files(files, "filename = true")
        sql = f"select {_FILE}, landed_file, rule, count(*) from {rows} group by all"
        for file, landed_file, rule, count in connection.execute(sql).fetchall():
            found.setdefault((file, landed_file), {})[rule] = count
    return found


def _unknown_columns(
    connection: duckdb.DuckDBPyConnection, files: list[Path]
) -> dict[tuple[str, str], list[str]]:
    """The keys of `_extra`, by raw's file and content."""
    if not files:
        return {}
    keys = f"""select distinct {_FILE} as file, {_CONTENT} as content,
            unnest(json_keys(_extra)) as key
        from {read_raw(files)} where _extra is not null"""
    found = connection.execute(
        f"select file, content, list(key order by key) from ({keys}) group by all"
    ).fetchall()
    return {(file, content): columns for file, content, columns in found}


_FILE = "parse_filename(filename)"
_CONTENT = "coalesce(_content, parse_filename(filename, true))"


def raw_rows(table: Table, files: list[Path]) -> str:
    """SQL for all rows of files of raw, each with its line and its content, in raw's columns."""
    columns = ", ".join(name(column) for column in table.column_names)
    return f"""select {columns}, _extra, coalesce(_line, _first_line + file_row_number) as _line,
            cast(null as bigint) as _first_line, _landed_file, _loaded_at, _is_deleted,
            {_CONTENT} as _content
        from {read_raw(files, "file_row_number = true")}"""


def read_raw(files: list[Path], *options: str) -> str:
    """SQL that reads files of raw; the schema beside them has the columns that they lack."""
    schema = files[0].with_name("_schema.parquet")
    return parquet_files([*files, schema], "union_by_name = true", "filename = true", *options)


def _seen(path: Path) -> dict[str, tuple[str, str]]:
    columns = [column.to_pylist() for column in _read(path, _SEEN).columns]
    return {name: (state, content) for name, state, content in zip(*columns, strict=True)}


def _read(path: Path, schema: pa.Schema) -> pa.Table:
    """A list that was kept, or an empty one: whatever is wrong with it, it can be made again."""
    try:
        with path.open("rb") as stream:
            found = pq.read_table(stream)
    except FileNotFoundError:
        return schema.empty_table()
    except (OSError, pa.ArrowException):
        _log.warning("%s is damaged and is made again.", path.name)
        return schema.empty_table()
    return found if found.schema.equals(schema) else schema.empty_table()


def _write(path: Path, rows: pa.Table) -> None:
    with temporary(path) as finished:
        pq.write_table(rows, finished, compression="zstd")
        commit(finished, path)
