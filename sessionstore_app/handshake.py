"""What a WebSocket handshake says, and whether it may go on: Origin, cookies, address, how many sockets there are.

Who a client is by its address is decided here alone, by TRUSTED_PROXIES: what a server or middleware made of
X-Forwarded-For by rules of its own does not count.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.http.request import validate_host

from sessionstore_app import conf
from sessionstore_app.services.transports import UNIX, Peer

logger = logging.getLogger("sessionstore_app")

_DEFAULT_PORTS = {"http": 80, "https": 443}
# Without ALLOWED_HOSTS Django serves these while DEBUG is on.
_DEBUG_HOSTS = [".localhost", "127.0.0.1", "[::1]"]
# Under which name people put a token into an address.
TOKEN_NAMES: Final = frozenset({"token", "access_token", "bearer"})
# Of headers that are kept as long as the socket, no more characters than these.
HEADER_LENGTH: Final = 512
# Proxies in a row that are looked through.
MAX_HOPS: Final = 32

Address: TypeAlias = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Handshake:
    """`cookies` is the Cookie header, empty where it must not count; `address` is what sockets are counted by.

    `client_ip` is the client's whole address as text, empty where none can be believed.
    """

    cookies: str
    address: str
    client_ip: str = ""
    user_agent: str = ""
    accept_language: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP status and the sentence for the log; and the close code by which a server says it that knows one status
    only, 403, after which clients do not come again.
    """

    status: int
    why: str
    code: int | None = None


def read(scope: Mapping[str, Any], peer: Peer | None = None) -> Handshake | Refusal:
    """Read a handshake, or say why it is refused. `peer` is the socket's real one, where it is known."""
    origins = _values(scope, b"origin")
    if len(origins) > 1:
        return Refusal(403, "The handshake carries more than one Origin.")
    if origins and not _origin_allowed(origins[0], scope):
        return Refusal(
            403,
            f"The Origin {_printable(origins[0])} is not allowed. If it is yours, add it to "
            "SESSIONSTORE['ALLOWED_ORIGINS'] with scheme, host and port.",
        )
    if _carries_token(scope):
        logger.warning("A token in an address was ignored, and may now be in logs; it belongs into session.open.")
    # Cookies come along with any page's request: only a browser that tells its page's Origin is believed.
    cookies = "; ".join(_values(scope, b"cookie")) if origins else ""
    client, is_sure = _client(scope, peer)
    return Handshake(
        cookies,
        address=_counted_by(client),
        client_ip=str(client) if is_sure and not isinstance(client, str) else "",
        user_agent="".join(_values(scope, b"user-agent")[:1])[:HEADER_LENGTH],
        accept_language=",".join(_values(scope, b"accept-language"))[:HEADER_LENGTH],
    )


def _values(scope: Mapping[str, Any], name: bytes) -> list[str]:
    return [value.decode("latin-1") for header, value in scope.get("headers", ()) if header.lower() == name]


def _carries_token(scope: Mapping[str, Any]) -> bool:
    query = bytes(scope.get("query_string", b"")).decode("latin-1")
    return not TOKEN_NAMES.isdisjoint(part.partition("=")[0] for part in query.split("&"))


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


# --- the client's address


def _client(scope: Mapping[str, Any], peer: Peer | None) -> tuple[Address | str, bool]:
    """The client's address, text where there is a peer without one, and whether it can be believed.

    Each trusted proxy vouches for the hop before it, so the header is read from its end: the client is the first hop
    that no trusted proxy is, or the last that can be read.
    """
    if peer is None and _may_be_rewritten(scope):
        # Good enough to count by: where the server did not rewrite it, nobody evades the count by sending the header.
        return _host(str(scope["client"][0])), False
    hop = _host(_scope_peer(scope) if peer is None else peer[0])
    hops = ",".join(_values(scope, b"x-forwarded-for")).rsplit(",", MAX_HOPS)
    while hops and _is_trusted(hop):
        before = _forwarded(hops.pop())
        if before is None:
            break
        hop = before
    return hop, True


def _scope_peer(scope: Mapping[str, Any]) -> str:
    client = scope.get("client")
    if client:
        return str(client[0])
    server = scope.get("server")
    # A server on a Unix socket has a path and no port, and its clients have no address.
    return UNIX if server and server[1] is None else ""


def _may_be_rewritten(scope: Mapping[str, Any]) -> bool:
    """May the scope's client be what the client said of itself? Servers that believe the header put it there."""
    host, port = scope.get("client") or ("", None)
    forwarded = ",".join(_values(scope, b"x-forwarded-for"))
    return bool(host and forwarded) and (not port or str(host) in forwarded)


def _host(text: str) -> Address | str:
    try:
        # The zone of a link-local address names an interface of this machine.
        return _plain(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return text


# An address with or without a port, as proxies write it.
_HOP = re.compile(r"(?:\[(?P<bracketed>[0-9a-fA-F:.]+)\]|(?P<v4>[0-9.]+))(?::[0-9]{1,5})?|(?P<v6>[0-9a-fA-F:.]+)")


def _forwarded(text: str) -> Address | None:
    found = _HOP.fullmatch(text.strip(" \t"))
    if found is None:
        return None
    try:
        return _plain(ipaddress.ip_address(found["bracketed"] or found["v4"] or found["v6"]))
    except ValueError:
        return None


def _plain(address: Address) -> Address:
    """An IPv4 address on an IPv6 socket is an IPv4 address."""
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def _is_trusted(hop: Address | str) -> bool:
    trusted = conf.current().trusted_proxies
    if isinstance(hop, str):
        return hop == UNIX and UNIX in trusted
    return any(hop in network for network in _networks(trusted))


@lru_cache(maxsize=8)
def _networks(trusted: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in trusted if text != UNIX)


def _counted_by(client: Address | str) -> str:
    """IPv6 by its /64, which one subscriber has whole. Who comes by a Unix socket is not told apart, so not counted."""
    if isinstance(client, IPv6Address):
        return str(ipaddress.ip_network((client, 64), strict=False))
    return "" if client == UNIX else str(client)


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
