"""Delivering: what a channel holds of an audience becomes what the published build says it should.

Whoever starts it (sensor, schedule, backfill, a person pressing Materialize), the gates of the very
build that is sent are asked again. It may be killed at any moment: the next delivery finds in the
ledger what is acknowledged and what is in doubt, and sends the rest.
"""

import logging
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from dagster_project import database
from dagster_project.channels.base import Channel
from dagster_project.errors import PerennialError
from dagster_project.publishing import ledger as ledger_file
from dagster_project.publishing import published as published_file
from dagster_project.publishing import records
from dagster_project.publishing.audience import AudienceSpec, read_audiences, require_audience
from dagster_project.publishing.bounds import breaches
from dagster_project.publishing.difference import Difference, plan
from dagster_project.publishing.erasure.notices import tell
from dagster_project.publishing.gates import GateClosedError
from dagster_project.publishing.published import PublishedBuild, closed_in_published, read_build
from dagster_project.publishing.records import Delivery
from dagster_project.publishing.report import DeliveryReport, DeliveryState, planned_by_operation
from dagster_project.publishing.sending import Outbox, Progress, Retries, Tally, carry_out

logger = logging.getLogger(__name__)


class WrongChannelError(PerennialError):
    """The audience isn't declared for that channel."""


@dataclass(frozen=True)
class _Terms:
    """On which terms a delivery is planned."""

    holdout_salt: str
    erasure_salt: str
    maximum_removal_share: float
    approve: bool
    dry_run: bool


@dataclass(frozen=True)
class _Plan:
    """What would be sent and whether it may be; `outbox` is None where nothing is to be sent."""

    delivery: Delivery
    difference: Difference
    state: DeliveryState
    reason: str | None
    is_approved: bool
    outbox: Outbox | None


def deliver(
    published: Path,
    ledger: Path,
    channel: Channel,
    audience: str,
    *,
    run_id: str,
    at: datetime,
    holdout_salt: str,
    erasure_salt: str | None = None,
    approve: bool = False,
    dry_run: bool = False,
    maximum_removal_share: float = 0.15,
    retries: Retries | None = None,
    progress: Progress | None = None,
) -> DeliveryReport:
    """Tell one channel what changed in one audience since it last acknowledged.

    Raises GateClosedError when the gates don't allow it, DatabaseLockedError while another delivery
    of the audience to the channel is under way. A plan beyond its bounds (STOPPED) and a channel
    that failed (FAILED) are reported, with everything that was acknowledged until then; see
    DeliveryReport.raise_unless_done. `erasure_salt` is the holdout's where it isn't given.
    """
    if not dry_run:
        channel.require_settings()
    terms = _Terms(
        holdout_salt=holdout_salt,
        erasure_salt=holdout_salt if erasure_salt is None else erasure_salt,
        maximum_removal_share=maximum_removal_share,
        approve=approve,
        dry_run=dry_run,
    )
    lock = ledger_file.lock_file(ledger, audience, channel.name)
    with database.exclusive(lock, what=f"A delivery of {audience} to {channel.name}"):
        if not dry_run:
            tell(ledger, channel, audience)
        with (
            ledger_file.opened(ledger) as connection,
            published_file.attached(connection, published),
        ):
            build, spec = _ask(connection, channel.name, audience)
            delivery = Delivery(uuid.uuid4().hex, run_id, build.run_id, audience, channel.name, at)
            made = _plan(connection, delivery, spec, terms, channel.batch_size)
        tally = Tally()
        state, reason = made.state, made.reason
        if made.outbox is not None:
            state, failure = carry_out(
                ledger, channel, made.outbox, tally, retries or Retries(), progress
            )
            reason = failure or reason
    report = _report(made, tally, state, reason, dry_run=dry_run)
    logger.info(
        "%s to %s: %s, %d planned, %d acknowledged, %d refused",
        audience, channel.name, state.value,
        made.difference.counts.planned, tally.acknowledged, report.refused_count,
    )  # fmt: skip
    return report


def _ask(
    connection: duckdb.DuckDBPyConnection, channel: str, audience: str
) -> tuple[PublishedBuild, AudienceSpec]:
    """Ask the gates of the attached build, and whether the audience may go to the channel."""
    build = read_build(connection)
    if closed := closed_in_published(connection):
        raise GateClosedError(closed, "Nothing was sent.")
    ledger_file.require_newest_build_open(connection, build)
    spec = require_audience(read_audiences(connection), audience)
    if channel not in spec.channels:
        raise WrongChannelError(
            f"The audience {audience} goes to {', '.join(spec.channels)}, not to {channel}. Add "
            "the channel to its meta in dbt/models/audiences/, then `perennial run`."
        )
    return build, spec


def _plan(
    connection: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    spec: AudienceSpec,
    terms: _Terms,
    batch_size: int | None,
) -> _Plan:
    """Plan, and write the plan to the ledger unless it is a dry run."""
    if not terms.dry_run:
        records.close_interrupted(connection, delivery.audience, delivery.channel)
    difference = plan(
        connection,
        spec,
        delivery.channel,
        holdout_salt=terms.holdout_salt,
        erasure_salt=terms.erasure_salt,
    )
    counts = difference.counts
    found = breaches(counts, maximum_removal_share=terms.maximum_removal_share)
    is_approved = terms.approve and bool(found)
    state = DeliveryState.STOPPED if found and not is_approved else DeliveryState.PLANNED
    reason = "; ".join(found) or None
    if is_approved:
        reason = f"Approved: {reason}"
    if terms.dry_run:
        return _Plan(delivery, difference, state, reason, is_approved, None)
    size = batch_size or max(1, counts.planned)
    records.write_plan(
        connection,
        delivery,
        counts,
        state=state,
        reason=reason,
        is_approved=is_approved,
        batch_size=size,
    )
    if state == DeliveryState.STOPPED:
        records.finish(connection, delivery, state, None, datetime.now(UTC))
        return _Plan(delivery, difference, state, reason, is_approved, None)
    outbox = Outbox(
        delivery,
        records.batch_ids(connection, delivery),
        # Read while this build is attached: the next one may be swapped in during the delivery.
        difference.records(connection),
        size,
    )
    return _Plan(delivery, difference, state, reason, is_approved, outbox)


def _report(
    made: _Plan, tally: Tally, state: DeliveryState, reason: str | None, *, dry_run: bool
) -> DeliveryReport:
    counts = made.difference.counts
    return DeliveryReport(
        delivery_id=made.delivery.delivery_id,
        run_id=made.delivery.run_id,
        build_id=made.delivery.build_id,
        audience=made.delivery.audience,
        channel=made.delivery.channel,
        state=state,
        started_at=made.delivery.started_at,
        finished_at=datetime.now(UTC),
        member_count=counts.member_count,
        eligible_count=counts.eligible_count,
        excluded=counts.excluded,
        held_before=counts.held_count,
        held_back=counts.held_back,
        planned=planned_by_operation(counts),
        sent_count=tally.sent,
        acknowledged_count=tally.acknowledged,
        refused=tally.refused,
        calls=tally.calls,
        reason=reason,
        is_approved=made.is_approved,
        is_dry_run=dry_run,
    )
