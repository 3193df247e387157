"""T3 on the socket: a token that ends at what is no time is a bad one, and no fault of the server."""

from __future__ import annotations

import pytest

from tests.support.guests import Guests
from tests.support.tokens import TIMELESS, token_until


@pytest.mark.parametrize("at", TIMELESS)
async def test_t3_a_token_that_ends_at_no_time_is_a_bad_one(guests: Guests, at: float) -> None:
    wire = await guests.connect()
    error = await wire.refused("session.open", "ACCESS_DENIED", token=token_until(at))
    assert error["message"] == "The token is not valid."
    await wire.expect_closed(4008)
