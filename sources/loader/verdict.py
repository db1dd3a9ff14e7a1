"""Which rows keep the contract, and which rule each of the others breaks: one SQL for every format.

A `Reading` says how a format yields the text of each column; from there on all formats are one.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from sources.contract import Column, Table
from sources.loader.lines import ODD_ROWS
from sources.loader.sql import cases, literal, name
from sources.loader.values import is_blank, is_invalid, problem_of, rule_of, sql_type, typed


@dataclass(frozen=True)
class Fault:
    """A condition over the columns at hand under which a row is refused, and how it is said.

    `columns`: those whose values are at fault; none where it is the row as a whole.
    """

    sql: str
    rule: str
    message: str
    columns: tuple[str, ...] = ()


# What a row read from `lines` is as it came: without its line end.
SOURCE_ROW = "rtrim(_row, chr(13) || chr(10))"
ODD_ROW_FAULTS = tuple(
    Fault(f"_odd = {code}", rule, message) for code, (rule, message) in ODD_ROWS.items()
)


@dataclass(frozen=True)
class Reading:
    """How rows come out of a landed file.

    `relation`: a from-clause. `texts`: SQL for the text of each contract column that the file has.
    `line`, `row`, `extra`: SQL for the row's line, the row as it came, and a JSON text of what the
    contract doesn't know. `first_line`: the first row's line, where a row's place tells its own.
    `faults`: what only this format can break, over the relation's columns; it keeps out a row that
    is gone as well. `has_json`: the texts of objects are of type JSON already, so parsed once and
    not again. `deleted`: SQL for whether the row says that it has left its source. `unknown`: names
    in the file that the contract doesn't know.
    """

    relation: str
    texts: dict[str, str]
    line: str = "null"
    row: str = "null"
    first_line: int | None = None
    extra: str = "null"
    faults: tuple[Fault, ...] = ()
    has_json: bool = False
    deleted: str = "false"
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stamp:
    """What every row of one load is marked with; SQL, over the relation's columns where it varies.

    `content`: the hash of the bytes that the row landed in; null where raw's file is named by it.
    """

    landed_file: str
    loaded_at: datetime
    content: str = "null"

    @classmethod
    def of_file(cls, landed_file: str, loaded_at: datetime) -> "Stamp":
        """The mark of all rows of one file."""
        return cls(literal(landed_file), loaded_at)

    @property
    def loaded_at_sql(self) -> str:
        """`loaded_at` as SQL."""
        return f"timestamptz {literal(self.loaded_at.isoformat())}"


def good_rows(table: Table, reading: Reading, stamp: Stamp, *, all_or_none: bool = False) -> str:
    """SQL for the rows of raw. `all_or_none`: the first refused row is an error and ends it."""
    kept = "_fault is null"
    if all_or_none:
        kept = f"case when {kept} then true else error('a row is refused') end"
    columns = ", ".join(_kept(table, reading))
    return f"""{_judged(table, reading, stamp)}
        select {columns}, cast(_extra as json) as _extra, cast(_line as bigint) as _line,
            cast({reading.first_line or "null"} as bigint) as _first_line,
            _landed_file, {stamp.loaded_at_sql} as _loaded_at, _is_deleted,
            cast(_content as varchar) as _content
        from judged where {kept}"""


def refused_rows(table: Table, reading: Reading, stamp: Stamp) -> str:
    """SQL for the rows of quarantine."""
    faults = _refusals(table, reading)
    rules = ", ".join(literal(fault.rule) for fault in faults)
    messages = ", ".join(literal(fault.message) for fault in faults)
    return f"""{_judged(table, reading, stamp)}
        select _landed_file as landed_file, cast(_line as bigint) as line,
            ([{rules}])[_fault] as rule, ([{messages}])[_fault] as message,
            cast(_source_row as varchar) as "row", {stamp.loaded_at_sql} as loaded_at
        from judged where _fault is not null"""


def refused_file(rule: str, message: str, stamp: Stamp) -> str:
    """SQL for the one row that quarantine keeps of a file refused whole."""
    return f"""select {stamp.landed_file} as landed_file, cast(null as bigint) as line,
        {literal(rule)} as rule, {literal("the file " + message)} as message,
        cast(null as varchar) as "row", {stamp.loaded_at_sql} as loaded_at"""


def empty_table(table: Table) -> str:
    """SQL for raw's columns and types, without a row."""
    columns = ", ".join(f"cast(null as {sql_type(c)}) as {name(c.name)}" for c in table.columns)
    return f"""select {columns}, cast(null as json) as _extra, cast(null as bigint) as _line,
        cast(null as bigint) as _first_line,
        cast(null as varchar) as _landed_file, cast(null as timestamptz) as _loaded_at,
        cast(null as boolean) as _is_deleted, cast(null as varchar) as _content
        limit 0"""


def _text_name(column: Column) -> str:
    return name(f"_text_{column.name}")


def _own_name(column: Column) -> str:
    """Where a column that can be computed keeps what the row itself said."""
    return name(f"_own_{column.name}") if column.otherwise else name(column.name)


def _judged(table: Table, reading: Reading, stamp: Stamp) -> str:
    texts = ",\n".join(f"{_text(c, reading)} as {_text_name(c)}" for c in table.columns)
    values = ",\n".join(
        f"{typed(c, _text_name(c), parsed=reading.has_json)} as {_own_name(c)}"
        for c in table.columns
    )
    computed = "".join(
        f", coalesce({_own_name(c)}, {c.otherwise}) as {name(c.name)}"
        for c in table.columns
        if c.otherwise
    )
    return f"""with texts as (
            select {stamp.landed_file} as _landed_file, {stamp.content} as _content,
                {reading.line} as _line, {reading.row} as _source_row,
                {reading.extra} as _extra, {reading.deleted} as _is_deleted,
                {cases([fault.sql for fault in reading.faults])} as _format_fault,
                {texts}
            from {reading.relation}
        ),
        valued as (select *, {values} from texts),
        completed as (select *{computed} from valued),
        judged as (
            select *, {cases([fault.sql for fault in _refusals(table, reading)])} as _fault
            from completed
        )"""


def _text(column: Column, reading: Reading) -> str:
    """SQL for the column's text; null where it is empty, which means unknown.

    PHP writes an object without members as [], and some clients as an empty text.
    """
    text = reading.texts.get(column.name, "null::varchar")
    if column.type == "object" and reading.has_json:
        words = f"cast({text} as varchar)"
        return f"case when {words} <> '[]' and {words} <> '\"\"' then {text} end"
    return f"nullif({text}, '')"


def _kept(table: Table, reading: Reading) -> list[str]:
    """SQL for each column as raw keeps it: null where a row that is gone can't be believed."""
    if not _marks_deleted(reading):
        return [name(column.name) for column in table.columns]
    kept = []
    faults = _faults(table, reading)
    for column in table.column_names:
        doubts = [f.sql for f in faults if column in f.columns and not _bars_gone(table, f)]
        doubted = f"_is_deleted and ({' or '.join(doubts)})"
        value = f"case when {doubted} then null else {name(column)} end as {name(column)}"
        kept.append(value if doubts else name(column))
    return kept


def _marks_deleted(reading: Reading) -> bool:
    return reading.deleted != "false"


def _bars_gone(table: Table, fault: Fault) -> bool:
    """Whether a fault keeps out a row that is gone as well: nobody could say which one it was."""
    return not fault.columns or not set(fault.columns).isdisjoint(table.key)


def _refusals(table: Table, reading: Reading) -> list[Fault]:
    """What keeps a row out, the most telling first.

    A row that is gone is told by its key alone: it has the last values of one that was perhaps
    refused for them, or let in before there was a rule, and would stay for ever.
    """
    faults = _faults(table, reading)
    if not _marks_deleted(reading):
        return faults
    return [
        fault
        if _bars_gone(table, fault)
        else replace(fault, sql=f"not _is_deleted and ({fault.sql})")
        for fault in faults
    ]


def _faults(table: Table, reading: Reading) -> list[Fault]:
    """Everything that can be wrong with a row, the most telling first."""
    format_faults = [
        replace(fault, sql=f"_format_fault = {number}")
        for number, fault in enumerate(reading.faults, start=1)
    ]
    row_rules = [
        Fault(
            f"not ({rule.sql})",
            rule.name,
            f"breaks the rule that {rule.description}",
            tuple(c for c in table.column_names if name(c) in rule.sql and c not in table.key),
        )
        for rule in table.rules
    ]
    columns = [fault for column in table.columns for fault in _column_faults(column)]
    return [*format_faults, *columns, *row_rules]


def _column_faults(column: Column) -> list[Fault]:
    text, value = _text_name(column), name(column.name)
    # A value of its own that can't be read isn't made good by a computed one.
    invalid = is_invalid(column, text, _own_name(column))
    at_fault = (column.name,)
    faults = [Fault(invalid, rule_of(column), f"{column.name} {problem_of(column)}", at_fault)]
    if column.required:
        computed = f" and can't be computed as {column.otherwise}" if column.otherwise else ""
        blank = f" or {is_blank(value)}" if column.type == "text" else ""
        faults.append(
            Fault(
                f"{value} is null{blank}",
                "missing_value",
                f"{column.name} is required{computed}",
                at_fault,
            )
        )
    if column.allowed:
        # Not `not in`, which DuckDB makes a join of.
        unknown = " and ".join(f"{value} <> {literal(allowed)}" for allowed in column.allowed)
        faults.append(
            Fault(
                unknown,
                "unknown_value",
                f"{column.name} is none of {', '.join(column.allowed)}",
                at_fault,
            )
        )
    return faults
