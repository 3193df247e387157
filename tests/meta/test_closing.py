"""Close reasons and codes are those of the protocol."""

from __future__ import annotations

from sessionstore_app.core.close import CloseReason

DIFFUSION = {
    "CONNECTION_LOST": 0,
    "IO_EXCEPTION": 1,
    "CLIENT_UNRESPONSIVE": 2,
    "MESSAGE_QUEUE_LIMIT_REACHED": 3,
    "CLOSED_BY_CLIENT": 4,
    "MESSAGE_TOO_LARGE": 5,
    "INTERNAL_ERROR": 6,
    "INVALID_INBOUND_MESSAGE": 7,
    "ABORTED": 8,
    "LOST_MESSAGES": 9,
    "CLOSED_BY_CONTROLLER": 11,
    "FAILED_OVER": 12,
    "EXPIRED": 13,
    "REVOKED": 14,
    "SESSION_TAKEN_OVER": 15,
}
OURS = {"SERVER_SHUTDOWN": 101, "RATE_LIMITED": 102, "OPEN_TIMEOUT": 103}

# The codes that the protocol names.
PROTOCOL = {
    "CONNECTION_LOST": 4000,
    "CLIENT_UNRESPONSIVE": 4002,
    "MESSAGE_QUEUE_LIMIT_REACHED": 4003,
    "MESSAGE_TOO_LARGE": 4005,
    "INTERNAL_ERROR": 4006,
    "INVALID_INBOUND_MESSAGE": 4007,
    "ABORTED": 4008,
    "CLOSED_BY_CONTROLLER": 4011,
    "EXPIRED": 4013,
    "REVOKED": 4014,
    "SESSION_TAKEN_OVER": 4015,
    "RATE_LIMITED": 4102,
    "OPEN_TIMEOUT": 4103,
    "SERVER_SHUTDOWN": 1012,
}


def test_reasons_carry_diffusions_numbers_and_ours_from_100_on() -> None:
    assert {reason.name: reason.value for reason in CloseReason} == DIFFUSION | OURS


def test_codes_are_those_of_the_protocol() -> None:
    assert {name: CloseReason[name].code for name in PROTOCOL} == PROTOCOL


def test_no_two_reasons_share_a_code_and_each_is_a_legal_one() -> None:
    codes = {reason.code for reason in CloseReason}
    assert len(codes) == len(CloseReason)
    assert all(code == 1012 or 4000 <= code <= 4999 for code in codes)
