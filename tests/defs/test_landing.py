"""What starts a build, and what a build reads from an ERP's database."""

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.defs.jobs import landing_sensor
from tests.e2e.house import House

ORDERS = "landing/erp/orders"
READ_FROM_ODOO = {"raw/pos_receipt_lines", "raw/pos_stores"}
GRAPH = """
import json
from dagster_project.definitions import defs
graph = defs().resolve_asset_graph()
print(json.dumps({
    key.to_user_string(): [parent.to_user_string() for parent in graph.get(key).parent_keys]
    for key in graph.get_all_asset_keys() if key.path[0] in ("landing", "raw")
}))
"""


def _starts_a_build(cursor: str | None) -> tuple[bool, str | None]:
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, cursor=cursor)
        result = landing_sensor(context)
    if isinstance(result, dg.SkipReason):
        return False, cursor
    assert isinstance(result, dg.SensorResult)
    return bool(result.run_requests), result.cursor


def _land(data: Path, name: str) -> None:
    path = data / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("order_id")


def test_a_landed_file_starts_one_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_DATA", str(tmp_path))
    assert _starts_a_build(None) == (False, None)
    _land(tmp_path, f"{ORDERS}/by-hand.csv")
    started, cursor = _starts_a_build(None)
    assert started
    assert _starts_a_build(cursor) == (False, cursor)
    _land(tmp_path, f"{ORDERS}/again.csv")
    assert _starts_a_build(cursor)[0]


def test_what_a_build_landed_itself_starts_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_DATA", str(tmp_path))
    _land(tmp_path, f"{ORDERS}/by-hand.csv")
    _, cursor = _starts_a_build(None)
    _land(tmp_path, f"{ORDERS}/database/2026-11-22T17-16-20.555783Z.parquet")
    assert _starts_a_build(cursor) == (False, cursor)
    _land(tmp_path, "landing/pos/receipt_lines/database/2026-11-22T17-16-20.555783Z.parquet")
    assert _starts_a_build(cursor) == (False, cursor)


def _graph(data: Path, **variables: str) -> dict[str, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", GRAPH],
        env=House(data).environment(**variables),
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_erp_is_read_before_its_tables_are_loaded(tmp_path: Path) -> None:
    graph = _graph(tmp_path, PERENNIAL_ERP_URL="postgresql://reader@127.0.0.1:1/erp")
    assert graph["landing/erp_database"] == ["meta/build"]
    for key, parents in graph.items():
        if key.startswith("raw/erp_"):
            assert parents == ["landing/erp_database"]
        elif key.startswith("raw/"):
            assert parents == ["meta/build"]


def test_what_an_erp_knows_of_its_tills_waits_for_the_read(tmp_path: Path) -> None:
    url = "postgresql://reader@127.0.0.1:1/erp"
    graph = _graph(tmp_path, PERENNIAL_ERP_URL=url, PERENNIAL_ERP_KIND="odoo")
    for key, parents in graph.items():
        if key.startswith("raw/"):
            is_read = key.startswith("raw/erp_") or key in READ_FROM_ODOO
            assert parents == ["landing/erp_database" if is_read else "meta/build"]
    assert set(graph) > READ_FROM_ODOO


def test_an_unknown_erp_is_told_by_the_read_and_loads_nothing_before(tmp_path: Path) -> None:
    url = "postgresql://reader@127.0.0.1:1/erp"
    graph = _graph(tmp_path, PERENNIAL_ERP_URL=url, PERENNIAL_ERP_KIND="abacus")
    assert graph["raw/erp_orders"] == ["landing/erp_database"]


def test_without_an_address_no_erp_is_in_the_graph(tmp_path: Path) -> None:
    assert "landing/erp_database" not in _graph(tmp_path)
