"""Why a session ends, and what its socket is told."""

from __future__ import annotations

import pytest

from sessionstore_app.core.close import SERVICE_RESTART, CloseReason

ENDING = {
    CloseReason.CLOSED_BY_CLIENT,
    CloseReason.MESSAGE_TOO_LARGE,
    CloseReason.INVALID_INBOUND_MESSAGE,
    CloseReason.ABORTED,
    CloseReason.LOST_MESSAGES,
    CloseReason.CLOSED_BY_CONTROLLER,
    CloseReason.EXPIRED,
    CloseReason.REVOKED,
    CloseReason.OPEN_TIMEOUT,
}


@pytest.mark.parametrize("reason", set(CloseReason) - {CloseReason.SERVER_SHUTDOWN})
def test_a_close_code_is_4000_and_the_reasons_number(reason: CloseReason) -> None:
    assert reason.code == 4000 + reason.value


def test_a_server_that_shuts_down_says_service_restart() -> None:
    assert CloseReason.SERVER_SHUTDOWN.code == SERVICE_RESTART == 1012


@pytest.mark.parametrize("reason", CloseReason)
def test_only_a_deliberate_or_guilty_end_ends_the_session(reason: CloseReason) -> None:
    assert reason.ends_session is (reason in ENDING)


@pytest.mark.parametrize("name", ["CONNECTION_LOST", "IO_EXCEPTION", "CLIENT_UNRESPONSIVE"])
def test_p15_a_link_that_blinked_can_be_resumed(name: str) -> None:
    assert not CloseReason[name].ends_session
