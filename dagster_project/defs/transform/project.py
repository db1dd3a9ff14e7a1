"""The dbt project as Dagster sees it: its manifest, layer by layer."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtProject

from dagster_project import database
from dagster_project.errors import PerennialError
from dagster_project.publishing.gates import GateKey
from dagster_project.settings import PROJECT_ROOT, load

# Not plain target/: relation names hold the name of the warehouse that dbt was parsed for, and an
# analyst or a linter may parse for another one.
TARGET = Path("target") / "perennial"
CRITICAL: Literal["critical"] = "critical"
WARNING: Literal["warning"] = "warning"
LAYERS = ("staging", "intermediate", "marts", "audiences")
Severity = Literal["critical", "warning"]
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_PARSED_FROM = ("models", "macros", "seeds", "tests", "dbt_project.yml", "profiles.yml")


@cache
def project() -> DbtProject:
    """Return the dbt project with a manifest that is as new as its files.

    Parsing takes seconds, so it is done only when a file of the project changed.
    """
    load().export()
    found = DbtProject(project_dir=PROJECT_ROOT / "dbt", target_path=TARGET)
    if _is_stale(found):
        lock = found.project_dir / TARGET / ".parse.lock"
        with database.exclusive(lock, what="Parsing the dbt project", wait_seconds=120):
            if _is_stale(found):
                _parse(found)
    return found


def parsed(found: DbtProject) -> Path:
    """Return dbt's own form of the parsed project."""
    return found.manifest_path.with_name("partial_parse.msgpack")


def places(found: DbtProject) -> list[str]:
    """Return the flags that tell dbt where its project is."""
    return ["--project-dir", str(found.project_dir), "--profiles-dir", str(found.project_dir)]


def redacted(message: str) -> str:
    """Keep the first telling line without quoted values: DuckDB quotes the row that failed."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    is_heading = len(lines) > 1 and lines[0].startswith(("Runtime Error", "Compilation Error"))
    return _QUOTED.sub("'…'", lines[is_heading] if lines else "")[:300]


def _parse(found: DbtProject) -> None:
    from dbt.cli.main import dbtRunner  # seconds to import, and seldom needed here

    flags = ["--quiet", "--log-level", "none", "--log-level-file", "none"]
    target = ["--target-path", str(found.manifest_path.parent)]
    outcome = dbtRunner().invoke([*flags, "parse", *places(found), *target])
    if not outcome.success:
        raise PerennialError(
            f"The dbt project can't be parsed: {redacted(str(outcome.exception))}. "
            "`dbt parse` in dbt/ shows where."
        )
    # What a change left as it was, dbt doesn't write again.
    for result in (found.manifest_path, parsed(found)):
        result.touch()


@cache
def manifest() -> Mapping[str, Any]:
    """Return the parsed manifest."""
    content: Mapping[str, Any] = json.loads(project().manifest_path.read_text())
    return content


def _is_stale(found: DbtProject) -> bool:
    if not found.manifest_path.exists() or not parsed(found).exists():
        return True
    parsed_at = min(found.manifest_path.stat().st_mtime, parsed(found).stat().st_mtime)
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

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> Sequence[str]:
        """Return the owner that an audience names; models are the analysts'."""
        declared = dbt_resource_props["config"].get("meta", {}).get("perennial", {})
        return [f"team:{declared.get('audience', {}).get('owner', 'analytics')}"]


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
        tested = _tested(node) if node["resource_type"] == "test" else None
        if tested is not None:
            warns = node["config"]["severity"].lower() == "warn"
            key = dg.AssetCheckKey(asset_key(tested), node["name"])
            found[unique_id] = (key, WARNING if warns else CRITICAL)
    return found


def _tested(test: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the model, seed or source that dagster-dbt makes the test a check of."""
    parents = test["depends_on"]["nodes"]
    named = test["config"]["meta"].get("dagster", {}).get("ref", {}).get("name")
    attached = parents[0] if len(parents) == 1 else test.get("attached_node")
    nodes = manifest()["nodes"] | manifest()["sources"]
    if named:
        return next((node for node in nodes.values() if node["name"] == named), None)
    return nodes.get(attached)


def gate_key(check: dg.AssetCheckKey) -> GateKey:
    """Return the name that `meta.gates` knows an asset check by."""
    return GateKey(asset=check.asset_key.to_user_string(), check_name=check.name)


@cache
def audiences() -> Mapping[str, Mapping[str, Any]]:
    """Return the model of each audience by name."""
    return {node["name"]: node for node in nodes("audiences").values()}
