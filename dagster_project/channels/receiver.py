"""A receiver for the webhook channel, on this machine: to try it, and to build one's own by.

It checks the signature, carries a batch out once whatever happens to its answer, and keeps in
memory who is in each audience. Nothing is written and nothing leaves the machine.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from dagster_project.channels.webhook import sign

# A signature is good for five minutes: long enough for clocks that differ, too short for a replay.
_TOLERANCE_SECONDS = 300


@dataclass(frozen=True)
class Call:
    """One request as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What to answer; `hang_up` closes the connection instead."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_seconds: float = 0.0
    hang_up: bool = False

    @classmethod
    def of(cls, content: object, status: int = 200) -> "Answer":
        """Answer with JSON."""
        return cls(status, json.dumps(content).encode(), {"Content-Type": "application/json"})


# Called with the request and what would be answered; what it returns is answered instead.
Behaviour = Callable[[Call, Answer], Answer]


class LocalReceiver:
    """Listens on 127.0.0.1 for its `with` block; `members` holds profile ids by audience."""

    def __init__(self, secret: str, *, behaviour: Behaviour | None = None, port: int = 0) -> None:
        self._secret = secret
        self._behaviour = behaviour
        self._lock = threading.Lock()
        self._answered: dict[str, Answer] = {}
        self.members: dict[str, set[str]] = {}
        self.calls: list[Call] = []
        self.applied_records = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Where batches are posted to."""
        return f"http://127.0.0.1:{self._server.server_port}/batches"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, call: Call) -> Answer:
        """Carry out one request and say what to answer."""
        with self._lock:
            self.calls.append(call)
            if not self._is_signed(call):
                answer = Answer.of({"error": "the signature isn't right"}, 401)
            else:
                answer = self._apply(call)
        return self._behaviour(call, answer) if self._behaviour else answer

    def _is_signed(self, call: Call) -> bool:
        timestamp = call.headers.get("x-perennial-timestamp", "")
        if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > _TOLERANCE_SECONDS:
            return False
        given = call.headers.get("x-perennial-signature", "")
        return compare_digest(given, sign(self._secret, timestamp, call.body))

    def _apply(self, call: Call) -> Answer:
        """Carry a batch out, or repeat its answer when its key was seen before."""
        key = call.headers.get("idempotency-key", "")
        body: dict[str, Any] = json.loads(call.body)
        records = body["records"]
        if not records:
            return Answer.of({"accepted": 0})
        if key not in self._answered:
            members = self.members.setdefault(body["audience"], set())
            for record in records:
                if record["operation"] in {"add", "update"}:
                    members.add(record["profile_id"])
                else:
                    members.discard(record["profile_id"])
            self.applied_records += len(records)
            self._answered[key] = Answer.of({"accepted": len(records)})
        return self._answered[key]


def _handler(receiver: LocalReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # the name that http.server calls
            length = int(self.headers.get("Content-Length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = receiver.answer(Call(self.path, headers, self.rfile.read(length)))
            time.sleep(answer.wait_seconds)
            if answer.hang_up:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing: requests hold personal data."""

    return Handler
