"""What has to have been asked before anything is published."""

from dagster_project.defs.ingest import checks
from dagster_project.defs.quality.gates import gated_tables
from dagster_project.defs.transform import measures, project
from dagster_project.publishing.gates import GateKey
from expectations.runner import expected


def expected_gates() -> frozenset[GateKey]:
    """Return every critical check of a build: Great Expectations, dbt, the loader's, identity's."""
    tables = gated_tables()
    return frozenset(
        {GateKey(*key) for stage, names in tables.items() for key in expected(stage, names)}
        | {
            project.gate_key(key)
            for key, severity in project.checks().values()
            if severity == project.CRITICAL
        }
        | {GateKey(f"raw/{table}", check) for table in tables["raw"] for check in checks.CRITICAL}
        | {GateKey(measures.ASSET, name) for name, _ in measures.CHECKS.values()}
    )
