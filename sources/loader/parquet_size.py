"""What a Parquet file becomes in memory: a small file that becomes gigabytes is refused.

Parquet keeps a value that recurs once and a count beside it, so neither the size of the file nor
that of its pages says what its rows come to; and its footer may lie.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from sources.loader.landing import MOST_TIMES_UNPACKED, DefectiveFileError, too_large_unpacked
from sources.loader.sql import literal, name, parquet

# What any file may hold, however small it is: a second of loading.
_FREE_BYTES = 32 << 20
_FREE_VALUES = 250_000
# Rows that a key tells apart take some bytes each, whatever recurs in their other columns.
_MOST_VALUES_A_BYTE = 1
_TEXTS = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
_VECTOR_ROWS = 2_048
# At least; a row group is read by one thread, and unpacked beside its pages.
_READING_MEGABYTES = 256
_THREADS = 2


def check_parquet_size(path: Path) -> None:
    """Refuse a file whose footer or values come to far more than its bytes can hold.

    Every page is read once, with little memory: what doesn't fit is refused as well.
    """
    size = path.stat().st_size
    try:
        largest_group = _check_footer(path, pyarrow.parquet.read_metadata(path), size)
        megabytes = _READING_MEGABYTES
        while megabytes << 20 < _THREADS * 4 * largest_group:
            megabytes *= 2
        unpacked = _unpacked_bytes(path, megabytes)
    except duckdb.OutOfMemoryException as error:
        raise too_large_unpacked() from error
    except (pa.ArrowException, OSError, duckdb.Error) as error:
        raise DefectiveFileError(
            "file_corrupt", "has damaged Parquet pages: land it again"
        ) from error
    if _is_beyond(unpacked, size):
        raise too_large_unpacked()


def _check_footer(path: Path, footer: pyarrow.parquet.FileMetaData, size: int) -> int:
    """Refuse what the footer already gives away; the bytes of the largest row group."""
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    group_bytes = [group.total_byte_size for group in groups]
    values = [0] * footer.num_columns
    for number, group in enumerate(groups):
        for place in range(group.num_columns):
            column = group.column(place)
            values[place] += column.num_values
            if column.has_dictionary_page and column.physical_type in _TEXTS:
                at_once = min(column.num_values, _VECTOR_ROWS)
                # No text of a dictionary is longer than all of it; only where that is much, look.
                if _is_beyond(at_once * column.total_uncompressed_size, size) and _is_beyond(
                    at_once * _longest_in_dictionary(path, number, column.path_in_schema), size
                ):
                    raise too_large_unpacked()
    if _is_beyond(sum(group_bytes), size):
        raise too_large_unpacked()
    if max(values, default=0) > max(_FREE_VALUES, _MOST_VALUES_A_BYTE * size):
        raise too_large_unpacked()
    return max(group_bytes, default=0)


def _longest_in_dictionary(path: Path, group: int, column: str) -> int:
    """Bytes of the longest text in a column's dictionary.

    DuckDB copies a vector of texts where two pages meet: of a long one, gigabytes at once.
    """
    file = pyarrow.parquet.ParquetFile(path, read_dictionary=[column])
    batch = next(file.iter_batches(batch_size=1, row_groups=[group], columns=[column]), None)
    texts = batch.column(0) if batch else pa.nulls(0)
    while pa.types.is_nested(texts.type):
        texts = texts.field(0) if pa.types.is_struct(texts.type) else texts.values
    known = texts.dictionary if pa.types.is_dictionary(texts.type) else texts
    known = known.storage if isinstance(known, pa.ExtensionArray) else known
    if pa.types.is_decimal(known.type):
        return int(known.type.bit_width) // 8
    return pc.max(pc.binary_length(known)).as_py() or 0


def _unpacked_bytes(path: Path, megabytes: int) -> int:
    """What all values come to, those that recur as often as they do."""
    with _little_memory(megabytes).cursor() as connection:
        rows = connection.sql(f"from {parquet(path)}")
        bytes_of_row = " + ".join(
            _bytes_of(name(column), kind)
            for column, kind in zip(rows.columns, rows.types, strict=True)
        )
        found = connection.execute(
            f"select coalesce(sum({bytes_of_row}), 0) from {parquet(path)}"
        ).fetchone()
        return int(found[0]) if found else 0


@lru_cache(maxsize=2)
def _little_memory(megabytes: int) -> duckdb.DuckDBPyConnection:
    """An instance of its own, as DuckDB 1.5 goes by a limit even after `reset memory_limit`.

    It is kept, as a new one takes 10 ms, ten times as long as a small file.
    """
    return duckdb.connect(
        config={"threads": _THREADS, "memory_limit": f"{megabytes}MB", "temp_directory": ""}
    )


def _is_beyond(unpacked: int, size: int) -> bool:
    return unpacked > max(_FREE_BYTES, MOST_TIMES_UNPACKED * size)


def _bytes_of(value: str, kind: Any, depth: int = 0) -> str:
    """SQL for the bytes of a value of a DuckDB type: of texts exactly, of others eight."""
    if kind.id in ("varchar", "blob"):
        return f"coalesce({'strlen' if kind.id == 'varchar' else 'octet_length'}({value}), 0)"
    if kind.id == "struct":
        members = (
            _bytes_of(f"struct_extract({value}, {literal(member)})", inner, depth)
            for member, inner in kind.children
        )
        return f"({' + '.join(members)})"
    if kind.id == "map":
        (_, key), (_, inner) = kind.children
        return f"({_bytes_of_all(f'map_keys({value})', key, depth)} + " + (
            f"{_bytes_of_all(f'map_values({value})', inner, depth)})"
        )
    if kind.id in ("list", "array"):
        return _bytes_of_all(value, kind.children[0][1], depth)
    return f"if({value} is null, 0, 8)"


def _bytes_of_all(values: str, kind: Any, depth: int) -> str:
    each = _bytes_of(f"x{depth}", kind, depth + 1)
    return f"coalesce(list_sum(list_transform({values}, lambda x{depth}: {each})), 0)"
