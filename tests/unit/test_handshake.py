"""Who may shake hands: Origin, cookies, address, and how many sockets there are."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings

from sessionstore_app.handshake import HEADER_LENGTH, MAX_HOPS, Handshake, Refusal, SocketCounts, read

HOST = "example.com"
ALLOWED = "https://app.example.org:8443"
COOKIE = (b"cookie", b"sessionid=abc")


@pytest.fixture(autouse=True)
def _hosts(settings: Any) -> None:
    settings.DEBUG = False
    settings.ALLOWED_HOSTS = [HOST, "[::1]", "xn--exmple-cua.com", "127.0.0.1", ".wild.example"]
    settings.SESSIONSTORE = {"ALLOWED_ORIGINS": [ALLOWED, "capacitor://localhost"]}


def scope(*headers: tuple[bytes, bytes], host: str | None = HOST, scheme: str = "ws", **more: Any) -> dict[str, Any]:
    own = [] if host is None else [(b"host", host.encode("latin-1"))]
    return {"type": "websocket", "scheme": scheme, "headers": [*own, *headers], "client": ("127.0.0.1", 5), **more}


def let_in(*headers: tuple[bytes, bytes], peer: tuple[str, int] | None = None, **more: Any) -> Handshake:
    found = read(scope(*headers, **more), peer)
    assert isinstance(found, Handshake)
    return found


def shake(origin: str, host: str | None = HOST, scheme: str = "ws") -> Handshake | Refusal:
    return read(scope((b"origin", origin.encode("latin-1")), COOKIE, host=host, scheme=scheme))


# --- T1: every handshake that carries an Origin

LET_IN = [
    ("the own host", "https://example.com", HOST, "ws"),
    ("the own host without TLS", "http://example.com", HOST, "ws"),
    ("the own host with TLS", "https://example.com", HOST, "wss"),
    ("the default port named", "https://example.com:443", HOST, "ws"),
    ("the default port named in Host", "https://example.com", "example.com:443", "ws"),
    ("the same other port", "http://example.com:8000", "example.com:8000", "ws"),
    ("Host in capitals", "https://example.com", "EXAMPLE.com", "ws"),
    ("IPv4", "http://127.0.0.1:8000", "127.0.0.1:8000", "ws"),
    ("IPv6", "http://[::1]", "[::1]", "ws"),
    ("IPv6 with a port", "http://[::1]:8000", "[::1]:8000", "ws"),
    ("punycode", "https://xn--exmple-cua.com", "xn--exmple-cua.com", "ws"),
    ("a host under a wildcard", "https://a.wild.example", "a.wild.example", "ws"),
    ("an allowed origin", ALLOWED, HOST, "ws"),
    ("an allowed origin of an app", "capacitor://localhost", HOST, "ws"),
    ("an allowed origin and no Host", ALLOWED, None, "ws"),
]

REFUSED = [
    ("null", "null", HOST, "ws"),
    ("nothing", "", HOST, "ws"),
    ("a star", "*", HOST, "ws"),
    ("another site", "https://evil.example", HOST, "ws"),
    ("the own name as a prefix", "https://example.com.evil.example", HOST, "ws"),
    ("the own name as a suffix", "https://evilexample.com", HOST, "ws"),
    ("the own name behind a dash", "https://evil-example.com", HOST, "ws"),
    ("a subdomain", "https://sub.example.com", HOST, "ws"),
    ("the parent domain", "https://com", HOST, "ws"),
    ("the name without its dots", "https://examplecom", HOST, "ws"),
    ("a trailing dot", "https://example.com.", HOST, "ws"),
    ("the own name as user", "https://example.com@evil.example", HOST, "ws"),
    ("a user at the own name", "https://evil@example.com", HOST, "ws"),
    ("user and password", "https://a:b@example.com", HOST, "ws"),
    ("a path", "https://example.com/", HOST, "ws"),
    ("a longer path", "https://evil.example/https://example.com", HOST, "ws"),
    ("a query", "https://example.com?a", HOST, "ws"),
    ("a fragment", "https://example.com#", HOST, "ws"),
    ("a fragment of another site", "https://evil.example#example.com", HOST, "ws"),
    ("a backslash", "https://example.com\\.evil.example", HOST, "ws"),
    ("an encoded dot", "https://example%2ecom", HOST, "ws"),
    ("an encoded slash", "https://example.com%2f.evil.example", HOST, "ws"),
    ("no scheme", "example.com", HOST, "ws"),
    ("no scheme, with slashes", "//example.com", HOST, "ws"),
    ("a WebSocket's scheme", "ws://example.com", HOST, "ws"),
    ("a file", "file://example.com", HOST, "ws"),
    ("an extension", "chrome-extension://example.com", HOST, "ws"),
    ("script", "javascript://example.com", HOST, "ws"),
    ("another port", "https://example.com:444", HOST, "ws"),
    ("another port than Host's", "http://example.com", "example.com:8000", "ws"),
    ("the port of the other scheme", "https://example.com:80", HOST, "ws"),
    ("port 0", "https://example.com:0", HOST, "ws"),
    ("an empty port", "https://example.com:", HOST, "ws"),
    ("a port beyond all", "https://example.com:65979", HOST, "ws"),
    ("a port that is no number", "https://example.com:443x", HOST, "ws"),
    ("a negative port", "https://example.com:-443", HOST, "ws"),
    ("two ports", "https://example.com:443:443", HOST, "ws"),
    ("a tab", "https://exam\tple.com", HOST, "ws"),
    ("a line break", "https://example.com\r\nX: y", HOST, "ws"),
    ("a space before", " https://example.com", HOST, "ws"),
    ("a space behind", "https://example.com ", HOST, "ws"),
    ("two in one", "https://example.com, https://evil.example", HOST, "ws"),
    ("two in one, split by a space", "https://evil.example https://example.com", HOST, "ws"),
    ("a letter that looks alike", "https://ex\xe4mple.com", HOST, "ws"),
    ("a name in Unicode for its punycode", "https://ex\xe4mple.com", "xn--exmple-cua.com", "ws"),
    ("IPv6 that is not closed", "http://[::1", "[::1]", "ws"),
    ("IPv6 of another machine", "http://[::2]", "[::1]", "ws"),
    ("IPv4 written as a number", "http://2130706433", "127.0.0.1", "ws"),
    ("IPv4 inside IPv6", "http://[::ffff:127.0.0.1]", "127.0.0.1", "ws"),
    ("a host that Django does not serve", "https://rebound.example", "rebound.example", "ws"),
    ("the own host and no Host", "https://example.com", None, "ws"),
    ("a page without TLS on a socket with TLS", "http://example.com", HOST, "wss"),
    ("an allowed origin on another port", "https://app.example.org:8444", HOST, "ws"),
    ("an allowed origin without its port", "https://app.example.org", HOST, "ws"),
    ("an allowed origin by another scheme", "http://app.example.org:8443", HOST, "ws"),
    ("an allowed origin with a path", f"{ALLOWED}/", HOST, "ws"),
]


@pytest.mark.parametrize(("origin", "host", "scheme"), [row[1:] for row in LET_IN], ids=[row[0] for row in LET_IN])
def test_t1_the_own_host_and_allowed_origins_are_let_in(origin: str, host: str | None, scheme: str) -> None:
    assert shake(origin, host, scheme) == Handshake("sessionid=abc", "127.0.0.1", "127.0.0.1")


@pytest.mark.parametrize(("origin", "host", "scheme"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_t1_any_other_origin_is_refused(origin: str, host: str | None, scheme: str) -> None:
    found = shake(origin, host, scheme)
    assert isinstance(found, Refusal)
    assert found.status == 403


@pytest.mark.parametrize("second", ["https://example.com", "https://evil.example", ""])
def test_t2_duplicate_origins_are_refused(second: str) -> None:
    headers = [(b"origin", b"https://example.com"), (b"Origin", second.encode())]
    found = read(scope(*headers))
    assert isinstance(found, Refusal)
    assert found.status == 403


def test_t2_duplicate_hosts_have_no_own_host() -> None:
    assert isinstance(read(scope((b"host", b"example.com"), (b"origin", b"https://example.com"))), Refusal)


def test_t1_without_an_origin_cookies_do_not_count() -> None:
    assert let_in(COOKIE).cookies == ""


def test_several_cookie_headers_are_one() -> None:
    found = let_in((b"origin", b"https://example.com"), COOKIE, (b"cookie", b"b=2"))
    assert found.cookies == "sessionid=abc; b=2"


def test_a_refusal_names_the_origin_and_the_setting_that_would_allow_it() -> None:
    found = shake("https://evil.example")
    assert isinstance(found, Refusal)
    assert "https://evil.example" in found.why
    assert "SESSIONSTORE['ALLOWED_ORIGINS']" in found.why


def test_t23_an_origin_in_the_log_is_escaped_and_cut() -> None:
    found = shake("https://a\x1b[31m\n" + "x" * 5_000)
    assert isinstance(found, Refusal)
    assert "\x1b" not in found.why
    assert "\n" not in found.why
    assert len(found.why) < 500


@pytest.mark.parametrize(("debug", "is_let_in"), [(True, True), (False, False)])
def test_without_allowed_hosts_this_machine_is_served_while_debugging(debug: bool, is_let_in: bool) -> None:
    with override_settings(ALLOWED_HOSTS=[], DEBUG=debug):
        found = shake("http://localhost:8000", "localhost:8000")
    assert isinstance(found, Handshake) is is_let_in


# --- addresses


@pytest.mark.parametrize(
    ("client", "address", "client_ip"),
    [
        (["203.0.113.5", 1], "203.0.113.5", "203.0.113.5"),
        (["2001:db8:1:2:3:4:5:6", 1], "2001:db8:1:2::/64", "2001:db8:1:2:3:4:5:6"),
        (["2001:DB8:1:2:0:0:0:9", 1], "2001:db8:1:2::/64", "2001:db8:1:2::9"),
        (["fe80::1%eth0", 1], "fe80::/64", "fe80::1"),
        (["::ffff:203.0.113.5", 1], "203.0.113.5", "203.0.113.5"),
        (["testclient", 1], "testclient", ""),
        (["", None], "", ""),
        (None, "", ""),
    ],
)
def test_t14_an_ipv6_subscriber_is_one_address(client: list[Any] | None, address: str, client_ip: str) -> None:
    found = let_in(client=client)
    assert (found.address, found.client_ip) == (address, client_ip)


def test_t14_ipv4_clients_of_an_ipv6_socket_are_told_apart() -> None:
    first, second = (let_in(client=[f"::ffff:203.0.113.{last}", 1]) for last in (5, 6))
    assert first.address != second.address


# --- T2, T29, P29: whom X-Forwarded-For is believed

CLIENT = "203.0.113.5"


def forwarded(*values: str) -> list[tuple[bytes, bytes]]:
    return [(b"x-forwarded-for", value.encode("latin-1")) for value in values]


def behind(settings: Any, *proxies: str) -> None:
    settings.SESSIONSTORE = {"TRUSTED_PROXIES": proxies}


@pytest.mark.parametrize("peer", [None, ("192.0.2.1", 5)])
def test_p29_without_trusted_proxies_nobody_is_believed(peer: tuple[str, int] | None) -> None:
    found = let_in(*forwarded(CLIENT), client=("192.0.2.1", 5), peer=peer)
    assert (found.address, found.client_ip) == ("192.0.2.1", "192.0.2.1")


@pytest.mark.parametrize("proxies", [["192.0.2.2"], ["10.0.0.0/8"], ["2001:db8::/32"], ["unix"]])
def test_t29_a_peer_that_is_no_trusted_proxy_is_not_believed(settings: Any, proxies: list[str]) -> None:
    behind(settings, *proxies)
    assert let_in(*forwarded(CLIENT), peer=("192.0.2.1", 5)).client_ip == "192.0.2.1"


@pytest.mark.parametrize(
    ("proxies", "peer"),
    [
        (["192.0.2.1"], "192.0.2.1"),
        (["2001:db8::/32", "192.0.2.0/24"], "192.0.2.1"),
        (["192.0.2.0/24"], "::ffff:192.0.2.1"),
        (["2001:db8::1"], "2001:0db8::1"),
        (["fe80::/10"], "fe80::1%eth0"),
        (["unix"], "unix"),
    ],
)
def test_t29_a_trusted_proxy_is_believed(settings: Any, proxies: list[str], peer: str) -> None:
    behind(settings, *proxies)
    found = let_in(*forwarded(CLIENT), peer=(peer, 5))
    assert (found.address, found.client_ip) == (CLIENT, CLIENT)


@pytest.mark.parametrize(
    ("values", "client_ip"),
    [
        # What a client sends itself stands left of what the proxies added.
        (["6.6.6.6, 203.0.113.5"], CLIENT),
        (["6.6.6.6, 203.0.113.5, 10.0.0.9"], CLIENT),
        (["10.0.0.7, 203.0.113.5, 10.0.0.8,10.0.0.9"], CLIENT),
        (["6.6.6.6", "203.0.113.5", "10.0.0.9"], CLIENT),
        ([", 203.0.113.5"], CLIENT),
        (["10.0.0.8, 10.0.0.9"], "10.0.0.8"),
        (["2001:DB8::5"], "2001:db8::5"),
        (["::ffff:203.0.113.5"], CLIENT),
        (["203.0.113.5:4711"], CLIENT),
        (["[2001:db8::5]"], "2001:db8::5"),
        (["[2001:db8::5]:4711"], "2001:db8::5"),
        (["\t203.0.113.5 "], CLIENT),
    ],
)
def test_t2_the_client_is_the_last_hop_that_is_no_trusted_proxy(
    settings: Any, values: list[str], client_ip: str
) -> None:
    behind(settings, "10.0.0.0/8")
    assert let_in(*forwarded(*values), peer=("10.0.0.1", 5)).client_ip == client_ip


MALFORMED = [
    "", " ", "unknown", "unix", "example.com", "203.0.113", "203.0.113.256", "0203.0.113.5", "203.0.113.5/32",
    "203.0.113.5:", "203.0.113.5:port", "203.0.113.5:123456", "203.0.113.5 6.6.6.6", "203.0.113.5\x0b",
    "203.0.113.5\x85", "\xa0203.0.113.5", "[203.0.113.5", "[2001:db8::5]x", "2001:db8::5%eth0", "2001:db8:::5",
    "::ffff:203.0.113.256", "for=203.0.113.5", '"203.0.113.5"', "\xb2\xb303.0.113.5", ":", "[]", "1" * 60_000,
]  # fmt: skip


@pytest.mark.parametrize("value", MALFORMED, ids=lambda value: ascii(value[:24]))
def test_t2_what_is_malformed_ends_the_list_at_the_last_believable_hop(settings: Any, value: str) -> None:
    behind(settings, "10.0.0.0/8")
    found = let_in(*forwarded(f"6.6.6.6, {value}, 10.0.0.9"), peer=("10.0.0.1", 5))
    assert (found.address, found.client_ip) == ("10.0.0.9", "10.0.0.9")
    assert let_in(*forwarded(value), peer=("10.0.0.1", 5)).client_ip == "10.0.0.1"


def test_a_malformed_hop_behind_a_unix_socket_leaves_no_address(settings: Any) -> None:
    behind(settings, "unix")
    assert let_in(*forwarded("unknown"), peer=("unix", 0)) == Handshake("", "")


def test_t2_no_more_proxies_are_looked_through_than_there_can_be(settings: Any) -> None:
    behind(settings, "10.0.0.0/8")
    through, beyond = (", ".join([CLIENT, *["10.0.0.9"] * hops]) for hops in (MAX_HOPS - 1, MAX_HOPS))
    assert let_in(*forwarded(through), peer=("10.0.0.1", 5)).client_ip == CLIENT
    assert let_in(*forwarded(beyond), peer=("10.0.0.1", 5)).client_ip == CLIENT
    assert let_in(*forwarded(f"{CLIENT}, {beyond}"), peer=("10.0.0.1", 5)).client_ip == "10.0.0.9"


@pytest.mark.parametrize("client", [["6.6.6.6", 0], ["6.6.6.6", 77], ["unix", 0], ["unix", 5], None])
@pytest.mark.parametrize("proxies", [[], ["127.0.0.1"]])
def test_t2_a_rewritten_scope_does_not_count_where_the_peer_is_known(
    settings: Any, proxies: list[str], client: list[Any] | None
) -> None:
    behind(settings, *proxies)
    headers = forwarded("6.6.6.6:77, unix, 203.0.113.5")
    found = let_in(*headers, client=client, peer=("192.0.2.1", 5))
    assert (found.address, found.client_ip) == ("192.0.2.1", "192.0.2.1")


@pytest.mark.parametrize("client", [["6.6.6.6", 0], ["6.6.6.6", 77], ["192.0.2.9", 0], ["2001:db8::5", 7], ["unix", 7]])
@pytest.mark.parametrize("proxies", [[], ["6.6.6.0/24", "unix"]])
def test_t2_a_scope_that_may_be_rewritten_is_not_believed(settings: Any, proxies: list[str], client: list[Any]) -> None:
    behind(settings, *proxies)
    found = let_in(*forwarded("203.0.113.5, unix:7, 6.6.6.6:77, [2001:db8::5]:7"), client=client)
    assert found.client_ip == ""


def test_t14_naming_oneself_in_the_header_does_not_evade_being_counted() -> None:
    found = let_in(*forwarded("192.0.2.1"), client=["192.0.2.1", 5])
    assert found.address == "192.0.2.1"


def test_t29_a_trusted_proxy_is_known_by_the_scope_where_nothing_better_is(settings: Any) -> None:
    behind(settings, "192.0.2.1", "unix")
    assert let_in(*forwarded(CLIENT), client=["192.0.2.1", 5]).client_ip == CLIENT
    assert let_in(*forwarded(CLIENT), client=None, server=("/run/socket", None)).client_ip == CLIENT
    assert let_in(*forwarded(CLIENT), client=None, server=("127.0.0.1", 80)).client_ip == ""


# --- what a client says of itself


def test_what_a_client_is_and_speaks_is_kept() -> None:
    agents = [(b"User-Agent", b"Mozilla/5.0 \xe4"), (b"user-agent", b"another")]
    found = let_in(*agents, (b"accept-language", b"de"), (b"accept-language", b"en;q=0.5"))
    assert (found.user_agent, found.accept_language) == ("Mozilla/5.0 ä", "de,en;q=0.5")


def test_of_long_headers_only_the_beginning_is_kept() -> None:
    found = let_in((b"user-agent", b"x" * 60_000), (b"accept-language", b"y" * 60_000))
    assert (len(found.user_agent), len(found.accept_language)) == (HEADER_LENGTH, HEADER_LENGTH)


# --- how many


def limit(settings: Any, **limits: int) -> SocketCounts:
    settings.SESSIONSTORE = limits
    return SocketCounts()


def test_t14_sockets_of_a_process_are_counted(settings: Any) -> None:
    counts = limit(settings, SOCKETS_PER_PROCESS=2)
    assert counts.admit("a") is counts.admit("b") is None
    refusal = counts.admit("c")
    assert refusal is not None
    assert refusal.status == 503
    counts.release("a")
    assert counts.admit("c") is None
    assert counts.total == 2


def test_t14_sockets_of_an_address_are_counted(settings: Any) -> None:
    counts = limit(settings, SOCKETS_PER_ADDRESS=2)
    assert counts.admit("a") is counts.admit("a") is counts.admit("b") is None
    refusal = counts.admit("a")
    assert refusal is not None
    assert refusal.status == 503
    counts.release("a")
    assert counts.admit("a") is None


def test_sockets_without_an_address_are_not_taken_for_one(settings: Any) -> None:
    counts = limit(settings, SOCKETS_PER_ADDRESS=1)
    assert [counts.admit("") for _ in range(3)] == [None] * 3


def test_t14_sockets_of_a_user_are_counted(settings: Any) -> None:
    counts = limit(settings, SOCKETS_PER_USER=1)
    assert counts.admit_user("ann")
    assert not counts.admit_user("ann")
    assert counts.admit_user("bo")
    counts.release_user("ann")
    assert counts.admit_user("ann")


def test_anonymous_sockets_are_not_one_user(settings: Any) -> None:
    counts = limit(settings, SOCKETS_PER_USER=1)
    assert all(counts.admit_user("") for _ in range(3))
    counts.release_user("")


def test_i15_counts_return_to_nothing(settings: Any) -> None:
    counts = limit(settings)
    for _ in range(3):
        counts.admit("a")
        counts.admit_user("ann")
    for _ in range(3):
        counts.release("a")
        counts.release_user("ann")
    assert counts.total == 0
    assert not counts._by_address
    assert not counts._by_user
