"""What a delivery did, in numbers: no profile, no value, nothing personal."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from dagster_project.errors import PerennialError
from dagster_project.publishing.difference import PlanCounts


class DeliveryState(StrEnum):
    """How a delivery ended."""

    PLANNED = "planned"  # a dry run: it would have been sent
    STOPPED = "stopped"  # it asks to be approved; nothing was sent
    SENDING = "sending"
    DONE = "done"
    FAILED = "failed"


class DeliveryStoppedError(PerennialError):
    """A plan goes beyond its bounds: nothing was sent, somebody must approve it."""


class DeliveryFailedError(PerennialError):
    """The channel couldn't be told everything; the next delivery sends what is missing."""


@dataclass(frozen=True)
class DeliveryReport:
    """One delivery of one audience to one channel.

    eligible_count + excluded = member_count. `held_back` were refused before, with what would be
    sent again. `reason` says why a delivery stopped or failed, or what was approved.
    """

    delivery_id: str
    run_id: str
    build_id: str
    audience: str
    channel: str
    state: DeliveryState
    started_at: datetime
    finished_at: datetime
    member_count: int
    eligible_count: int
    excluded: Mapping[str, int]
    held_before: int
    held_back: int
    planned: Mapping[str, int]
    sent_count: int = 0
    acknowledged_count: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    calls: int = 0
    reason: str | None = None
    is_approved: bool = False
    is_dry_run: bool = False

    @property
    def refused_count(self) -> int:
        """How many records the channel refused, for whichever reason."""
        return sum(self.refused.values())

    def raise_unless_done(self) -> None:
        """Raise DeliveryStoppedError or DeliveryFailedError when not everything was carried out."""
        if self.state == DeliveryState.STOPPED:
            raise DeliveryStoppedError(
                f"{self.audience} to {self.channel}: {self.reason}. Nothing was sent. If it is "
                f"meant: perennial publish --audience {self.audience} --channel {self.channel} "
                "--approve"
            )
        if self.state == DeliveryState.FAILED:
            raise DeliveryFailedError(
                f"{self.audience} to {self.channel}: {self.reason} "
                f"{self.acknowledged_count} of {sum(self.planned.values())} records were "
                "acknowledged; the next delivery sends the rest."
            )

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        times = {
            "started_at": self.started_at.isoformat(),
            "finished_at": self.finished_at.isoformat(),
        }
        return (
            asdict(self) | times | {"state": self.state.value, "refused_count": self.refused_count}
        )


def planned_by_operation(counts: PlanCounts) -> dict[str, int]:
    """Return what is planned, by operation."""
    return {"add": counts.adds, "update": counts.updates, "remove": counts.removals}
