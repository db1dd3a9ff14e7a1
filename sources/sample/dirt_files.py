"""Whole files gone wrong: cut off, misnamed, failing their checksum, sent twice.

All are copies of a file that is there, so that refusing one whole loses nothing.
"""

import gzip
import shutil
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sources.sample.landing import suffix_of


@dataclass(frozen=True)
class Planted:
    """One planted record: `<source>/<table>`, file below landing/, line or None for all of it."""

    name: str
    file: str
    line: int | None
    category: str
    kind: str
    key: str | None


_PARQUET_KEYS = {"erp/order_lines": ("order_id", "line_no"), "erp/products": ("product_id",)}


def _beside(file: Path, word: str, suffix: str | None = None) -> Path:
    end = suffix_of(file.name)
    # The underscore sorts it behind its original, which whoever reads in order then meets first.
    return file.with_name(f"{file.name.removesuffix(end)}_{word}{suffix or end}")


def _whole(landing: Path, name: str, file: Path, category: str, kind: str) -> Planted:
    return Planted(name, str(file.relative_to(landing)), None, category, kind, None)


def damage_files(landing: Path, name: str, file: Path) -> list[Planted]:
    """Copies of a file: cut off, under an untrue name, with a checksum that fails, packed."""
    content = file.read_bytes()
    planted = []

    def put(target: Path, data: bytes, category: str, kind: str) -> None:
        target.write_bytes(data)
        planted.append(_whole(landing, name, target, category, kind))

    text = suffix_of(file.name) in (".csv", ".ndjson")
    # A text file is cut within its last line: every line before it still reads well.
    last = len(content) - len(content.rstrip(b"\n").rpartition(b"\n")[2]) if text else 0
    cut = (last + len(content)) // 2 if text else len(content) * 3 // 5
    put(_beside(file, "cut-off"), content[:cut], "malformed", "truncated_file")
    misnamed = _beside(file, "misnamed", ".csv" if file.suffix == ".parquet" else ".parquet")
    put(misnamed, _without_last_rows(file, 2), "malformed", "misnamed_file")
    checked = _beside(file, "checked")
    put(checked, _without_last_rows(file, 1), "malformed", "wrong_checksum")
    checked.with_name(f"{checked.name}.sha256").write_text(f"{'0' * 64}  {checked.name}\n", "utf-8")
    if text:
        packed = _beside(file, "packed", f"{suffix_of(file.name)}.gz")
        put(packed, gzip.compress(content, mtime=0), "duplicated", "repacked_file")
    return planted


def _without_last_rows(file: Path, count: int) -> bytes:
    """Other bytes than the file's own, so that they aren't known already and let pass for that."""
    if file.suffix == ".parquet":
        table = pq.read_table(file)
        buffer = pa.BufferOutputStream()
        pq.write_table(table.slice(0, table.num_rows - count), buffer)
        return bytes(buffer.getvalue())
    packed = file.suffix == ".gz"
    content = gzip.decompress(file.read_bytes()) if packed else file.read_bytes()
    content = b"".join(content.splitlines(keepends=True)[:-count])
    return gzip.compress(content, mtime=0) if packed else content


def resend_file(landing: Path, name: str, file: Path) -> Planted:
    """The same bytes under another name."""
    again = _beside(file, "again")
    shutil.copyfile(file, again)
    return _whole(landing, name, again, "duplicated", "resent_file")


def plant_parquet(landing: Path, name: str, file: Path, total: int, dirty: float) -> list[Planted]:
    """A further Parquet file: rows that lack a part of their key, then rows that are known."""
    keys = _PARQUET_KEYS[name]
    each = max(1, round(total * dirty / (len(keys) + 1)))
    source = pq.read_table(file)
    sample = source.take([n % source.num_rows for n in range(each)])
    names = [str(key) for key in sample.column(keys[0]).to_pylist()]
    target = _beside(file, "corrections")
    planted = []
    pieces: list[pa.Table] = []
    for kind in (*(f"missing_{key}" for key in keys), "resent_row"):
        piece = sample
        if kind != "resent_row":
            position = source.schema.get_field_index(kind.removeprefix("missing_"))
            nulls = pa.nulls(each, source.schema.field(position).type)
            piece = sample.set_column(position, source.schema.field(position), nulls)
        category = "duplicated" if kind == "resent_row" else "malformed"
        planted += [
            Planted(
                name,
                str(target.relative_to(landing)),
                len(pieces) * each + n + 1,
                category,
                kind,
                key,
            )
            for n, key in enumerate(names)
        ]
        pieces.append(piece)
    pq.write_table(pa.concat_tables(pieces), target, compression="zstd")
    return planted
