"""Small pieces of SQL text that the modules of this room write in the same way."""

import json
from pathlib import Path


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def name(text: str) -> str:
    """A text as an SQL identifier."""
    return '"' + text.replace('"', '""') + '"'


def file_literal(path: Path) -> str:
    """A path as an SQL literal that a reader takes for this file, whatever its name looks like."""
    return literal("".join(f"[{c}]" if c in "*?[" else c for c in str(path)))


def parquet(path: Path, *options: str) -> str:
    """SQL that reads one Parquet file; a folder called a=b on its way makes no column."""
    return f"read_parquet({', '.join([file_literal(path), 'hive_partitioning = false', *options])})"


def parquet_files(paths: list[Path], *options: str) -> str:
    """SQL that reads several Parquet files."""
    files = f"[{', '.join(map(file_literal, paths))}]"
    return f"read_parquet({', '.join([files, 'hive_partitioning = false', *options])})"


def parquet_folder(folder: Path, *options: str) -> str:
    """SQL that reads every Parquet file of a folder."""
    files = f"{file_literal(folder)[:-1]}/*.parquet'"
    return f"read_parquet({', '.join([files, 'hive_partitioning = false', *options])})"


def cases(conditions: list[str]) -> str:
    """SQL for the number, from 1, of the first condition that holds; null where none does."""
    branches = " ".join(
        f"when {condition} then {number}" for number, condition in enumerate(conditions, start=1)
    )
    return f"case {branches} end" if branches else "null"


def json_object(members: dict[str, str]) -> str:
    """SQL for the text of a JSON object of the members that have a value; null where none has.

    A member's value is SQL for a JSON text.
    """
    if not members:
        return "null"
    parts = ", ".join(
        f"{literal(json.dumps(key, ensure_ascii=False) + ':')} || {value}"
        for key, value in members.items()
    )
    return f"nullif('{{' || concat_ws(',', {parts}) || '}}', '{{}}')"
