"""Asks Great Expectations whether the rules hold; what can't be asked is a closed gate.

Everything is evaluated inside DuckDB. Results carry counts and names of columns, never a value: GX
is told to keep none, its own log is silenced while it runs, and of an exception only the class is
told, because DuckDB quotes the value that it stumbled over.
"""

import logging
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from expectations.rules import Rule, Severity
from expectations.suites import READABLE, ROOT, Suite, expected, suites

__all__ = ["CheckResult", "Suite", "SuiteResult", "expected", "suites", "validate"]

# BASIC counts; 0 keeps GX from fetching examples of the values it counted.
_COUNTS_ONLY = {"result_format": "BASIC", "partial_unexpected_count": 0}
# The column by which raw marks a row that has left its source.
_GONE = "_is_deleted"
_HINTS = {
    "BinderException": "a column it names isn't there, or is of another type",
    "CatalogException": "a table or function it names isn't there",
    "ConversionException": "a value isn't of the type it is compared with",
    "IOException": "a file that the table reads from is missing or damaged",
    "ParserException": "its SQL has a syntax error",
}


@dataclass(frozen=True)
class CheckResult:
    """What became of one rule: how many rows it looked at, and how many broke it."""

    name: str
    severity: Severity
    passed: bool
    evaluated_count: int
    failed_count: int
    message: str


@dataclass(frozen=True)
class SuiteResult:
    """One gate."""

    stage: str
    table: str
    checks: tuple[CheckResult, ...]

    @property
    def asset(self) -> str:
        """The asset key as Dagster writes it, `marts/customer_profiles`."""
        return f"{self.stage}/{self.table}"

    @property
    def closed(self) -> bool:
        """Whether a critical check failed or couldn't run, or there was none."""
        critical = [check.passed for check in self.checks if check.severity == "critical"]
        return not critical or not all(critical)


def open_read_only(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file beside other readers."""
    return duckdb.connect(str(path), read_only=True)


def validate(
    stage: str,
    tables: Iterable[str] | None,
    database: Path,
    *,
    context: Mapping[str, Any],
    connect: Callable[[Path], AbstractContextManager[duckdb.DuckDBPyConnection]] = open_read_only,
    root: Path = ROOT,
) -> list[SuiteResult]:
    """Judge tables of one stage, all that have a suite when `tables` is None.

    `context` fills the `{names}` in rules, above all `as_of`. `connect` opens the database; its
    context has ended when this returns. Never raises for what the data, a rule
    or a suite file may be like: that gate is closed and says why.
    """
    wanted = suites(stage, tables, root=root)
    try:
        with connect(database) as connection, _silence():
            judge = _Judge(connection, context)
            return [_judged(judge, suite) for suite in wanted]
    except Exception as error:  # noqa: BLE001 - whatever keeps it from running, the gates are closed
        reason = f"the database can't be judged ({type(error).__name__}): see that no other "
        reason += "process holds it and that it is a DuckDB file, then run again"
        return [_closed(suite, suite.problem or reason) for suite in wanted]


class _Judge:
    """One ephemeral GX context for all tables of a call."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, context: Mapping[str, Any]) -> None:
        # Importing GX takes seconds: not before a gate is really asked.
        import great_expectations as gx
        from great_expectations import expectations as gxe

        from expectations import duckdb_dialect
        from expectations.counted_rows import CountedRows

        self._gx, self._gxe, self._connection = gx, gxe, connection
        self._ours = {"UnexpectedRowsExpectation": CountedRows}
        self._literals = {f"{{{key}}}": _literal(value) for key, value in context.items()}
        self._literals["{as_of_text}"] = f"'{context.get('as_of')}'"
        gx_context: Any = gx.get_context(mode="ephemeral")
        gx_context.enable_analytics(False)
        gx_context.variables.progress_bars = {"globally": False}
        self._source = gx_context.data_sources.add_sql(
            "warehouse",
            connection_string=duckdb_dialect.URL,
            create_temp_table=False,
            kwargs=duckdb_dialect.engine_options(connection),
        )

    def columns(self, suite: Suite) -> set[str]:
        """Return the table's columns, none when there is no such table."""
        rows = self._connection.execute(
            "select column_name from duckdb_columns() where database_name = current_database() "
            "and schema_name = ? and table_name = ?",
            [suite.stage, suite.table],
        )
        return {name for (name,) in rows.fetchall()}

    def row_counts(self, suite: Suite, *, marked: bool) -> tuple[int, int]:
        """Count the table's rows, and those of them that are marked as gone."""
        gone = f"count(*) filter ({_GONE})" if marked else "0"
        found = self._connection.execute(
            f'select count(*), {gone} from "{suite.stage}"."{suite.table}"'
        ).fetchall()
        return found[0]

    def results(self, suite: Suite, rules: list[Rule], *, without_gone: bool) -> dict[str, Any]:
        """Return GX's result for each rule by name; a rule without one couldn't be evaluated."""
        if without_gone:
            sql = f'select * from "{suite.stage}"."{suite.table}" where not {_GONE}'
            asset = self._source.add_query_asset(suite.asset, sql)
        else:
            asset = self._source.add_table_asset(
                suite.asset, table_name=suite.table, schema_name=suite.stage
            )
        batch = asset.add_batch_definition_whole_table("all").get_batch()
        gx_suite = self._gx.ExpectationSuite(
            name=suite.asset, expectations=[self._expectation(rule) for rule in rules]
        )
        outcome: Any = batch.validate(gx_suite, result_format=_COUNTS_ONLY)
        # GX returns results in an order of its own.
        return {result.expectation_config.meta["check"]: result for result in outcome.results}

    def _expectation(self, rule: Rule) -> Any:
        native = rule.expectation
        if isinstance(native, str):
            native = (self._ours.get(native) or getattr(self._gxe, native))(**rule.arguments)
        changes: dict[str, Any] = {"meta": {"check": rule.name}}
        sql = getattr(native, "unexpected_rows_query", None)
        if isinstance(sql, str):
            for name, literal in self._literals.items():
                sql = sql.replace(name, literal)
            changes["unexpected_rows_query"] = sql
        return native.copy(update=changes)


def _judged(judge: _Judge, suite: Suite) -> SuiteResult:
    if suite.problem is not None:
        return _closed(suite, suite.problem)
    columns = judge.columns(suite)
    if not columns:
        return _closed(suite, f"the table {suite.stage}.{suite.table} isn't there: build it first")
    askable = [rule for rule in suite.rules if columns.issuperset(rule.columns)]
    try:
        # Of a row that has left its source only the key is sure. Where there is none the table is
        # asked as it is, which takes half the time (3 M rows).
        rows, gone = judge.row_counts(suite, marked=_GONE in columns)
        count = rows - gone
        results = judge.results(suite, askable, without_gone=gone > 0)
    except Exception as error:  # noqa: BLE001 - a gate that can't run is a closed gate
        return _closed(suite, _not_run(f"exceptions.{type(error).__name__} {error}"))
    checks = []
    for rule in suite.rules:
        missing = sorted(set(rule.columns) - columns)
        if missing:
            message = f"could not run: column {', '.join(missing)} isn't there"
            checks.append(CheckResult(rule.name, rule.severity, False, 0, 0, message))
        else:
            checks.append(_check(rule, results.get(rule.name), count))
    return SuiteResult(suite.stage, suite.table, tuple(checks))


def _check(rule: Rule, result: Any, count: int) -> CheckResult:
    """Translate a result of GX, trusting its `success` only where it has counted too.

    An expectation whose metrics were never computed is "vacuously true" to GX.
    """
    details = result.result if result is not None else {}
    failed = details.get("unexpected_count")
    if failed is None and rule.kind == "UnexpectedRowsExpectation":
        failed = details.get("observed_value")
    ran = result is not None and result.exception_info.get("raised_exception") is False
    # GX counts nothing in an empty table.
    counted = failed is not None or details.get("observed_value") is not None or count == 0
    if not (ran and counted and details.get("element_count", count) == count):
        message = _not_run(str(result.exception_info) if result is not None else "")
        return CheckResult(rule.name, rule.severity, False, 0, 0, message)
    passed = bool(result.success)
    failed = int(failed) if isinstance(failed, int) else int(not passed)
    message = f"{count} rows checked" if passed else f"{failed} of {count} rows break the rule"
    if rule.kind == "ExpectTableRowCountToBeBetween":
        message = f"{count} rows"
    return CheckResult(rule.name, rule.severity, passed, count, failed, message)


def _not_run(trace: str) -> str:
    """Say why a check couldn't run by the class of the exception, never by its text."""
    classes = re.findall(r"(?:duckdb|exc|exceptions)\.(\w+(?:Exception|Error))\b", trace)
    known = next((name for name in classes if name in _HINTS), None)
    name = known or (classes[-1] if classes else "no result")
    return f"could not run ({name}): {_HINTS.get(name, 'try the rule by hand on this table')}"


def _closed(suite: Suite, reason: str) -> SuiteResult:
    if suite.problem is not None:
        checks = [CheckResult(READABLE, "critical", False, 0, 0, reason)]
    else:
        checks = [
            CheckResult(rule.name, rule.severity, False, 0, 0, reason) for rule in suite.rules
        ]
    return SuiteResult(suite.stage, suite.table, tuple(checks))


def _literal(value: Any) -> str:
    """Write a value of the build's context as SQL."""
    if isinstance(value, datetime):
        return f"timestamptz '{value.isoformat(sep=' ')}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep GX silent: it logs the text of exceptions, and warns of its own deprecations."""
    loggers = [logging.getLogger(name) for name in ("great_expectations", "sqlalchemy")]
    before = [logger.propagate for logger in loggers]
    nowhere = logging.NullHandler()
    for logger in loggers:
        # Not by level: some of GX's modules set one of their own.
        logger.propagate = False
        logger.addHandler(nowhere)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, propagate in zip(loggers, before, strict=True):
            logger.propagate = propagate
            logger.removeHandler(nowhere)
