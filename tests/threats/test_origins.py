"""T1, T2: whose page opened this socket, and from where; asked of both server programs, by bytes as they are sent.

What the parser of a header does with the same tricks is in tests/unit/test_handshake.py.
"""

from __future__ import annotations

import pytest

from tests.support.server import Server
from tests.threats.origins import ALLOWED, foreign
from tests.threats.rawsocket import RawSocket

# The program may find the header too odd to hand it on.
REFUSED = {0, 400, 403}
CLIENT = "203.0.113.5"


@pytest.mark.parametrize("what", foreign("127.0.0.1:1"))
async def test_t1_a_foreign_page_opens_no_socket_with_its_victims_cookie(
    guarded: Server, victim: bytes, what: str
) -> None:
    origin = foreign(guarded.host)[what]
    async with await RawSocket.shake(guarded, victim, b"Origin: " + origin) as raw:
        assert raw.status in REFUSED, origin


@pytest.mark.parametrize("second", ["http://{host}", "https://evil.example", ALLOWED, ""])
async def test_t1_t2_two_origins_are_refused(guarded: Server, victim: bytes, second: str) -> None:
    lines = (b"Origin: http://" + guarded.host.encode(), b"oRIGIN: " + second.format(host=guarded.host).encode())
    for pair in (lines, lines[::-1]):
        async with await RawSocket.shake(guarded, victim, *pair) as raw:
            assert raw.status in REFUSED


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (b"evil.example", b"http://evil.example"),
        (b"evil.example:80", b"http://evil.example"),
        (b"127.0.0.1.evil.example", b"http://127.0.0.1.evil.example"),
        (b"127.0.0.1@evil.example", b"http://127.0.0.1@evil.example"),
        (b"127.0.0.1:1", b"http://evil.example"),
        (b"", b"http://"),
        (b"", b"null"),
    ],
)
async def test_t1_a_name_that_is_not_served_makes_no_page_ours(
    guarded: Server, victim: bytes, host: bytes, origin: bytes
) -> None:
    """As after the attacker's name was pointed at this server: both headers agree, and neither is ours."""
    async with await RawSocket.shake(guarded, victim, b"Origin: " + origin, host=host) as raw:
        assert raw.status in REFUSED


async def test_t1_the_own_page_and_an_allowed_one_are_let_in_as_who_is_logged_in(
    guarded: Server, victim: bytes
) -> None:
    for origin in (f"http://{guarded.host}", ALLOWED):
        async with await RawSocket.shake(guarded, victim, b"Origin: " + origin.encode()) as raw:
            assert raw.status == 101
            assert (await raw.call("session.open"))["principal"] == "ann"


async def test_t1_without_an_origin_a_cookie_is_nobodys(guarded: Server, victim: bytes) -> None:
    async with await RawSocket.shake(guarded, victim) as raw:
        assert (await raw.call("session.open"))["principal"] == ""


# --- T2: bytes at which one parser ends a line, and the next does not (CVE-2026-44546)

BYTES = {
    "NUL": b"\0",
    "start of heading": b"\x01",
    "backspace": b"\x08",
    "tab": b"\t",
    "vertical tab": b"\x0b",
    "form feed": b"\x0c",
    "carriage return": b"\r",
    "escape": b"\x1b",
    "file separator": b"\x1c",
    "group separator": b"\x1d",
    "record separator": b"\x1e",
    "unit separator": b"\x1f",
    "delete": b"\x7f",
    "next line": b"\x85",
    "next line in UTF-8": b"\xc2\x85",
    "no-break space": b"\xa0",
    "line separator": b"\xe2\x80\xa8",
    "carriage return and tab": b"\r\t",
}


@pytest.mark.parametrize("between", BYTES.values(), ids=list(BYTES))
async def test_t2_no_byte_makes_an_origin_of_another_headers_value(
    guarded: Server, victim: bytes, between: bytes
) -> None:
    smuggled = b"X-Note: a" + between + b"Origin: http://" + guarded.host.encode()
    async with await RawSocket.shake(guarded, victim, b"Origin: https://evil.example", smuggled) as raw:
        assert raw.status in REFUSED
    async with await RawSocket.shake(guarded, victim, smuggled) as raw:
        # It may be let in like anybody without an Origin, and is nobody then.
        assert raw.status in REFUSED | {101}
        assert raw.status != 101 or (await raw.call("session.open"))["principal"] == ""


@pytest.mark.parametrize("between", BYTES.values(), ids=list(BYTES))
async def test_t2_t29_no_byte_makes_an_address_of_another_headers_value(guarded: Server, between: bytes) -> None:
    """What a trusted proxy added stands; what a client wrote before it, or into another header, does not."""
    added = b"X-Forwarded-For: " + CLIENT.encode()
    attempts = [
        (added, b"X-Note: a" + between + b"X-Forwarded-For: 6.6.6.6"),
        (b"X-Note: a" + between + b"X-Forwarded-For: 6.6.6.6", added),
        (b"X-Forwarded-For: 6.6.6.6" + between + b", " + CLIENT.encode(),),
        (b"X-Forwarded-For: 6.6.6.6" + between + b"\t" + CLIENT.encode(),),
        (added + between + b"6.6.6.6",),
    ]
    for lines in attempts:
        async with await RawSocket.shake(guarded, *lines) as raw:
            assert raw.status in REFUSED | {101}
            if raw.status == 101:
                seen = (await raw.call("session.open"))["properties"].get("$ClientIP")
                # Where the line cannot be read, the hop is the last that can be: the proxy itself.
                assert seen in {CLIENT, "127.0.0.1"}, lines


@pytest.mark.parametrize("name", [b"X_Forwarded_For", b"x_forwarded-for", b"X-Forwarded_For", b"X.Forwarded.For"])
async def test_t2_t29_a_name_that_looks_alike_is_another_header(guarded: Server, name: bytes) -> None:
    """Proxies strip the one with hyphens; the other was taken for it by Django once (CVE-2026-3902)."""
    added = b"X-Forwarded-For: " + CLIENT.encode()
    for lines in ((name + b": 6.6.6.6", added), (added, name + b": 6.6.6.6")):
        async with await RawSocket.shake(guarded, *lines) as raw:
            assert (await raw.call("session.open"))["properties"]["$ClientIP"] == CLIENT


async def test_t1_an_origin_that_looks_alike_is_none(guarded: Server, victim: bytes) -> None:
    own = b"O_rigin: http://" + guarded.host.encode()
    for lines in ((victim, own), (victim, b"X-Origin: http://" + guarded.host.encode())):
        async with await RawSocket.shake(guarded, *lines) as raw:
            assert (await raw.call("session.open"))["principal"] == ""


async def test_t2_t29_what_the_proxy_added_is_the_address(guarded: Server) -> None:
    async with await RawSocket.shake(guarded, b"X-Forwarded-For: 6.6.6.6, " + CLIENT.encode()) as raw:
        assert (await raw.call("session.open"))["properties"]["$ClientIP"] == CLIENT
