"""What formats.toml declares of a table's values, as SQL: decimal commas, words, constants."""

from collections.abc import Callable, Mapping

from sources.contract import Column, Table
from sources.loader.formats import FileFormat
from sources.loader.sql import literal
from sources.loader.values import is_unclear_number, pointed, rule_of
from sources.loader.verdict import Fault

_NUMBERS = ("amount", "integer", "coordinate")


def declared_texts(
    table: Table,
    declared: FileFormat,
    found: Mapping[str, str],
    is_text: Callable[[str], str] = lambda _: "true",
) -> tuple[dict[str, str], tuple[Fault, ...]]:
    """SQL for the text of each contract column, and the faults that only a declaration makes.

    `found`: that of the columns which the file has, as it is written there. `is_text`: SQL for
    whether a column's value is written as a text: a number that is one has no comma.
    """
    texts = dict(found)
    for column in table.columns:
        if column.name in texts and column.type == "boolean":
            texts[column.name] = _boolean(texts[column.name], declared)
    faults: list[Fault] = []
    if declared.has_decimal_comma:
        for column in table.columns:
            if column.name in texts and column.type in _NUMBERS:
                text, condition = texts[column.name], is_text(column.name)
                texts[column.name] = f"case when {condition} then {pointed(text)} else {text} end"
                unclear = f"case when {condition} then {is_unclear_number(text)} else false end"
                faults.append(Fault(unclear, rule_of(column), _unclear(column)))
    return texts | {c: literal(value) for c, value in declared.values.items()}, tuple(faults)


def _boolean(text: str, declared: FileFormat) -> str:
    words = {declared.true: "true", declared.false: "false", declared.unknown: ""}
    branches = [f"when {literal(word)} then '{value}'" for word, value in words.items() if word]
    return f"case lower(trim({text})) {' '.join(branches)} else {text} end" if branches else text


def _unclear(column: Column) -> str:
    return (
        f"{column.name} isn't a number such as 1.234,50, though formats.toml declares a decimal "
        "comma"
    )
