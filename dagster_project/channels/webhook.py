"""The channel `webhook`: signed JSON batches to an address of the retailer's own.

A batch is a POST of
    {"version": 1, "audience", "build_id", "batch_id", "sequence", "batch_count", "sent_at",
     "records": [{"operation": "add" | "update" | "remove" | "erase", "profile_id",
                  "attributes": {...} or null}]}
with the headers
    Idempotency-Key: the batch_id, the same whenever the same batch is sent again;
    X-Perennial-Timestamp: seconds since 1970, at sending;
    X-Perennial-Signature: v1=HMAC-SHA256(secret, timestamp + "." + body) in hexadecimal.

Only an explicit answer acknowledges: HTTP 200 with {"accepted": N}, N being every record of the
batch, or with {"results": [{"profile_id", "status": "accepted" | "refused", "reason"}]}. A record
that the results leave out is not acknowledged. Any other body is no answer, and the batch is sent
again.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from dagster_project.channels.base import (
    Answers,
    Batch,
    Channel,
    CheckResult,
    FatalError,
    Limits,
    RetriableError,
)
from dagster_project.channels.http import HttpClient, Reply
from dagster_project.channels.normalise import json_texts
from dagster_project.errors import PerennialError

# Operations that name a person and say nothing else of them.
_BARE = frozenset({"remove", "erase"})
_ACCEPTED_WORDS = frozenset({"accepted", "acknowledged", "ok"})


def _split(value: object) -> object:
    return (
        tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value
    )


def _unset(value: object) -> object:
    return None if value == "" else value


class WebhookSettings(BaseModel):
    """Where the batches go, and what they are signed with."""

    url: Annotated[SecretStr | None, BeforeValidator(_unset)] = Field(
        default=None,
        description="Address that takes the batches; https, unless its host is allowed.",
    )
    secret: Annotated[SecretStr | None, BeforeValidator(_unset)] = Field(
        default=None, description="Key that batches are signed with; the receiver has the same."
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=(),
        description="Hosts, with commas, that may be on a private network or without TLS.",
    )
    batch_size: int = Field(default=500, ge=1, le=10_000, description="Records in one call.")
    timeout_seconds: float = Field(default=30.0, gt=0, le=600, description="Longest wait a call.")
    ca_file: Annotated[Path | None, BeforeValidator(_unset)] = Field(
        default=None, description="Certificate authority of a private receiver, as a PEM file."
    )


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Signature of a batch, as the header X-Perennial-Signature carries it."""
    message = timestamp.encode() + b"." + body
    return "v1=" + hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


class WebhookChannel(Channel):
    """Sends signed JSON batches and reads the answer for each record."""

    name = "webhook"
    title = "Webhook"
    description = "Signed JSON batches over HTTPS to an address of your own."
    limits = Limits(batch_size=10_000)
    Settings = WebhookSettings

    def configure(self, settings: WebhookSettings) -> None:
        """Keep the settings; the connection is made with the first call."""
        self._settings = settings
        self._client: HttpClient | None = None
        self._clock: Callable[[], float] = time.time

    @property
    def batch_size(self) -> int:
        """How many records one call takes here."""
        return self._settings.batch_size

    def missing(self) -> tuple[str, ...]:
        """The address and the key have no default."""
        return tuple(n for n in ("url", "secret") if not getattr(self._settings, n))

    def check(self) -> CheckResult:
        """Send a signed batch without records; a receiver with the same key accepts its 0."""
        self.require_settings()
        try:
            reply = self._post("check", b'{"version":1,"check":true,"records":[]}')
            accepted = _body(reply).get("accepted")
        except PerennialError as error:
            return CheckResult(False, str(error))
        if accepted != 0:
            return CheckResult(False, 'The receiver should answer {"accepted": 0} to a check.')
        return CheckResult(True, "The receiver takes signed batches.")

    def apply(self, batch: Batch) -> Answers:
        """Send one batch and read the receiver's answer for each record."""
        self.require_settings()
        body = _body(self._post(batch.batch_id, self._render(batch)))
        if "results" in body:
            return Answers.by_record(batch, _results(body["results"]))
        accepted = body.get("accepted")
        if isinstance(accepted, bool) or not isinstance(accepted, int):
            raise RetriableError("The receiver's answer has neither results nor accepted.")
        if accepted != batch.size:
            raise FatalError(
                f"The receiver accepted {accepted} of {batch.size} records without saying which: "
                "it should answer with results."
            )
        return Answers.acknowledged(batch)

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _post(self, key: str, body: bytes) -> Reply:
        if self._client is None:
            self._client = HttpClient(
                allowed_hosts=self._settings.allowed_hosts,
                timeout_seconds=self._settings.timeout_seconds,
                ca_file=self._settings.ca_file,
            )
        if not (self._settings.url and self._settings.secret):  # pragma: no cover - asked before
            raise FatalError("The webhook isn't configured.")
        timestamp = str(int(self._clock()))
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": key,
            "X-Perennial-Timestamp": timestamp,
            "X-Perennial-Signature": sign(
                self._settings.secret.get_secret_value(), timestamp, body
            ),
        }
        url = self._settings.url.get_secret_value()
        return self._client.send("POST", url, content=body, headers=headers)

    @staticmethod
    def _render(batch: Batch) -> bytes:
        head = json.dumps(
            {
                "version": 1,
                "audience": batch.audience,
                "build_id": batch.build_id,
                "batch_id": batch.batch_id,
                "sequence": batch.sequence,
                "batch_count": batch.batch_count,
                "sent_at": batch.at.isoformat(),
            },
            separators=(",", ":"),
        )
        own = json_texts(batch.records, ["operation", "profile_id"])
        attributes = json_texts(batch.records, batch.columns)
        operations = batch.records.column("operation").to_pylist()
        records = ",".join(
            f'{record[:-1]},"attributes":{"null" if operation in _BARE else values}}}'
            for record, values, operation in zip(own, attributes, operations, strict=True)
        )
        return f'{head[:-1]},"records":[{records}]}}'.encode()


def _body(reply: Reply) -> dict[str, Any]:
    if reply.status != 200:
        raise RetriableError(f"The receiver answered {reply.status}; only 200 acknowledges.")
    try:
        body = json.loads(reply.body)
    except ValueError:
        raise RetriableError("The receiver's answer isn't JSON.") from None
    if not isinstance(body, dict):
        raise RetriableError("The receiver's answer isn't a JSON object.")
    return body


def _results(results: object) -> Iterator[tuple[str, bool, str | None]]:
    if not isinstance(results, list):
        raise RetriableError("The receiver's results aren't a list.")
    for entry in results:
        if not isinstance(entry, dict) or not isinstance(entry.get("profile_id"), str):
            raise RetriableError("The receiver's results hold an entry without profile_id.")
        reason = entry.get("reason")
        is_taken = str(entry.get("status", "")).lower() in _ACCEPTED_WORDS
        yield entry["profile_id"], is_taken, reason if isinstance(reason, str) else None
