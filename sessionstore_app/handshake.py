"""What a WebSocket handshake says, and whether it may go on: Origin, cookies, address, how many sockets there are."""

from __future__ import annotations

import ipaddress
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.http.request import validate_host

from sessionstore_app import conf

logger = logging.getLogger("sessionstore_app")

_DEFAULT_PORTS = {"http": 80, "https": 443}
# Without ALLOWED_HOSTS Django serves these while DEBUG is on.
_DEBUG_HOSTS = [".localhost", "127.0.0.1", "[::1]"]


@dataclass(frozen=True, slots=True)
class Handshake:
    """`cookies` is the Cookie header, empty where it must not count; `address` is what sockets are counted by."""

    cookies: str
    address: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP status and the sentence for the log."""

    status: int
    why: str


def read(scope: Mapping[str, Any]) -> Handshake | Refusal:
    """Read a handshake, or say why it is refused."""
    origins = _values(scope, b"origin")
    if len(origins) > 1:
        return Refusal(403, "The handshake carries more than one Origin.")
    if origins and not _origin_allowed(origins[0], scope):
        return Refusal(
            403,
            f"The Origin {_printable(origins[0])} is not allowed. If it is yours, add it to "
            "SESSIONSTORE['ALLOWED_ORIGINS'] with scheme, host and port.",
        )
    # Cookies come along with any page's request: only a browser that tells its page's Origin is believed.
    cookies = "; ".join(_values(scope, b"cookie")) if origins else ""
    return Handshake(cookies, _address(scope))


def _values(scope: Mapping[str, Any], name: bytes) -> list[str]:
    return [value.decode("latin-1") for header, value in scope.get("headers", ()) if header.lower() == name]


def _origin_allowed(origin: str, scope: Mapping[str, Any]) -> bool:
    return origin in conf.current().allowed_origins or _is_own_host(origin, scope)


def _is_own_host(origin: str, scope: Mapping[str, Any]) -> bool:
    """Same host and port as the handshake's own Host, which must be one that Django serves."""
    hosts = _values(scope, b"host")
    if len(hosts) != 1:
        return False
    try:
        theirs, ours = urlsplit(origin), urlsplit(f"//{hosts[0]}")
        their_port, our_port = theirs.port, ours.port
    except ValueError:
        return False
    if theirs.scheme not in ("http", "https") or origin != f"{theirs.scheme}://{theirs.netloc}" or "@" in theirs.netloc:
        return False
    if scope.get("scheme") == "wss" and theirs.scheme != "https":
        return False
    # Behind a proxy that ends TLS the socket's own scheme says ws; then the page's scheme names the port.
    default = _DEFAULT_PORTS[theirs.scheme]
    same_port = (default if their_port is None else their_port) == (default if our_port is None else our_port)
    host = theirs.netloc.rpartition(":")[0] if their_port is not None else theirs.netloc
    allowed = django_settings.ALLOWED_HOSTS or (_DEBUG_HOSTS if django_settings.DEBUG else [])
    return same_port and theirs.hostname == ours.hostname and validate_host(host.lower(), allowed)


def _address(scope: Mapping[str, Any]) -> str:
    """The peer's address; IPv6 by its /64, which one subscriber has whole."""
    client = scope.get("client")
    host = str(client[0]) if client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))


def _printable(text: str) -> str:
    return repr(text[:200])


class SocketCounts:
    """Sockets of this process: all, by address and by user."""

    def __init__(self) -> None:
        self.total = 0
        self._by_address: Counter[str] = Counter()
        self._by_user: Counter[str] = Counter()

    def admit(self, address: str) -> Refusal | None:
        """Count a socket in, or say why there are too many."""
        limits = conf.current()
        if self.total >= limits.sockets_per_process:
            return Refusal(503, "The process serves as many sockets as it may (SOCKETS_PER_PROCESS).")
        if address and self._by_address[address] >= limits.sockets_per_address:
            return Refusal(503, f"{_printable(address)} has as many sockets as it may (SOCKETS_PER_ADDRESS).")
        self.total += 1
        self._by_address[address] += 1
        return None

    def release(self, address: str) -> None:
        """Count it out."""
        self.total -= 1
        _decrement(self._by_address, address)

    def admit_user(self, principal: str) -> bool:
        """Count a user's socket in; false if there are too many. Anonymous ones are not counted."""
        if principal and self._by_user[principal] >= conf.current().sockets_per_user:
            return False
        if principal:
            self._by_user[principal] += 1
        return True

    def release_user(self, principal: str) -> None:
        """Count it out."""
        if principal:
            _decrement(self._by_user, principal)


def _decrement(counter: Counter[str], name: str) -> None:
    counter[name] -= 1
    if counter[name] <= 0:
        del counter[name]
