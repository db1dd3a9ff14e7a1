"""Alerts: a failed step, and so a closed gate, is told to the failure webhook."""

import dagster as dg
import httpx

from dagster_project.settings import load

TIMEOUT_SECONDS = 10.0


@dg.failure_hook(name="failure_alert")
def failure_alert(context: dg.HookContext) -> None:
    """Say which step of which run failed; nothing of the data leaves with it."""
    url = load().failure_webhook_url
    if url is None:
        return
    error = context.op_exception
    text = (
        f"Perennial: step {context.op.name} of run {context.run_id} failed"
        f" ({type(error).__name__}). Nothing was published. Open the run in the UI for the reason."
    )
    try:
        httpx.post(url.get_secret_value(), json={"text": text}, timeout=TIMEOUT_SECONDS)
    except httpx.HTTPError as failure:
        context.log.warning("The failure alert could not be sent: %s", type(failure).__name__)
