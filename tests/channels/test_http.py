"""Calls to tools never reach where they have no business, and never wait or read for ever."""

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import HTTPServer
from pathlib import Path

import pytest

from dagster_project.channels.base import FatalError, RetriableError
from dagster_project.channels.http import (
    ForbiddenAddressError,
    HttpClient,
    is_public,
    resolve,
    retry_after,
)
from dagster_project.channels.receiver import Answer, LocalReceiver, _handler

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "100.64.0.1", "100.127.255.254", "0.1.2.3", "255.255.255.255",
    "0.0.0.0",  # noqa: S104 - called, not listened on

    "224.0.0.1", "239.255.255.250", "240.0.0.1", "192.0.2.1", "198.51.100.7", "203.0.113.9",
    "198.18.0.1", "192.0.0.8", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1",
    "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2002:c0a8:101::",
    "2001:0:4136:e378:8000:63bf:f5ff:fffe", "2001:db8::1", "fec0::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_a_public_address_is(address: str) -> None:
    assert is_public(address)


@pytest.fixture
def receiver() -> Iterator[LocalReceiver]:
    with LocalReceiver("k") as running:
        yield running


def port_of(receiver: LocalReceiver) -> int:
    return int(receiver.url.rsplit(":", 1)[1].split("/")[0])


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]",
        "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0", "127.0.0.1.", "①②⑦.0.0.1",
        "0.0.0.0",  # noqa: S104 - called, not listened on
    ],
)  # fmt: skip
def test_no_notation_of_a_private_address_is_called(receiver: LocalReceiver, host: str) -> None:
    client = HttpClient(timeout_seconds=1)
    for scheme in ("http", "https"):
        with pytest.raises((FatalError, RetriableError)):
            client.send("POST", f"{scheme}://{host}:{port_of(receiver)}/batches")
    assert receiver.calls == []


def test_a_name_that_leads_to_a_private_address_is_not_called(receiver: LocalReceiver) -> None:
    client = HttpClient(resolver=lambda *_: ["8.8.8.8", "127.0.0.1"])
    with pytest.raises(ForbiddenAddressError, match=r"tool\.example leads to a private address"):
        client.send("POST", f"https://tool.example:{port_of(receiver)}/")
    assert receiver.calls == []


def test_a_name_is_looked_up_once_and_what_was_checked_is_what_is_called(
    receiver: LocalReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the first answer is public, any later one private."""
    answers = iter([["192.0.2.1"], ["127.0.0.1"], ["127.0.0.1"]])
    looked_up: list[str] = []
    connected: list[str] = []

    def rebinding(host: str, _: int) -> list[str]:
        looked_up.append(host)
        return next(answers)

    def connect(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        connected.append(address[0])
        raise OSError("unreachable")

    monkeypatch.setattr("dagster_project.channels.http.is_public", lambda a: a != "127.0.0.1")
    monkeypatch.setattr(socket, "create_connection", connect)
    client = HttpClient(resolver=rebinding)
    with pytest.raises(RetriableError):
        client.send("POST", f"https://tool.example:{port_of(receiver)}/")
    assert (looked_up, connected) == (["tool.example"], ["192.0.2.1"])


def test_a_host_is_allowed_by_its_name_only(receiver: LocalReceiver) -> None:
    url = f"http://localhost:{port_of(receiver)}/batches"
    with pytest.raises(ForbiddenAddressError, match="without TLS"):
        HttpClient(allowed_hosts=["127.0.0.1"]).send("POST", url)
    with pytest.raises(FatalError, match="localhost answered 401: check the credentials"):
        HttpClient(allowed_hosts=["LOCALHOST"]).send("POST", url, content=b'{"records": []}')
    assert len(receiver.calls) == 1


def test_the_host_header_is_the_name_and_not_the_address(receiver: LocalReceiver) -> None:
    client = HttpClient(allowed_hosts=["tool.example"], resolver=lambda *_: ["127.0.0.1"])
    with pytest.raises(FatalError, match="401"):
        client.send("POST", f"http://tool.example:{port_of(receiver)}/", content=b"{}")
    assert receiver.calls[0].headers["host"] == f"tool.example:{port_of(receiver)}"


def test_the_next_address_is_tried_when_one_does_not_answer(receiver: LocalReceiver) -> None:
    client = HttpClient(
        allowed_hosts=["tool.example"], resolver=lambda *_: ["127.0.0.9", "127.0.0.1"]
    )
    with pytest.raises(FatalError, match="401"):
        client.send("POST", f"http://tool.example:{port_of(receiver)}/", content=b"{}")


def test_a_proxy_of_the_environment_is_not_used(
    receiver: LocalReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(FatalError, match="401"):
        HttpClient(allowed_hosts=["127.0.0.1"]).send("POST", receiver.url, content=b"{}")


@pytest.mark.parametrize(
    "url",
    ["ftp://8.8.8.8/", "file:///etc/passwd", "gopher://8.8.8.8/", "https://", "//x", "", "https://[::1",
     "https://exa mple.org/", "https://user:pw@8.8.8.8:99999/"],
)  # fmt: skip
def test_an_address_that_is_none_is_one_clear_line(url: str) -> None:
    with pytest.raises((FatalError, RetriableError)) as caught:
        HttpClient(timeout_seconds=0.3).send("POST", url)
    assert "pw" not in str(caught.value)


def test_an_answer_that_drips_is_given_up() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(40):
            try:
                connection.sendall(b"x")
            except OSError:
                return
            time.sleep(0.1)

    threading.Thread(target=drip, daemon=True).start()
    started = time.monotonic()
    client = HttpClient(allowed_hosts=["127.0.0.1"], timeout_seconds=0.5)
    with pytest.raises(RetriableError, match="didn't answer within"):
        client.send("POST", f"http://127.0.0.1:{listener.getsockname()[1]}/")
    assert time.monotonic() - started < 2
    listener.close()


def test_errors_name_the_host_and_nothing_of_the_path() -> None:
    with LocalReceiver("k", behaviour=lambda *_: Answer(500)) as receiver:
        client = HttpClient(allowed_hosts=["127.0.0.1"])
        with pytest.raises(RetriableError, match=r"^127\.0\.0\.1 answered 500\.$"):
            client.send("POST", f"{receiver.url}?token=secret", content=b"{}")


@contextmanager
def tls_server(folder: Path) -> Iterator[tuple[int, Path]]:
    """A receiver behind a certificate of its own for tool.example."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=tool.example", "-addext",
         "subjectAltName=DNS:tool.example", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    receiver = LocalReceiver("k", behaviour=lambda *_: Answer.of({"accepted": 0}))
    server = HTTPServer(("127.0.0.1", 0), _handler(receiver))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.server_port, certificate
    server.shutdown()
    server.server_close()


def test_the_certificate_is_checked_for_the_name_though_the_address_is_called(
    tmp_path: Path,
) -> None:
    with tls_server(tmp_path) as (port, certificate):

        def client(host: str, ca_file: Path | None) -> HttpClient:
            return HttpClient(
                allowed_hosts=[host], ca_file=ca_file, resolver=lambda *_: ["127.0.0.1"]
            )

        good = client("tool.example", certificate)
        assert good.send("POST", f"https://tool.example:{port}/", content=b"{}").status == 200
        good.close()
        for host, ca_file in (("other.example", certificate), ("tool.example", None)):
            with pytest.raises(FatalError, match=f"certificate of {host} isn't trusted"):
                client(host, ca_file).send("POST", f"https://{host}:{port}/", content=b"{}")


def test_a_host_without_an_address_can_be_tried_again() -> None:
    def nowhere(*_: object) -> list[str]:
        raise socket.gaierror("no such host")

    with pytest.raises(RetriableError, match=r"The connection to tool\.example failed"):
        HttpClient(resolver=nowhere).send("POST", "https://tool.example/")


def test_the_system_resolves() -> None:
    assert resolve("127.0.0.1", 80) == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0), ("7", 7), (" 12 ", 12), ("Sun, 01 Mar 2026 12:00:30 GMT", 30),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0), ("soon", None), ("-5", None), ("", None),
        (None, None), ("1e9", None), ("99999999999999", None), ("٣", None),
    ],
)  # fmt: skip
def test_a_wait_is_read_as_seconds_or_as_a_date(header: str | None, seconds: int | None) -> None:
    assert retry_after(header, datetime(2026, 3, 1, 12, tzinfo=UTC)) == seconds
