"""The demo's own parts: a receiver for the webhook channel, and what to look at next."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster_project.channels.receiver import LocalReceiver
from dagster_project.errors import PerennialError
from dagster_project.publishing.profile import show, telling_example
from dagster_project.reporting import write_report
from dagster_project.settings import Settings, environment


def require_empty(folder: Path) -> None:
    """Refuse to mix made-up shoppers with anything that is there."""
    if folder.exists() and any(folder.iterdir()):
        raise PerennialError(
            f"{folder} isn't empty, and a demo only writes into an empty data directory: delete it,"
            " or choose another with PERENNIAL_DATA=/some/folder."
        )


@contextmanager
def receiver() -> Iterator[LocalReceiver]:
    """Serve on this machine, while the block lasts, what a retailer's own service would be."""
    secret = secrets.token_hex(16)
    with (
        LocalReceiver(secret) as listening,
        environment(
            PERENNIAL_WEBHOOK_URL=listening.url,
            PERENNIAL_WEBHOOK_SECRET=secret,
            PERENNIAL_WEBHOOK_ALLOWED_HOSTS="127.0.0.1",
        ),
    ):
        yield listening


def draw_example(settings: Settings) -> Path:
    """Draw what joined the identifiers of one person, without their values; returns the file."""
    path = settings.data_dir / "identity.svg"
    if person := telling_example(settings.published):
        picture = show(settings.published, settings.ledger, person).picture()
        path.write_text(picture, encoding="utf-8")
    return path


def _report(settings: Settings) -> Path:
    """The report, once more: by now the channels hold something."""
    return write_report(settings.published, settings.ledger, settings.report).path


def closing_words(settings: Settings, received: LocalReceiver) -> str:
    """Say what the webhook received, where the results lie, and which three commands to try."""
    held = sum(map(len, received.members.values()))
    return "\n".join(
        [
            f"The webhook's receiver got {len(received.calls)} signed batches and holds {held:,} "
            f"memberships of {len(received.members)} audiences.",
            "",
            "Look at:",
            f"  {_report(settings)}: what customers are worth, who slows down; for a browser",
            f"  {settings.data_dir / 'channels' / 'file'}: what the file channel wrote",
            f"  {settings.published}: every mart and audience, for any DuckDB client",
            f"  {draw_example(settings)}: what made one of the people out of records, drawn",
            "",
            "Try next:",
            "  .venv/bin/perennial run                      again: nothing new, nothing to send",
            "  .venv/bin/perennial profile show IDENTIFIER  one person, by an e-mail for instance",
            "  make dev                                     the same runs in the Dagster UI",
        ]
    )
