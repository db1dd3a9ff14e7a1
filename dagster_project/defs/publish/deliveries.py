"""Deliveries: one asset for each audience and channel that its definition names."""

from datetime import UTC, datetime

import dagster as dg

from dagster_project.channels.base import find
from dagster_project.defs.failures import in_one_line
from dagster_project.defs.publish.audiences import audience_specs
from dagster_project.defs.publish.published import PUBLISHED
from dagster_project.publishing.audience import AudienceSpec
from dagster_project.publishing.deliver import deliver
from dagster_project.publishing.report import DeliveryReport
from dagster_project.settings import load

STAGE = "channels"


class DeliveryConfig(dg.Config):
    """What a person may decide about one delivery."""

    approve: bool = False


def delivery(audience: AudienceSpec, channel: str) -> dg.AssetsDefinition:
    """Make the asset that delivers one audience to one channel."""

    @dg.asset(
        key=[STAGE, channel, audience.name],
        deps=[PUBLISHED],
        group_name=STAGE,
        kinds={channel},
        owners=["team:crm"],
        description=f"{audience.name} at {find(channel).title}: what the tool has acknowledged. "
        f"{audience.description} Grain: one row a member.",
        metadata={
            "consent": f"{audience.consent_channel}, {audience.consent_purpose}",
            "holdout": audience.holdout,
            "schedule": audience.schedule,
            "owner": audience.owner,
        },
    )
    @in_one_line()
    def send(context: dg.AssetExecutionContext, config: DeliveryConfig) -> dg.MaterializeResult:
        settings = load()
        settings.require_present()
        tool = settings.open_channel(find(channel))
        try:
            report = deliver(
                settings.published,
                settings.ledger,
                tool,
                audience.name,
                run_id=context.run.run_id,
                at=datetime.now(UTC),
                approve=config.approve,
                holdout_salt=settings.holdout_salt.get_secret_value(),
                maximum_removal_share=settings.maximum_removal_share,
            )
        finally:
            tool.close()
        report.raise_unless_done()
        return dg.MaterializeResult(metadata=_metadata(report))

    return send


def _metadata(report: DeliveryReport) -> dict[str, dg.MetadataValue]:
    """Say what was planned, sent and answered, in counts."""
    numbers = {
        "members": report.member_count,
        "eligible": report.eligible_count,
        "held by the channel before": report.held_before,
        "sent": report.sent_count,
        "acknowledged": report.acknowledged_count,
        "refused": report.refused_count,
        "calls": report.calls,
    }
    tables = {
        "planned": report.planned,
        "left out by reason": report.excluded,
        "refused by reason": report.refused,
    }
    return (
        {name: dg.MetadataValue.int(number) for name, number in numbers.items()}
        | {name: dg.MetadataValue.json(dict(counts)) for name, counts in tables.items()}
        | {"build": dg.MetadataValue.text(report.build_id)}
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Every audience at every channel that it names."""
    return dg.Definitions(
        assets=[delivery(spec, channel) for spec in audience_specs() for channel in spec.channels]
    )
