"""Rows of a JSON file: one pass surveys the lines, the next takes the fastest way that is safe."""

import io
import json
import re
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from sources.contract import Column, Table
from sources.loader.declared import declared_texts
from sources.loader.formats import FileFormat
from sources.loader.landing import read_text
from sources.loader.lines import BLOCK_BYTES, Rows
from sources.loader.source_file import Source
from sources.loader.sql import file_literal, json_object, literal, name
from sources.loader.values import begins_with
from sources.loader.verdict import ODD_ROW_FAULTS, SOURCE_ROW, Fault, Reading

_MAX_EXTRA_COLUMNS = 64
_NO_TEXTS = ("true", "false", "NaN", "nan", "Infinity", "-Infinity")
# Asked before a row is parsed, as an error for `try` to catch costs ten times as much.
_IS_OBJECT = f"({begins_with('{', '_row')} or starts_with(ltrim(_row), '{{')) and json_valid(_row)"
_SIMPLE_KEY = re.compile("[A-Za-z_][A-Za-z0-9_]{0,62}")


@dataclass(frozen=True)
class Survey:
    """What one pass over the lines of a JSON file found, so that the next need not look for it.

    `declared`: how it is written. `unknown_keys`: keys that neither this nor the contract knows, at
    most one more than can be columns. `one_each`, `all_json`: whether every line names no key
    twice, and is JSON. `long_numbers`: whether a number has more digits than a double holds.
    `plain`: no line is odd or blank, and the file is UTF-8. `sampled`: of keys and JSON, only the
    first lines were asked.
    """

    declared: FileFormat
    unknown_keys: tuple[str, ...]
    one_each: bool
    all_json: bool
    long_numbers: bool
    escaped_nul: bool
    plain: bool
    rows: int
    longest: int
    sampled: bool = False

    def extra_columns(self, table: Table) -> tuple[str, ...] | None:
        """The unknown keys as columns to read; None where they are too many or too strange."""
        names = [*_keys(table, self.declared), *self.unknown_keys]
        distinct = len({key.lower() for key in names}) == len(names)
        simple = all(_SIMPLE_KEY.fullmatch(key) for key in self.unknown_keys)
        few = len(self.unknown_keys) <= _MAX_EXTRA_COLUMNS
        return self.unknown_keys if distinct and simple and few else None

    def is_clean(self, table: Table) -> bool:
        """Whether DuckDB's own reader can be trusted with the file."""
        sound = self.plain and self.all_json and self.one_each
        exact = not (self.long_numbers or self.escaped_nul or self.declared.has_decimal_comma)
        return sound and exact and self.extra_columns(table) is not None


def survey(source: Source, *, whole: bool) -> Survey:
    """Survey a file whatever its lines are."""
    try:
        return _survey(source.rows(whole=whole), source, all_json=True)
    except duckdb.InvalidInputException:
        return _survey(source.rows(whole=whole), source, all_json=False)


def early_survey(source: Source) -> Survey:
    """Survey a file whose lines are all JSON; of another one, DuckDB says InvalidInputException.

    Of a table without amounts, whose digits would have to be looked at, only the first lines are
    parsed: that others have no other key is for `json_file` to see.
    """
    first = read_text(source.text(), BLOCK_BYTES)
    first = first[: first.rfind(b"\n") + 1]
    is_enough = first and not _has_amounts(source.table)
    sample = Rows(io.BytesIO(first), whole=True) if is_enough else None
    return _survey(source.rows(whole=False), source, all_json=True, sample=sample)


def survey_lines(
    ask: Callable[[str], tuple[Any, ...]],
    table: Table,
    declared: FileFormat,
    *,
    escaped_nul: bool,
) -> Survey:
    """Survey lines of any kind that `ask` runs a statement over, to be read line by line."""
    keys, one_each, long_numbers = ask(_survey_sql(table, declared, all_json=False))
    return Survey(
        declared=declared,
        unknown_keys=tuple(keys),
        one_each=one_each,
        all_json=False,
        long_numbers=long_numbers,
        escaped_nul=escaped_nul,
        plain=False,
        rows=0,
        longest=0,
    )


def _survey(rows: Rows, source: Source, *, all_json: bool, sample: Rows | None = None) -> Survey:
    declared = source.file.declared
    sql = _survey_sql(source.table, declared, all_json=all_json)
    keys, one_each, long_numbers = source.over(sample or rows, sql)
    if sample:
        deque(rows.batches(), maxlen=0)
    return Survey(
        declared=declared,
        unknown_keys=tuple(keys),
        one_each=one_each,
        all_json=all_json,
        long_numbers=long_numbers,
        escaped_nul=rows.has_escaped_nul,
        plain=source.is_utf8 and not (rows.odd_count or rows.blank_count or rows.has_mark),
        rows=rows.count,
        longest=rows.longest,
        sampled=sample is not None,
    )


def _keys(table: Table, declared: FileFormat) -> list[str]:
    """The keys that the contract's columns have in the file."""
    return list(dict.fromkeys(declared.names(table).values()))


def _survey_sql(table: Table, declared: FileFormat, *, all_json: bool) -> str:
    """SQL over `lines` for what a Survey knows of the keys and numbers.

    Lines are grouped by their list of keys, of which a file has a handful. `all_json`: a line that
    isn't JSON is an error, which spares the trial of every line.
    """
    keys = "json_keys(_row)" if all_json else f"case when {_IS_OBJECT} then json_keys(_row) end"
    known = ", ".join(literal(key) for key in _keys(table, declared))
    # A number of up to 15 digits survives DuckDB's JSON reader, which makes a double of it.
    is_long = "bool_or(regexp_matches(_row, '[0-9.]{16}'))"
    long_numbers = is_long if _has_amounts(table) else "false"
    return f"""with shapes as (
            select any_value(keys) as keys, {long_numbers} as has_long_number
            from (select _row, {keys} as keys from lines)
            group by hash(keys)
        ),
        unknown as (
            select distinct key from (select unnest(keys) as key from shapes)
            where key not in ({known}) limit {_MAX_EXTRA_COLUMNS + 1}
        )
        select (select coalesce(list(key order by key), []) from unknown),
            coalesce(bool_and(len(keys) = len(list_distinct(keys))), true),
            coalesce(bool_or(has_long_number), false)
        from shapes"""


def _has_amounts(table: Table) -> bool:
    return any(column.type == "amount" for column in table.columns)


def json_file(table: Table, path: Path, survey: Survey, template: Path) -> Reading:
    """Rows read by DuckDB's own JSON reader: the fast way, for a file whose survey is clean.

    A row's place in the raw file is then its place in the landed one. `template`: a name to write
    to, which has to stay while the rows are read.
    """
    extras = survey.extra_columns(table) or ()
    names = survey.declared.names(table)
    types = _json_types(table, survey.declared, extras)
    texts, _ = declared_texts(
        table, survey.declared, {column: name(key) for column, key in names.items()}
    )
    return Reading(
        relation=_strict(path, types, template) if survey.sampled else _lenient(path, types),
        texts=texts,
        first_line=1,
        extra=json_object({key: f"cast({name(key)} as varchar)" for key in extras}),
        faults=tuple(
            Fault(_looks_like_no_text(name(names[column.name])), "invalid_text", "")
            for column in table.columns
            if column.type == "text" and column.name in names
        ),
        has_json=True,
        unknown=survey.unknown_keys,
    )


def _lenient(path: Path, types: dict[str, str]) -> str:
    """A from-clause for the keys of `types`; it leaves out whatever else a row has."""
    columns = ", ".join(f"{literal(key)}: '{kind}'" for key, kind in types.items())
    return f"""read_json({file_literal(path)}, format = 'newline_delimited',
        hive_partitioning = false, columns = {{{columns}}})"""


def _strict(path: Path, types: dict[str, str], template: Path) -> str:
    """A from-clause for the keys of `types`; a row with another one is an error.

    DuckDB is that strict only where it found the keys and their types by itself. So it is shown two
    rows that have all of them before it reads the others: a key with a text in both is a VARCHAR,
    one with an object and a text can only be JSON.
    """
    mark = f"shown_{uuid.uuid4().hex}"  # a key that no other row has
    shown = [
        {key: value if kind == "JSON" else "a" for key, kind in types.items()} | {mark: True}
        for value in ({"a": 1}, "a")
    ]
    template.write_text("".join(json.dumps(row) + "\n" for row in shown))
    return f"""(select * exclude ({mark}) from read_json(
            [{file_literal(template)}, {file_literal(path)}], format = 'newline_delimited',
            hive_partitioning = false, records = true, map_inference_threshold = -1,
            maximum_sample_files = 1, sample_size = {len(shown)})
        where {mark} is null)"""


def json_lines(table: Table, survey: Survey) -> Reading:
    """Rows read line by line from `lines`: whatever is wrong with some, the others load."""
    extras = survey.extra_columns(table)
    declared = survey.declared
    names = declared.names(table)
    types = json.dumps(_json_types(table, declared, extras or ()), ensure_ascii=False)
    if extras is None:
        known = json.dumps(dict.fromkeys(_keys(table, declared)), ensure_ascii=False)
        rest = f"nullif(cast(json_merge_patch(_row, {literal(known)}) as varchar), '{{}}')"
        extra = f"case when _json is not null then {rest} end"
    else:
        extra = json_object({key: f"cast(_json.{name(key)} as varchar)" for key in extras})
    texts, faults = declared_texts(
        table,
        declared,
        {c.name: _text(c, names[c.name], survey) for c in table.columns if c.name in names},
        is_text=lambda column: _is_json_text(names[column]),
    )
    return Reading(
        relation=f"""(select *,
            try(case when {_IS_OBJECT} then from_json(_row, {literal(types)}) end) as _json
            from lines)""",
        texts=texts,
        line="_line",
        row=SOURCE_ROW,
        extra=extra,
        faults=(*ODD_ROW_FAULTS, *_row_faults(survey), *_text_faults(table, names), *faults),
        has_json=True,
        unknown=survey.unknown_keys,
    )


def _json_types(table: Table, declared: FileFormat, extras: tuple[str, ...]) -> dict[str, str]:
    objects = {column.name for column in table.columns if column.type == "object"}
    names = declared.names(table)
    types = {key: "JSON" if column in objects else "VARCHAR" for column, key in names.items()}
    return types | dict.fromkeys(extras, "JSON")


def _row_faults(survey: Survey) -> list[Fault]:
    faults = [
        Fault(
            "case when _json is null then not json_valid(_row) else false end",
            "malformed_json",
            "the row isn't JSON",
        ),
        Fault(
            f"not {begins_with('{', '_row')} and not starts_with(ltrim(_row), '{{')",
            "no_json_object",
            "the row is no JSON object",
        ),
    ]
    if not survey.one_each:
        repeated = "len(json_keys(_row)) <> len(list_distinct(json_keys(_row)))"
        faults.append(Fault(repeated, "repeated_key", "the row names a key twice"))
    if survey.escaped_nul:
        # After an even number of backslashes it is a NUL, after an odd number the letter u.
        escaped = r"(^|[^\\])(\\\\)*\\u0000"
        faults.append(
            Fault(
                f"contains(_row, '\\u0000') and regexp_matches(_row, '{escaped}')",
                "nul_character",
                "the row holds an escaped NUL character",
            )
        )
    return faults


def _is_json_text(key: str) -> str:
    """SQL for whether a value is a JSON text; of a row that isn't JSON nothing is asked."""
    path = literal(f'$."{key}"')
    return f"case when _json is not null then json_type(_row, {path}) = 'VARCHAR' else false end"


def _text_faults(table: Table, names: dict[str, str]) -> list[Fault]:
    """A text that isn't one: `{}`, `[]` or `false` as an id would make one person of many."""
    faults = []
    for column in table.columns:
        if column.type == "text" and column.name in names:
            key = names[column.name]
            path = literal(f'$."{key}"')
            sql = f"""case when {_looks_like_no_text(f"_json.{name(key)}")}
                then json_type(_row, {path}) <> 'VARCHAR' else false end"""
            faults.append(Fault(sql, "invalid_text", f"{column.name} isn't a text"))
    return faults


def _looks_like_no_text(text: str) -> str:
    """Whether a text could be what DuckDB makes of an object, an array, a boolean or a NaN."""
    nested = f"{begins_with('{', text)} or {begins_with('[', text)}"
    words = " or ".join(f"{text} = {literal(word)}" for word in _NO_TEXTS)
    return f"({nested} or {words})"


def _text(column: Column, key: str, survey: Survey) -> str:
    text = f"_json.{name(key)}"
    if column.type != "amount" or not survey.long_numbers:
        return text
    # DuckDB's JSON reader has made a double of the number: take its digits from the line instead.
    # A quote within a string is escaped, so only a key can match; where it is a deeper key of the
    # same name the doubles differ, and then the row is refused rather than misread.
    spellings = "|".join(re.escape(spelling) for spelling in {key, json.dumps(key)[1:-1]})
    pattern = f'"(?:{spellings})"\\s*:\\s*(-?[0-9.]+(?:[eE][+-]?[0-9]+)?)'
    digits = f"regexp_extract(_row, {literal(pattern)}, 1)"
    same = f"try_cast({digits} as double) = try_cast({text} as double)"
    return f"""case
        when not regexp_matches(_row, '[0-9.]{{16}}') or {digits} = '' then {text}
        when {same} then {digits}
        when {text} is not null then 'unclear'
    end"""
