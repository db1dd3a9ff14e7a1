"""Which rules stand at which border, found by the files alone: no GX, no data."""

import runpy
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from expectations.rules import Rule, rule_of

ROOT = Path(__file__).parent
# Rules for every table of a stage, also for those that have no file of their own.
EVERY_TABLE = "_every_table"
# The one check of a suite that can't be read: expected, critical, and never passed.
READABLE = "the suite can be read"


@dataclass(frozen=True)
class Suite:
    """The rules of one table; `problem` says why it can't be judged, and closes its gate."""

    stage: str
    table: str
    rules: tuple[Rule, ...]
    problem: str | None = None

    @property
    def asset(self) -> str:
        """The asset key as Dagster writes it, `marts/customer_profiles`."""
        return f"{self.stage}/{self.table}"

    @property
    def critical(self) -> tuple[str, ...]:
        """Names of the checks that close the gate; never empty."""
        if self.problem is not None:
            return (READABLE,)
        return tuple(rule.name for rule in self.rules if rule.severity == "critical")


def suites(
    stage: str | None = None, tables: Iterable[str] | None = None, *, root: Path = ROOT
) -> list[Suite]:
    """Return the suites of a stage, or of all stages, in the order of their names.

    `tables` names the tables that exist, for a stage whose tables anyone may add (audiences): each
    gets a suite in the order given, one without a file of its own the stage's common rules.
    """
    if stage is None:
        if tables is not None:
            raise ValueError("tables belong to a stage: say which")
        return [suite for name in _stages(root) for suite in suites(name, root=root)]
    names = _files(root / stage) if tables is None else tables
    return [_suite(root, stage, table) for table in names]


def expected(
    stage: str | None = None, tables: Iterable[str] | None = None, *, root: Path = ROOT
) -> set[tuple[str, str]]:
    """Return (asset, check name) of every critical check that must have passed."""
    found = suites(stage, tables, root=root)
    return {(suite.asset, name) for suite in found for name in suite.critical}


def _stages(root: Path) -> list[str]:
    return sorted(folder.name for folder in root.iterdir() if folder.is_dir() and _files(folder))


def _files(folder: Path) -> list[str]:
    return sorted(file.stem for file in folder.glob("*.py") if not file.name.startswith("_"))


def _suite(root: Path, stage: str, table: str) -> Suite:
    rules: list[Rule] = []
    for file in (root / stage / f"{EVERY_TABLE}.py", root / stage / f"{table}.py"):
        if not file.exists():
            continue
        where = f"expectations/{stage}/{file.name}"
        try:
            rules += map(rule_of, runpy.run_path(str(file))["EXPECTATIONS"])
        except KeyError as error:
            return Suite(stage, table, (), f"{where} lacks {error}: it states the rules there")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a file of rules may raise
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            return Suite(stage, table, (), f"{where} can't be read ({reason})")
    return Suite(stage, table, tuple(rules), _problem(stage, table, rules))


def _problem(stage: str, table: str, rules: list[Rule]) -> str | None:
    where = f"expectations/{stage}/{table}.py"
    twice = [name for name, count in Counter(rule.name for rule in rules).items() if count > 1]
    if twice:
        return f"{where}: two rules are named '{twice[0]}', give each its own name"
    if not any(rule.severity == "critical" for rule in rules):
        return f"{where} states no critical rule, so it can't close: add one"
    return None
