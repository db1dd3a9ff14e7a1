"""Calls to tools: no redirect, no private address, no endless wait, no endless answer.

An address is looked up once, checked, and the connection made to what was checked, so a name that
answers differently the second time (DNS rebinding) gains nothing.
"""

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from dagster_project.channels.base import FatalError, RetriableError

# host, port -> addresses, best first
Resolver = Callable[[str, int], list[str]]

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Protocol assignments, the old 6to4 relays, IPv4-compatible (::a.b.c.d) and site-local addresses:
# the standard library of Python 3.11 calls them global.
_NEVER_GLOBAL = tuple(
    map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "::/96", "fec0::/10"))
)
_RETRIABLE_STATUS = frozenset({408, 425, 429})
_MEBIBYTE = 1024 * 1024


class ForbiddenAddressError(FatalError):
    """The host leads to an address that a channel has no business with."""


class AnswerTooLargeError(FatalError):
    """The tool's answer is longer than any honest one."""


@dataclass(frozen=True)
class Reply:
    """What the tool answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def resolve(host: str, port: int) -> list[str]:
    """Ask the operating system for the addresses of a host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Whether an address is a public one, also when it is wrapped in IPv6 (mapped, 6to4, NAT64)."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    if any(ip in network for network in _NEVER_GLOBAL):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


class _GuardedTransport(httpx.BaseTransport):
    """Connects to the address that was checked; the certificate is still checked for the name."""

    def __init__(
        self, allowed: Collection[str], resolver: Resolver, verify: ssl.SSLContext | bool
    ) -> None:
        self._allowed = frozenset(host.lower().rstrip(".") for host in allowed)
        self._resolver = resolver
        self._verify = verify
        # One pool a name: a pool tells connections apart by address, and names may share one.
        self._pools: dict[str, httpx.HTTPTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.raw_host.decode("ascii").lower().rstrip(".")
        is_allowed = host in self._allowed
        if request.url.scheme != "https" and not is_allowed:
            raise ForbiddenAddressError(
                f"{host} would be called without TLS: use https, or allow the host by name."
            )
        failure: httpx.ConnectError | None = None
        for address in self._addresses(host, request.url.port or 443, is_allowed):
            try:
                return self._pool(host).handle_request(self._to_address(request, host, address))
            except httpx.ConnectError as error:  # nothing was sent yet: the next address may do
                failure = error
        raise failure or httpx.ConnectError("the host has no address")

    def _addresses(self, host: str, port: int, is_allowed: bool) -> list[str]:
        try:
            addresses = self._resolver(host, port)
        except OSError as error:
            raise httpx.ConnectError(f"{host} can't be looked up") from error
        if not is_allowed and not all(is_public(address) for address in addresses):
            raise ForbiddenAddressError(
                f"{host} leads to a private address: nothing was sent. If it is meant, allow the "
                "host by name in the channel's settings."
            )
        return addresses

    def _pool(self, host: str) -> httpx.HTTPTransport:
        if host not in self._pools:
            self._pools[host] = httpx.HTTPTransport(verify=self._verify, trust_env=False)
        return self._pools[host]

    @staticmethod
    def _to_address(request: httpx.Request, host: str, address: str) -> httpx.Request:
        return httpx.Request(
            request.method,
            request.url.copy_with(host=address.partition("%")[0]),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()


class HttpClient:
    """An HTTP client for channels; proxies of the environment are not used."""

    def __init__(
        self,
        *,
        allowed_hosts: Collection[str] = (),
        timeout_seconds: float = 30.0,
        maximum_answer_bytes: int = 8 * _MEBIBYTE,
        ca_file: Path | None = None,
        resolver: Resolver = resolve,
    ) -> None:
        self._maximum = maximum_answer_bytes
        self._timeout = timeout_seconds
        verify = ssl.create_default_context(cafile=str(ca_file)) if ca_file else True
        self._client = httpx.Client(
            transport=_GuardedTransport(allowed_hosts, resolver, verify),
            timeout=httpx.Timeout(timeout_seconds, connect=min(10.0, timeout_seconds)),
            follow_redirects=False,
            trust_env=False,
            # No compression: the cap counts what is received, and a bomb has nothing to unpack.
            headers={"User-Agent": "perennial", "Accept-Encoding": "identity"},
        )

    def send(
        self,
        method: str,
        url: str,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Make one call and return its 2xx reply.

        Raises RetriableError (with the wait that the tool asks for) or FatalError; neither repeats
        the address beyond its host, nor anything that was sent.
        """
        host = _host(url)
        try:
            with self._client.stream(method, url, content=content, headers=headers) as response:
                reply = Reply(response.status_code, dict(response.headers), self._read(response))
        except httpx.TimeoutException as error:
            raise RetriableError(f"{host} didn't answer within {self._timeout:g} s.") from error
        except httpx.TransportError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise FatalError(f"The certificate of {host} isn't trusted.") from error
            raise RetriableError(
                f"The connection to {host} failed ({type(error).__name__})."
            ) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
            raise FatalError("The address of the tool can't be used: check the URL.") from error
        _raise_for(host, reply)
        return reply

    def _read(self, response: httpx.Response) -> bytes:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise FatalError("The tool compressed its answer though it was asked not to.")
        deadline = time.monotonic() + self._timeout
        body = bytearray()
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > self._maximum:
                raise AnswerTooLargeError(f"The tool's answer is over {self._maximum} bytes.")
            if time.monotonic() > deadline:  # a slow drip never meets the time-out of one read
                raise httpx.ReadTimeout("the answer took too long")
        return bytes(body)

    def close(self) -> None:
        """Close pooled connections."""
        self._client.close()


def _host(url: str) -> str:
    try:
        return httpx.URL(url).host or "the tool"
    except (httpx.InvalidURL, UnicodeError):
        return "the tool"


def _raise_for(host: str, reply: Reply) -> None:
    if 200 <= reply.status < 300:
        return
    if 300 <= reply.status < 400:
        raise FatalError(
            f"{host} answered with a redirect ({reply.status}), which is never followed: set the "
            "final address."
        )
    if reply.status in _RETRIABLE_STATUS or reply.status >= 500:
        raise RetriableError(
            f"{host} answered {reply.status}.",
            retry_after=retry_after(reply.headers.get("retry-after"), datetime.now(UTC)),
        )
    hint = ": check the credentials" if reply.status in {401, 403} else ""
    raise FatalError(f"{host} answered {reply.status}{hint}.")


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header, in seconds or as a date; None if unreadable."""
    if value is None:
        return None
    text = value.strip()
    if text.isdecimal() and text.isascii() and len(text) < 10:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
