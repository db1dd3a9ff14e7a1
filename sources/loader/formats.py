"""How the files of a table are written where they aren't as the contract has it: declared, in TOML.

One settings file for all tables, `formats.toml` in the data directory; a table that isn't in it has
the contract's own format. sources/README.md lists the keys.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from sources.contract import SourceError, Table
from sources.loader.encodings import UTF_8, known_encoding

Kind = Literal["ndjson", "csv", "parquet"]

DELIMITERS = (",", ";", "\t", "|")
_DECIMALS = (".", ",")
# A name with one of these can't be said in a JSON path; none was ever seen in a header.
_STRANGE = '"\\'


@dataclass(frozen=True)
class FileFormat:
    """What is declared of a table's files; as it is made, the contract's own format.

    `encoding`: unless a byte order mark says another. `delimiter`: None is read off the header.
    `columns`: by column of the contract, the name that the files have for it. `values`: by column,
    what it is in every row, as no column of the files says it. `true`, `false`, `unknown`: the
    words for them. `kind`: what a file is whose name doesn't say. `accepted`: names of files, with
    * for any text, that aren't what their predecessors were and are right all the same.
    """

    encoding: str = UTF_8
    delimiter: str | None = None
    decimal: str = "."
    columns: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    true: str | None = None
    false: str | None = None
    unknown: str | None = None
    kind: Kind | None = None
    accepted: tuple[str, ...] = ()

    @property
    def has_decimal_comma(self) -> bool:
        """Whether a number that is written as a text has a comma before its decimals."""
        return self.decimal == ","

    def names(self, table: Table) -> dict[str, str]:
        """By column of the contract, the name that a file has for it, where it has the column.

        A name that is declared for one column stands for no other, whatever its case.
        """
        taken = {name.lower() for name in self.columns.values()}
        names = {
            column: self.columns.get(column, column)
            for column in table.column_names
            if column not in self.values
        }
        return {
            column: name
            for column, name in names.items()
            if column in self.columns or name.lower() not in taken
        }

    def needed_in_header(self, table: Table) -> tuple[str, ...]:
        """The names that a CSV header or a Parquet schema must have: required or declared ones."""
        names = self.names(table)
        needed = [
            names.get(column, column)
            for column in table.column_names
            if column in self.columns
            or (column in table.needed_in_header and column not in self.values)
        ]
        return tuple(dict.fromkeys(needed))

    def words(self) -> list[str]:
        """What is declared beyond encoding and delimiter, in words for a report."""
        words = ["decimal comma"] if self.has_decimal_comma else []
        words += ["own words for true and false"] if self.true or self.false or self.unknown else []
        words += [f"{len(self.columns)} columns renamed"] if self.columns else []
        words += [f"{len(self.values)} columns given"] if self.values else []
        return words


AS_CONTRACTED = FileFormat()


def read_formats(path: Path, tables: tuple[Table, ...]) -> dict[str, FileFormat]:
    """What a settings file declares, by the table's full name.

    Raises SourceError, one line that names the file, the table and what is allowed.
    """
    try:
        document = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise SourceError(
            f"{path} can't be read ({error.strerror or error}): let Perennial's user read it, or "
            "point PERENNIAL_FORMATS at the right file."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = "it isn't UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise SourceError(f"{path} is no TOML: {reason}.") from error
    by_name = {(table.source, table.name): table for table in tables}
    found = {}
    for source, sections in document.items():
        for name, section in _sections(path, source, sections).items():
            table = by_name.get((source, name))
            if table is None:
                # Without brackets, which a terminal's markup would take for itself.
                allowed = ", ".join(f"{source}.{name}" for source, name in by_name)
                raise SourceError(f"{path}: there is no table {source}.{name}; use {allowed}.")
            found[table.full_name] = _Section(path, table, section).read()
    return found


def _sections(path: Path, source: str, sections: object) -> dict[str, dict[str, Any]]:
    if isinstance(sections, dict) and all(isinstance(s, dict) for s in sections.values()):
        return sections
    raise SourceError(
        f"{path}: {source} stands outside of a table's section; begin one with its name, such as "
        "pos.receipt_lines in square brackets."
    )


@dataclass(frozen=True)
class _Section:
    """What is written in one table's section."""

    path: Path
    table: Table
    section: dict[str, Any]

    def read(self) -> FileFormat:
        keys = (
            *("encoding", "delimiter", "decimal", "columns", "values"),
            *("true", "false", "unknown", "format", "accepted"),
        )
        for key in self.section:
            if key not in keys:
                raise self._mistake(f"unknown key {key}", ", ".join(keys))
        encoding = self._encoding()
        declared = FileFormat(
            encoding=encoding,
            delimiter=self._one_of("delimiter", DELIMITERS, {"tab": "\t"}),
            decimal=self._one_of("decimal", _DECIMALS) or ".",
            columns=self._columns(),
            values=self._texts("values", lambda column: column != "object"),
            true=self._word("true"),
            false=self._word("false"),
            unknown=self._word("unknown"),
            kind=self._one_of("format", get_args(Kind)),  # type: ignore[arg-type]
            accepted=self._accepted(),
        )
        both = sorted(declared.columns.keys() & declared.values.keys())
        if both:
            raise self._mistake(f"{both[0]} is in columns and in values", "one of the two")
        words = [word for word in (declared.true, declared.false, declared.unknown) if word]
        if len(set(words)) < len(words):
            raise self._mistake("one word means two things", "one word for each")
        return declared

    def _accepted(self) -> tuple[str, ...]:
        names = self.section.get("accepted", [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self._mistake("accepted is no list of names", 'accepted = ["2026-11-21.csv"]')
        return tuple(f"{self.table.source}/{self.table.name}/{name}" for name in names)

    def _word(self, key: str) -> str | None:
        """A word, whatever its case."""
        written = self.section.get(key)
        if written is None:
            return None
        if not isinstance(written, str) or not written.strip():
            raise self._mistake(f"{key} is no text", f'the word that stands for it: {key} = "..."')
        return written.strip().lower()

    def _encoding(self) -> str:
        written = self.section.get("encoding", UTF_8)
        known = known_encoding(written) if isinstance(written, str) else None
        if known is None:
            raise self._mistake(
                f"unknown encoding {written!r}",
                "utf-8, utf-16, utf-16-le, utf-16-be, windows-1250 to windows-1258, latin-1, "
                "iso-8859-2 to -16, cp437, cp850, cp852, cp866, mac-roman, koi8-r, gb18030, big5, "
                "shift_jis, euc_jp, euc_kr",
            )
        return known

    def _one_of(
        self, key: str, allowed: tuple[str, ...], aliases: Mapping[str, str] | None = None
    ) -> str | None:
        written = self.section.get(key)
        if written is None:
            return None
        found = (aliases or {}).get(written, written) if isinstance(written, str) else written
        if found not in allowed:
            words = [*(repr(each) for each in allowed), *(repr(each) for each in aliases or ())]
            raise self._mistake(f"{key} is {written!r}", ", ".join(words).replace("'", '"'))
        return str(found)

    def _columns(self) -> dict[str, str]:
        columns = self._texts("columns", lambda _: True)
        spellings: dict[str, str] = {}
        for column, name in columns.items():
            if name != name.strip() or not name.isprintable() or set(_STRANGE) & set(name):
                raise self._mistake(
                    f"the name for {column} begins or ends with a space, or has a quote, a "
                    "backslash or a control character",
                    "the name as the header shows it",
                )
            other = spellings.setdefault(name.lower(), name)
            if other != name:
                raise self._mistake(f"{other} and {name} differ only in case", "one spelling")
        objects = [columns.get(c.name) for c in self.table.columns if c.type == "object"]
        for name in filter(None, objects):
            if list(columns.values()).count(name) > 1:
                raise self._mistake(f"{name} is an object and something else", "one column")
        return columns

    def _texts(self, key: str, fits: Callable[[str], bool]) -> dict[str, str]:
        """A map from columns of the contract to texts."""
        texts = self.section.get(key, {})
        if not isinstance(texts, dict):
            raise self._mistake(f"{key} is no map", f'{key} = {{ column = "text" }}')
        columns = [column.name for column in self.table.columns if fits(column.type)]
        for column, text in texts.items():
            if column not in columns:
                raise self._mistake(f"{key} names an unknown column {column}", ", ".join(columns))
            if not isinstance(text, str) or not text:
                raise self._mistake(f"{key}.{column} is no text", 'a text in "quotes"')
        return dict(texts)

    def _mistake(self, what: str, allowed: str) -> SourceError:
        return SourceError(
            f"{self.path}, {self.table.source}.{self.table.name}: {what}; allowed: {allowed}."
        )
