"""What the core of the dbt project promises whoever reads it: names, columns, grains, no clock."""

import re
from pathlib import Path

import duckdb
import pytest
from core_world import PROJECT, build_all, unit_test_results
from marts_world import manifest

CORE = ("staging", "intermediate", "marts/customers", "marts/orders", "marts/households")
COLUMNS = {
    "customer_profiles": (
        "profile_id first_seen_at last_seen_at email phone given_name family_name birth_date city "
        "postal_code country sources identifier_count first_order_at last_order_at order_count "
        "online_order_count store_order_count return_count net_revenue average_order_value "
        "currency favourite_category favourite_store_id preferred_hour last_visit_at cart_state "
        "cart_value cart_updated_at has_open_ticket has_open_delivery"
    ),
    "customer_identifiers": (
        "profile_id identifier_type identifier_value source first_seen_at last_seen_at "
        "joined_to_type joined_to_value joined_by joined_via joined_at joined_score steps_to_anchor"
    ),
    "customer_orders": (
        "order_id profile_id source channel store_id ordered_at gross_amount discount_amount "
        "refunded_amount net_amount currency item_count promo_code reporting_amount"
    ),
    "customer_consents": "profile_id channel purpose state decided_at source",
    "identity_history": "happened_at kind from_profile_id to_profile_id reason",
}


@pytest.fixture(scope="module")
def nothing_landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse of a landing zone in which nothing has landed, through every layer."""
    return build_all(tmp_path_factory.mktemp("nothing") / "warehouse.duckdb", {})


def _core_models() -> dict:
    return {
        node.name: node
        for node in manifest().nodes.values()
        if node.resource_type == "model" and str(node.original_file_path)[7:].startswith(CORE)
    }


def test_an_empty_landing_zone_builds_through_every_layer(nothing_landed: Path) -> None:
    with duckdb.connect(nothing_landed, read_only=True) as connection:
        for name, node in _core_models().items():
            table = f"{node.schema}.{name}"
            # The reporting currency has its rate though nothing is sold.
            at_least = 1 if name == "int_currency_rates" else 0
            found = connection.execute(f"select count(*) from {table}").fetchone()
            assert found is not None
            assert (found[0] > 0) == bool(at_least), table


@pytest.mark.parametrize("mart", COLUMNS)
def test_a_mart_has_every_column_of_the_contract(nothing_landed: Path, mart: str) -> None:
    with duckdb.connect(nothing_landed, read_only=True) as connection:
        found = [row[0] for row in connection.execute(f"describe marts.{mart}").fetchall()]
    assert set(COLUMNS[mart].split()) <= set(found)
    assert len(found) == len(set(found))


def test_money_is_decimal_and_time_has_a_zone(nothing_landed: Path) -> None:
    with duckdb.connect(nothing_landed, read_only=True) as connection:
        found = connection.execute(
            "select table_name, column_name, data_type from duckdb_columns() "
            "where schema_name = 'marts' and table_name in (select unnest(?))",
            [list(COLUMNS)],
        ).fetchall()
    money = ("_amount", "_revenue", "_value")
    for table, column, data_type in found:
        where = f"{table}.{column}"
        if column.endswith(money) and column not in {"identifier_value", "joined_to_value"}:
            assert data_type == "DECIMAL(18,4)", where
        if column.endswith("_at"):
            assert data_type == "TIMESTAMP WITH TIME ZONE", where
    assert sum(column.endswith(money) for _, column, _ in found) > 5


def test_every_unit_test_of_the_core_passes(nothing_landed: Path) -> None:
    found = unit_test_results(nothing_landed, " ".join(f"path:models/{folder}" for folder in CORE))
    assert {name: outcome for name, outcome in found.items() if outcome != "pass"} == {}
    # Every model with a decision of its own is judged by at least one.
    tested = {node.model for node in manifest().unit_tests.values() if node.name in found}
    assert {name for name in _core_models() if name.startswith(("int_", "customer_"))} <= tested


def test_every_model_says_its_grain_and_what_each_column_is(nothing_landed: Path) -> None:
    with duckdb.connect(nothing_landed, read_only=True) as connection:
        for name, node in _core_models().items():
            last_words = node.description.strip().split(";")[-1]
            assert re.search(r"\bone row an? .+\.$", last_words), f"{name}: {last_words}"
            found = connection.execute(f"describe {node.schema}.{name}").fetchall()
            described = {column.name for column in node.columns.values() if column.description}
            assert {row[0] for row in found} == described, name


def test_a_mart_is_held_to_its_types() -> None:
    for name, node in _core_models().items():
        if node.schema == "marts":
            assert node.config.contract.enforced, name
            assert all(column.data_type for column in node.columns.values()), name


def test_no_model_reads_the_clock_or_a_dialect_of_its_own() -> None:
    words = r"\b(now|current_timestamp|current_date|today|get_current_time|random|uuid)\b\s*\(?\)?"
    only_duckdb = r"\b(json_\w+|timezone|md5|try_cast|unnest|qualify|exclude|regexp_\w+|strftime)\b"
    for folder in CORE:
        for path in (PROJECT / "models" / folder).rglob("*.sql"):
            code = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
            bare = re.sub(r"--[^\n]*", "", code)
            assert not re.search(words, bare), path.name
            assert not re.search(rf"{only_duckdb}\s*\(", bare), path.name
