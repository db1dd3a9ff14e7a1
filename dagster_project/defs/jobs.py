"""Jobs, and what starts them: landed files, a published build, the clock."""

import hashlib

import dagster as dg

import sources
from dagster_project.channels.base import find
from dagster_project.defs.publish.alerts import failure_alert
from dagster_project.defs.publish.audiences import audience_specs
from dagster_project.defs.publish.deliveries import STAGE
from dagster_project.defs.publish.published import PUBLISHED
from dagster_project.defs.resources import BUILD_TAG
from dagster_project.publishing.audience import BY_HAND, ON_EACH_BUILD, AudienceSpec
from dagster_project.settings import load
from sources.contract import SourceError
from sources.loader.landing import landed_files, require_landing
from sources.loader.store import COLLECTED, Store

build_job = dg.define_asset_job(
    "build",
    selection=dg.AssetSelection.all() - dg.AssetSelection.groups(STAGE),
    description="Landing to published: every stage and every gate, in one run.",
    tags=BUILD_TAG,
    hooks={failure_alert},
)
delivery_job = dg.define_asset_job(
    "deliver",
    selection=dg.AssetSelection.groups(STAGE),
    description="The published audiences to their channels, each as a difference.",
    hooks={failure_alert},
)


def _landing_fingerprint() -> str | None:
    """Return a hash of what has landed by name, size and time; None when nothing has.

    What a build itself lands doesn't count: an ERP at work would start one build after the other.
    """
    store = Store(load().data_dir, load().objects_url)
    try:
        require_landing(store)
    except SourceError:
        return None
    seen = hashlib.sha256()
    for table in sources.tables():
        own = f"{table.source}/{table.name}/{COLLECTED}/"
        for file in landed_files(store, table):
            if not file.name.startswith(own):
                seen.update(f"{file.name}|{file.state}\n".encode())
    return seen.hexdigest()


@dg.sensor(
    job=build_job,
    minimum_interval_seconds=60,
    description="Starts a build when files have landed since the last one it started.",
)
def landing_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Compare what lies in the landing zone with what lay there at the last start."""
    fingerprint = _landing_fingerprint()
    if fingerprint is None:
        return dg.SkipReason("Nothing has landed yet.")
    if fingerprint == context.cursor:
        return dg.SkipReason("No file has landed since the last build.")
    return dg.SensorResult(
        # No run key: the same files may rightly be built again after others came and went.
        run_requests=[dg.RunRequest()],
        cursor=fingerprint,
    )


def _deliveries(spec: AudienceSpec) -> list[dg.AssetKey]:
    """Return the deliveries of an audience to the channels that are set up."""
    settings = load()
    return [
        dg.AssetKey([STAGE, channel, spec.name])
        for channel in spec.channels
        if not settings.open_channel(find(channel)).missing()
    ]


@dg.asset_sensor(
    asset_key=PUBLISHED,
    job=delivery_job,
    minimum_interval_seconds=30,
    description="Starts the deliveries when a build was published, which it only is when all its "
    "gates passed. Each delivery asks the gates again.",
)
def publish_sensor(
    context: dg.SensorEvaluationContext,  # noqa: ARG001 - dagster passes both
    asset_event: dg.EventLogEntry,
) -> dg.RunRequest:
    """Deliver each newly published build once."""
    on_each_build = [spec for spec in audience_specs() if spec.schedule == ON_EACH_BUILD]
    return dg.RunRequest(
        run_key=asset_event.run_id,
        asset_selection=[key for spec in on_each_build for key in _deliveries(spec)],
    )


daily_build = dg.ScheduleDefinition(
    name="daily_build",
    job=build_job,
    cron_schedule=load().build_schedule,
    execution_timezone=load().timezone,
    description="A build a day, also when nothing landed: people move between stages by waiting.",
)


def _delivery_schedule(spec: AudienceSpec) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=f"deliver_{spec.name}",
        target=dg.AssetSelection.assets(*(["channels", c, spec.name] for c in spec.channels)),
        cron_schedule=spec.schedule,
        execution_timezone=load().timezone,
        description=f"Delivers {spec.name} when its definition says.",
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Jobs, sensors and schedules."""
    return dg.Definitions(
        jobs=[build_job, delivery_job],
        sensors=[landing_sensor, publish_sensor],
        schedules=[
            daily_build,
            *(
                _delivery_schedule(spec)
                for spec in audience_specs()
                if spec.schedule not in {ON_EACH_BUILD, BY_HAND}
            ),
        ],
    )
