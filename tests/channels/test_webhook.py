"""The webhook channel: what it signs, and what a receiver may rely on."""

import hashlib
import hmac
import json
import time
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from dagster_project.channels.base import Batch, FatalError
from dagster_project.channels.receiver import LocalReceiver
from dagster_project.channels.webhook import WebhookChannel, WebhookSettings, sign

SECRET = "a key for tests"
BATCH = Batch(
    "d" * 32,
    "churned",
    "run-1",
    datetime(2026, 3, 1, tzinfo=UTC),
    1,
    1,
    pa.table(
        {
            "profile_id": ["p_0", "p_1"],
            "operation": ["remove", "add"],
            "email": [None, 'a"b@example.org'],
        }
    ),
)


def channel(receiver: LocalReceiver, **settings: object) -> WebhookChannel:
    values = {"url": receiver.url, "secret": SECRET, "allowed_hosts": "127.0.0.1"}
    return WebhookChannel(WebhookSettings.model_validate(values | settings))


def test_a_batch_is_signed_dated_and_named() -> None:
    with LocalReceiver(SECRET) as receiver:
        channel(receiver).apply(BATCH)
        call = receiver.calls[0]
    stamp = call.headers["x-perennial-timestamp"]
    expected = hmac.new(SECRET.encode(), f"{stamp}.".encode() + call.body, hashlib.sha256)
    assert call.headers["x-perennial-signature"] == f"v1={expected.hexdigest()}"
    assert abs(int(stamp) - time.time()) < 5
    assert call.headers["idempotency-key"] == BATCH.batch_id
    assert json.loads(call.body)["records"] == [
        {"operation": "remove", "profile_id": "p_0", "attributes": None},
        {"operation": "add", "profile_id": "p_1", "attributes": {"email": 'a"b@example.org'}},
    ]


def test_a_published_vector_of_the_signature() -> None:
    """Receivers are written in other languages: this pair must never change."""
    assert sign("secret", "1767225600", b'{"version":1}') == (
        "v1=" + hmac.new(b"secret", b'1767225600.{"version":1}', hashlib.sha256).hexdigest()
    )


def test_another_key_is_refused_by_the_receiver_and_named_by_the_check() -> None:
    with LocalReceiver(SECRET) as receiver:
        wrong = channel(receiver, secret="another")
        with pytest.raises(FatalError, match="401: check the credentials"):
            wrong.apply(BATCH)
        assert wrong.check().is_ready is False
        assert "401" in wrong.check().message
        assert receiver.members == {}


def test_an_old_signature_is_refused() -> None:
    with LocalReceiver(SECRET) as receiver:
        late = channel(receiver)
        late._clock = lambda: time.time() - 600
        with pytest.raises(FatalError, match="401"):
            late.apply(BATCH)


def test_plain_http_and_private_hosts_need_to_be_allowed_by_name() -> None:
    with LocalReceiver(SECRET) as receiver:
        with pytest.raises(FatalError, match="without TLS"):
            channel(receiver, allowed_hosts="").apply(BATCH)
        secure = receiver.url.replace("http://", "https://")
        with pytest.raises(FatalError, match="private address"):
            channel(receiver, url=secure, allowed_hosts="").apply(BATCH)
        assert receiver.calls == []


def test_an_erasure_names_the_person_and_nothing_else() -> None:
    with LocalReceiver(SECRET) as receiver:
        channel(receiver).apply(BATCH)
        channel(receiver).erase(BATCH)
        records = json.loads(receiver.calls[1].body)["records"]
    assert [(r["operation"], r["attributes"]) for r in records] == [("erase", None)] * 2


def test_settings_are_read_as_people_write_them() -> None:
    settings = WebhookSettings.model_validate(
        {"url": "", "secret": "", "allowed_hosts": " a.example , b.example,,", "ca_file": ""}
    )
    assert (settings.url, settings.secret, settings.ca_file) == (None, None, None)
    assert settings.allowed_hosts == ("a.example", "b.example")
    assert WebhookChannel(settings).missing() == ("url", "secret")
