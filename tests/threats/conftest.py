"""Both server programs as operations.md starts them, behind a proxy of the same machine and with one foreign Origin;
they log all that they can.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import cast

import pytest

from tests.support.guests import Guests
from tests.support.logins import log_in
from tests.support.server import Server
from tests.threats.origins import ALLOWED
from tests.threats.servers import flagged

_SETTINGS = {"ALLOWED_ORIGINS": [ALLOWED], "TRUSTED_PROXIES": ["127.0.0.1"]}
_TALKATIVE = {"LOG_LEVEL": "DEBUG"}


@pytest.fixture(scope="session")
def guarded_uvicorn() -> Iterator[Server]:
    with flagged("uvicorn", settings=_SETTINGS, environment=_TALKATIVE) as server:
        yield server


@pytest.fixture(scope="session")
def guarded_daphne() -> Iterator[Server]:
    with flagged("daphne", settings=_SETTINGS, environment=_TALKATIVE) as server:
        yield server


@pytest.fixture(params=["uvicorn", "daphne"])
def guarded(request: pytest.FixtureRequest) -> Server:
    """Each of the servers in turn."""
    return cast("Server", request.getfixturevalue(f"guarded_{request.param}"))


@pytest.fixture
async def guarded_guests(guarded: Server) -> AsyncIterator[Guests]:
    """Clients of `guarded`."""
    async with Guests(guarded) as opened:
        yield opened


_cookies: dict[int, str] = {}


@pytest.fixture
def victim(guarded: Server) -> bytes:
    """The Cookie header of Ann, who is logged in there and manages rooms."""
    key = _cookies.get(guarded.port) or log_in(guarded, "ann", ["manage_room"])
    _cookies[guarded.port] = key
    return b"Cookie: sessionid=" + key.encode()
