"""A gate that can't run is closed, says why without a person's data, and leaves the file alone."""

import hashlib
import logging
import subprocess
import sys
from pathlib import Path

import duckdb
import gate_world as world
import pytest

from expectations.runner import READABLE, CheckResult, SuiteResult, expected, suites, validate

CONTEXT = {"as_of": world.AS_OF}
HEAD = "from expectations.rules import *\n"


def judged(root: Path, warehouse: Path, text: str) -> SuiteResult:
    """Judge marts.customer_profiles by a suite file with this text."""
    (root / "marts").mkdir()
    (root / "marts" / "customer_profiles.py").write_text(text)
    (result,) = validate("marts", None, warehouse, context=CONTEXT, root=root)
    return result


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "suites"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("EXPECTATIONS = []", "no critical rule"),
        (HEAD + "EXPECTATIONS = [has_rows(severity='warning')]", "no critical rule"),
        ("EXPECTATIONS = [", "SyntaxError"),
        ("import nowhere_to_be_found", "ModuleNotFoundError"),
        ("raise SystemExit", "SystemExit"),
        ("RULES = []", "lacks 'EXPECTATIONS'"),
        ("EXPECTATIONS = ['profile_id is unique']", "neither a rule"),
        (HEAD + "EXPECTATIONS = [has_rows(), has_rows()]", "two rules are named 'has rows'"),
        (HEAD + "EXPECTATIONS = [query('x', 'select 1')]", "never names {batch}"),
    ],
)
def test_a_broken_or_empty_suite_is_a_closed_gate(
    root: Path, warehouse: Path, text: str, reason: str
) -> None:
    result = judged(root, warehouse, text)

    assert result.closed
    (check,) = result.checks
    assert (check.name, check.severity, check.passed) == (READABLE, "critical", False)
    assert reason in check.message
    assert "customer_profiles.py" in check.message
    assert expected("marts", root=root) == {("marts/customer_profiles", READABLE)}


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("never_null('nowhere')", "column nowhere isn't there"),
        ("unique('profile_id', 'nowhere')", "column nowhere isn't there"),
        ("no_rows('r', 'nowhere > 1')", "BinderException"),
        ("no_rows('r', 'cast(email as integer) > 1')", "ConversionException"),
        ("no_rows('r', 'email in (')", "ParserException"),
        ("no_rows('r', 'profile_id in (select profile_id from marts.nowhere)')", "Catalog"),
        ("no_rows('r', 'last_seen_at > {never_given}')", "could not run"),
        ("Rule('r', 'ExpectNothingKnown')", "could not run"),
    ],
)
def test_a_rule_that_can_not_run_closes_the_gate_alone(
    root: Path, warehouse: Path, rule: str, reason: str
) -> None:
    text = HEAD + f"EXPECTATIONS = [{rule}, has_rows(), never_null('profile_id')]"

    result = judged(root, warehouse, text)

    assert result.closed
    first, *others = result.checks
    assert not first.passed
    assert reason in first.message
    assert [check.passed for check in others] == [True, True] or "ExpectNothingKnown" in rule
    assert first.evaluated_count == first.failed_count == 0


def test_a_warning_that_can_not_run_closes_nothing(root: Path, warehouse: Path) -> None:
    text = HEAD + "EXPECTATIONS = [has_rows(), never_null('nowhere', severity='warning')]"

    result = judged(root, warehouse, text)

    assert [check.passed for check in result.checks] == [True, False]
    assert not result.closed


def test_native_expectations_stand_beside_rules(root: Path, warehouse: Path) -> None:
    result = judged(
        root,
        warehouse,
        HEAD + "import great_expectations.expectations as gxe\n"
        "EXPECTATIONS = [\n"
        "    has_rows(),\n"
        "    gxe.ExpectColumnValuesToBeBetween(column='order_count', max_value=1),\n"
        "    gxe.ExpectColumnMaxToBeBetween(\n"
        "        column='order_count', max_value=1, severity='warning',\n"
        "        description='few orders'),\n"
        "    gxe.UnexpectedRowsExpectation(\n"
        "        unexpected_rows_query='select * from {batch} where last_seen_at < {as_of}',\n"
        "        description='all were seen today', severity='warning'),\n"
        "]",
    )

    assert [(check.name, check.severity, check.failed_count) for check in result.checks] == [
        ("has rows", "critical", 0),
        ("expect column values to be between order_count", "critical", 20),
        ("few orders", "warning", 1),
        ("all were seen today", "warning", 40),
    ]
    assert result.closed


def test_no_value_leaves_the_database(
    root: Path,
    warehouse: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    world.plant(
        warehouse,
        f"insert into marts.customer_profiles by name select * replace ('{world.PERSONAL}' as "
        "email, null as profile_id) from marts.customer_profiles limit 2",
    )
    text = (
        HEAD
        + "import great_expectations.expectations as gxe\nEXPECTATIONS = [\n"
        + "    never_null('profile_id'), unique('email'), one_of('email', ['nobody']),\n"
        + "    no_rows('r1', 'email is not null'), no_rows('r2', 'cast(email as date) is null'),\n"
        + "    gxe.ExpectColumnMostCommonValueToBeInSet(column='email', value_set=['x']),\n"
        + "    gxe.UnexpectedRowsExpectation(unexpected_rows_query='select * from {batch}'),\n"
        + "    gxe.ExpectColumnValuesToMatchRegex(column='email', regex='^x'),\n]"
    )

    result = judged(root, warehouse, text)

    assert [check.failed_count for check in result.checks] == [2, 2, 42, 42, 0, 1, 42, 0]
    out, err = capfd.readouterr()
    assert not [log for log in caplog.records if log.name.startswith("great_expectations")]
    told = repr(result) + str(result) + out + err + caplog.text
    assert "customer_profiles" in told  # what is searched does hold text
    assert "example.com" not in told
    assert world.PERSONAL.split("@")[0] not in told


def test_the_file_is_free_and_unchanged_afterwards(warehouse: Path) -> None:
    before = hashlib.sha256(warehouse.read_bytes()).hexdigest()

    results = validate("marts", ["customer_profiles"], warehouse, context=CONTEXT)
    kept = list(results)  # the caller may keep them while somebody else writes

    writes = (
        "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('create table free as select 1')"
    )
    assert hashlib.sha256(warehouse.read_bytes()).hexdigest() == before
    subprocess.run([sys.executable, "-c", writes, str(warehouse)], check=True)
    assert not kept[0].closed


def test_a_file_that_somebody_writes_to_is_a_closed_gate(warehouse: Path) -> None:
    with duckdb.connect(str(warehouse)) as writer:
        writer.execute("create table mine as select 1")
        results = validate("marts", None, warehouse, context=CONTEXT)

    assert results
    assert all(result.closed for result in results)
    assert "no other process holds it" in results[0].checks[0].message


@pytest.mark.parametrize("content", [None, b"", b"not a database" * 500])
def test_what_is_no_database_is_a_closed_gate(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "warehouse.duckdb"
    if content is not None:
        path.write_bytes(content)

    results = validate("raw", None, path, context=CONTEXT)

    assert len(results) == len(suites("raw"))
    assert all(result.closed for result in results)


def test_any_folder_name_will_do(sound: Path, tmp_path: Path) -> None:
    odd = tmp_path / "día $HOME ?x=1#%20 'q'" / "warehouse.duckdb"
    odd.parent.mkdir()
    odd.write_bytes(sound.read_bytes())

    assert not any(result.closed for result in validate("marts", None, odd, context=CONTEXT))


def test_times_are_judged_in_utc(root: Path, warehouse: Path) -> None:
    text = HEAD + (
        "EXPECTATIONS = [no_rows('zone', \"current_setting('TimeZone') <> 'UTC'\"), "
        "no_rows('as_of', \"{as_of} <> timestamptz '2026-03-01 00:00:00+00'\")]"
    )

    assert not judged(root, warehouse, text).closed


def test_listing_the_checks_imports_no_gx() -> None:
    lists = (
        "import sys\nfrom expectations.runner import expected, suites\n"
        "assert len(suites()) == 25 and len(expected()) > 100\n"
        "assert 'great_expectations' not in sys.modules and 'sqlalchemy' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", lists], check=True)


def test_what_is_expected_is_what_is_judged(sound: Path) -> None:
    for stage in ("raw", "marts", "audiences"):
        results = validate(stage, None, sound, context=CONTEXT)
        assert expected(stage) == {
            (result.asset, check.name)
            for result in results
            for check in result.checks
            if check.severity == "critical"
        }


def test_a_new_audience_is_expected_to_pass_the_common_checks() -> None:
    asset = "audiences/tea_lovers"

    assert expected("audiences", ["tea_lovers"]) == {
        (asset, "profile_id is never null"),
        (asset, "profile_id is unique"),
        (asset, "profile_id occurs in marts.customer_profiles"),
    }


def test_a_mart_without_a_file_is_a_closed_gate() -> None:
    (suite,) = suites("marts", ["nowhere"])

    assert suite.problem is not None
    assert suite.critical == (READABLE,)


def test_a_gate_without_a_critical_check_is_closed() -> None:
    warning = CheckResult("has rows", "warning", True, 1, 0, "1 rows")

    assert SuiteResult("marts", "x", (warning,)).closed
    assert SuiteResult("marts", "x", ()).closed
