"""What gates said, kept where publishing asks for it again."""

from collections.abc import Sequence
from datetime import UTC, datetime

from dagster_project.defs.resources import Warehouse
from dagster_project.publishing import gates, ledger


def keep(warehouse: Warehouse, outcomes: Sequence[gates.GateOutcome], *, run_id: str) -> None:
    """Write outcomes into `meta.gates`; a closed gate also stops deliveries of older builds."""
    now = datetime.now(UTC)
    with warehouse.connect() as connection:
        gates.record(connection, outcomes, run_id=run_id, checked_at=now)
    closed = [
        f"{outcome.asset} · {outcome.check_name}"
        for outcome in outcomes
        if outcome.severity == "critical" and not outcome.passed
    ]
    if closed:
        ledger.record_build(
            warehouse.settings.ledger, run_id=run_id, outcome="closed", closed_gates=closed, at=now
        )
