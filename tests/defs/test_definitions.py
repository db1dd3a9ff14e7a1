"""What an operator sees in the UI: every stage there, named alike, and data flowing one way."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import sources
from dagster_project.definitions import defs
from dagster_project.defs.resources import Warehouse
from dagster_project.errors import PerennialError
from expectations.runner import suites

ROAD = (
    "meta",
    "raw",
    "staging",
    "identity",
    "intermediate",
    "calendar",
    "prediction",
    "marts",
    "audiences",
    "published",
    "channels",
)
DOUBLE_BAR = ROAD.index("published")


@pytest.fixture(scope="module")
def house() -> dg.Definitions:
    loaded = defs()
    dg.Definitions.validate_loadable(loaded)
    return loaded


@pytest.fixture(scope="module")
def graph(house: dg.Definitions) -> Any:
    return house.resolve_asset_graph()


def _position(key: dg.AssetKey) -> int:
    return ROAD.index(key.path[0])


def test_data_moves_one_way(graph: Any) -> None:
    for key in graph.get_all_asset_keys():
        for parent in graph.get(key).parent_keys:
            assert _position(parent) <= _position(key), f"{key} reads {parent}"


def test_nothing_behind_the_bar_reads_anything_before_it(graph: Any) -> None:
    for key in graph.get_all_asset_keys():
        if _position(key) > DOUBLE_BAR:
            parents = graph.get(key).parent_keys
            assert parents
            assert all(_position(parent) >= DOUBLE_BAR for parent in parents), key


def test_every_asset_says_what_it_is_and_whose(graph: Any) -> None:
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        if node.is_external:
            continue
        assert node.description, key
        assert node.group_name in {"raw", *ROAD}, key
        assert node.owners, key
        assert node.kinds, key


def test_the_group_of_an_asset_is_its_stage(graph: Any) -> None:
    for key in graph.get_all_asset_keys():
        stage = "raw" if key.path[0] == "meta" else key.path[0]
        assert graph.get(key).group_name == stage, key


def test_nothing_is_read_that_nothing_makes(graph: Any) -> None:
    assert [key for key in graph.get_all_asset_keys() if graph.get(key).is_external] == []


def test_every_source_table_is_an_asset(graph: Any) -> None:
    found = {key.path[1] for key in graph.get_all_asset_keys() if key.path[0] == "raw"}
    assert found == {table.full_name for table in sources.tables()}


def test_every_gate_is_a_blocking_check(graph: Any) -> None:
    blocking = {
        check.asset_key.to_user_string()
        for check in graph.asset_check_keys
        if check.name == "expectations" and graph.get(check).blocking
    }
    assert blocking >= {suite.asset for suite in suites()}


def test_every_audience_has_a_delivery_to_each_of_its_channels(graph: Any) -> None:
    audiences = {key.path[1] for key in graph.get_all_asset_keys() if key.path[0] == "audiences"}
    delivered = {key.path[2] for key in graph.get_all_asset_keys() if key.path[0] == "channels"}
    assert audiences == delivered
    assert audiences


def test_the_build_job_ends_with_the_published_file_and_sends_nothing(
    house: dg.Definitions,
) -> None:
    keys = house.resolve_job_def("build").asset_layer.executable_asset_keys
    assert dg.AssetKey(["published", "build"]) in keys
    assert not [key for key in keys if key.path[0] == "channels"]


def test_what_a_person_can_mend_ends_a_step_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_DATA", str(tmp_path))
    (tmp_path / "warehouse.duckdb").write_bytes(b"half a file")
    with pytest.raises(dg.Failure, match="can't be opened"), Warehouse().connect():
        pass
    (tmp_path / "warehouse.duckdb").unlink()
    with pytest.raises(dg.Failure, match="by whom"), Warehouse().connect():
        raise PerennialError("by whom it can be mended")
