"""dbt run inside this process: the same `dbt build`, without starting dbt anew for each layer.

Importing and parsing costs a dbt process about 5 s a layer, more than building the demo's models.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from dagster_project.defs.transform.project import parsed, places, project, redacted
from dagster_project.errors import PerennialError

_logger = logging.getLogger(__name__)
_FINISHED = "NodeFinished"


@dataclass(frozen=True)
class NodeResult:
    """What became of one model, seed or test."""

    unique_id: str
    status: str
    seconds: float
    failed_count: int
    message: str

    @property
    def is_failure(self) -> bool:
        """Whether the layer may not stand."""
        return self.status in {"error", "fail", "runtime error"}


def build_nodes(
    *, select: Sequence[str], exclude: str, target_path: Path, on_node: Callable[[str, str], None]
) -> list[NodeResult]:
    """Build and test the selected nodes; report each as it ends, return them all in order.

    dbt keeps no connection when this returns. It writes no JSON about itself: three quarters of a
    second a layer, and the run's history is Dagster's.
    """
    runner = dbtRunner(manifest=_manifest(), callbacks=[_listener(on_node)])
    flags = ["--quiet", "--log-level", "none", "--log-level-file", "none"]
    target = ["--target-path", str(target_path)]
    try:
        outcome = runner.invoke(
            [
                *flags,
                "build",
                "--no-write-json",
                *places(project()),
                *target,
                "--select",
                *select,
                "--exclude",
                exclude,
            ]
        )
    finally:
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
    if outcome.exception is not None:
        raise PerennialError(f"dbt could not start: {redacted(str(outcome.exception))}")
    return [
        NodeResult(
            unique_id=result.node.unique_id,
            status=str(result.status),
            seconds=float(result.execution_time),
            failed_count=int(result.failures or 0),
            message=redacted(result.message or ""),
        )
        for result in outcome.result.results  # type: ignore[union-attr]
    ]


@cache
def _manifest() -> Manifest:
    """Read what dbt parsed; asking dbt to parse again costs seconds and gives the same."""
    manifest = Manifest.from_msgpack(parsed(project()).read_bytes())
    manifest.build_flat_graph()  # type: ignore[no-untyped-call]
    return manifest


def _listener(on_node: Callable[[str, str], None]) -> Callable[[Any], None]:
    def listen(event: Any) -> None:
        if event.info.name == _FINISHED:
            node: Mapping[str, Any] = event.data.node_info
            on_node(node.node_name, node.node_status)  # type: ignore[attr-defined]

    return listen
