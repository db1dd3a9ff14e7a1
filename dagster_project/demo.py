"""The demo's own parts: a receiver for the webhook channel, and what to look at next."""

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from dagster_project.channels.webhook import sign
from dagster_project.errors import PerennialError
from dagster_project.settings import Settings, environment

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Received:
    """What the demo's receiver took: one line a batch, in `file`."""

    file: Path


def require_empty(folder: Path) -> None:
    """Refuse to mix made-up shoppers with anything that is there."""
    if folder.exists() and any(folder.iterdir()):
        raise PerennialError(
            f"{folder} isn't empty, and a demo only writes into an empty data directory: delete it,"
            " or choose another with PERENNIAL_DATA=/some/folder."
        )


@contextmanager
def receiver(settings: Settings) -> Iterator[Received]:
    """Serve on loopback, for as long as the block lasts, what a retailer's own service would be.

    It believes a batch only with a good signature, and acknowledges what it has written down.
    """
    secret = secrets.token_hex(16)
    received = Received(settings.data_dir / "channels" / "webhook" / "received.ndjson")
    received.file.parent.mkdir(parents=True, exist_ok=True)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            signed = sign(secret, self.headers["X-Perennial-Timestamp"], body)
            if not secrets.compare_digest(signed, self.headers["X-Perennial-Signature"]):
                self.send_error(401)
                return
            batch = json.loads(body)
            with received.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(batch, ensure_ascii=False) + "\n")
            answer = json.dumps({"accepted": len(batch["records"])}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing: the ledger says it."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with environment(
            PERENNIAL_WEBHOOK_URL=f"http://{LOOPBACK}:{server.server_port}/audiences",
            PERENNIAL_WEBHOOK_SECRET=secret,
            PERENNIAL_WEBHOOK_ALLOWED_HOSTS=LOOPBACK,
        ):
            yield received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def next_steps(settings: Settings, received: Received) -> str:
    """Say where the results lie and which three commands to try."""
    return "\n".join(
        [
            "Look at:",
            f"  {settings.data_dir / 'channels' / 'file'}  what the file channel wrote",
            f"  {received.file}  what the webhook received",
            f"  {settings.published}  every mart and audience, for any DuckDB client",
            "",
            "Try next:",
            "  make dev                                     the same run in the Dagster UI",
            "  .venv/bin/perennial profile show IDENTIFIER  one person, by an e-mail for instance",
            "  .venv/bin/perennial run                      again: nothing new, nothing sent",
        ]
    )
