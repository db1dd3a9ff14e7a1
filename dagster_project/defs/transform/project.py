"""The dbt project as Dagster sees it: its manifest, layer by layer."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtProject
from dagster_dbt.asset_utils import get_asset_check_key_for_test

from dagster_project import database
from dagster_project.publishing.gates import GateKey
from dagster_project.settings import PROJECT_ROOT, load

CRITICAL: Literal["critical"] = "critical"
WARNING: Literal["warning"] = "warning"
LAYERS = ("staging", "intermediate", "marts", "audiences")
Severity = Literal["critical", "warning"]
_PARSED_FROM = ("models", "macros", "seeds", "tests", "dbt_project.yml", "profiles.yml")


@cache
def project() -> DbtProject:
    """Return the dbt project with a manifest that is as new as its files.

    Parsing takes seconds, so it is done only when a file of the project changed.
    """
    load().export()
    found = DbtProject(project_dir=PROJECT_ROOT / "dbt")
    if _is_stale(found):
        lock = found.project_dir / "target" / ".parse.lock"
        with database.exclusive(lock, what="Parsing the dbt project", wait_seconds=120):
            if _is_stale(found):
                found.preparer.prepare(found)
    return found


@cache
def manifest() -> Mapping[str, Any]:
    """Return the parsed manifest."""
    content: Mapping[str, Any] = json.loads(project().manifest_path.read_text())
    return content


def _is_stale(found: DbtProject) -> bool:
    if not found.manifest_path.exists():
        return True
    parsed_at = found.manifest_path.stat().st_mtime
    roots = [found.project_dir / name for name in _PARSED_FROM]
    files = [path for root in roots for path in (root, *root.rglob("*")) if path.exists()]
    return any(path.stat().st_mtime > parsed_at for path in files)


class StageTranslator(DagsterDbtTranslator):
    """Names a dbt node `<stage>/<name>`, as its folder and schema are named."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Return the stage and the name; a source's stage is its schema."""
        if dbt_resource_props["resource_type"] == "source":
            return dg.AssetKey([dbt_resource_props["source_name"], dbt_resource_props["name"]])
        return dg.AssetKey([stage_of(dbt_resource_props), dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Return the stage."""
        return stage_of(dbt_resource_props)


def asset_key(node: Mapping[str, Any]) -> dg.AssetKey:
    """Return the asset key of a model or seed."""
    return StageTranslator().get_asset_key(node)


@cache
def nodes(stage: str) -> Mapping[dg.AssetKey, Mapping[str, Any]]:
    """Return the models and seeds of a stage by asset key."""
    return {
        asset_key(node): node
        for node in manifest()["nodes"].values()
        if node["resource_type"] in {"model", "seed"} and stage_of(node) == stage
    }


def stage_of(node: Mapping[str, Any]) -> str:
    """Return the stage that a model or seed belongs to: its folder."""
    return str(node["fqn"][1])


@cache
def checks() -> Mapping[str, tuple[dg.AssetCheckKey, Severity]]:
    """Return for each data test of the project its asset check and its severity."""
    found: dict[str, tuple[dg.AssetCheckKey, Severity]] = {}
    for unique_id, node in manifest()["nodes"].items():
        key = get_asset_check_key_for_test(manifest(), StageTranslator(), unique_id, None)
        if key is not None:
            warns = node["config"]["severity"].lower() == "warn"
            found[unique_id] = (key, WARNING if warns else CRITICAL)
    return found


def gate_key(check: dg.AssetCheckKey) -> GateKey:
    """Return the name that `meta.gates` knows an asset check by."""
    return GateKey(asset=check.asset_key.to_user_string(), check_name=check.name)


@cache
def audiences() -> Mapping[str, Mapping[str, Any]]:
    """Return the model of each audience by name."""
    return {node["name"]: node for node in nodes("audiences").values()}
