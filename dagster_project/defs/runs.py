"""Runs started from the terminal: the same jobs as in the UI, executed in this process."""

import os
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterEvent, DagsterInstance, EventLogEntry

from dagster_project import database
from dagster_project.settings import Settings

INSTANCE_CONFIG = Path(__file__).with_name("dagster.yaml")
PROCESS_TAG = "perennial/process"
_START_SECONDS = 60.0
# Events are shown by `on_event`; Dagster's own console log would say them again.
_SILENT = {"console": {"config": {"log_level": "CRITICAL"}}}


@dataclass(frozen=True)
class RunResult:
    """One run: whether it ended well, and for each failed step its first error line."""

    run_id: str
    success: bool
    failures: Mapping[str, str]


def prepare_instance(settings: Settings) -> None:
    """Make the Dagster home of the data directory, with this project's configuration."""
    settings.export()
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    config = settings.dagster_home / "dagster.yaml"
    told = INSTANCE_CONFIG.read_bytes()
    # Of commands started at once the first one makes the databases: Dagster doesn't expect two.
    lock = settings.dagster_home / ".prepare.lock"
    with database.exclusive(lock, what="The start of another command", wait_seconds=_START_SECONDS):
        if not (config.exists() and config.read_bytes() == told):
            config.write_bytes(told)
        with DagsterInstance.get() as instance:
            _end_killed_runs(instance)


def execute(
    job: str,
    settings: Settings,
    *,
    config: Mapping[str, Any] | None = None,
    select: Sequence[Sequence[str]] | None = None,
    on_event: Callable[[DagsterEvent], None] | None = None,
) -> RunResult:
    """Run a job in this process; its history shows in the UI like any other run's.

    `config` is the run's op configuration, `select` the keys of the assets to materialise (all of
    the job's where None), `on_event` is told of every event as it happens.
    """
    prepare_instance(settings)
    from dagster_project.definitions import defs  # needs the environment that was just prepared

    run_id = str(uuid.uuid4())
    failures: dict[str, str] = {}

    def listen(entry: EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None:
            return
        if event.is_step_failure and event.step_key:
            failures[event.step_key] = _reason(event.step_failure_data.error)
        elif event.is_resource_init_failure:
            failures[job] = _reason(event.engine_event_data.error)
        if on_event:
            on_event(event)

    with DagsterInstance.get() as instance:
        instance.add_event_listener(run_id, listen)
        outcome = (
            defs()
            .resolve_job_def(job)
            .execute_in_process(
                run_config={"ops": config or {}, "loggers": _SILENT},
                instance=instance,
                asset_selection=[dg.AssetKey(key) for key in select] if select else None,
                raise_on_error=False,
                run_id=run_id,
                tags={PROCESS_TAG: str(os.getpid())},
            )
        )
    return RunResult(run_id=run_id, success=outcome.success, failures=failures)


def _end_killed_runs(instance: DagsterInstance) -> None:
    """Say of runs whose process is gone that they failed: Dagster takes them to be under way.

    One that stays "started" would keep builds from the UI queued behind it for ever.
    """
    started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    for run in instance.get_runs(filters=started):
        process = run.tags.get(PROCESS_TAG)
        if process and not _is_alive(int(process)):
            instance.report_run_failed(run, "Its process was killed; the next run completes it.")


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _reason(error: Any) -> str:
    """Return the first line of the error that was raised, without Dagster's wrapping."""
    while error and error.cause and (error.cls_name or "").startswith("Dagster"):
        error = error.cause
    lines = error.message.strip().splitlines() if error else []
    return re.sub(r"^[\w.]+(Error|Exception|Failure): ", "", lines[0]) if lines else "failed"
