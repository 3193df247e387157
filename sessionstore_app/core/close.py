"""Why a session ends: the one table of close reasons and their WebSocket close codes."""

from __future__ import annotations

from enum import IntEnum

# Private WebSocket close codes start here: code = CODE_BASE + reason.
CODE_BASE = 4000

# Sent by a server that shuts down (RFC 6455, registry of close codes: "Service Restart").
SERVICE_RESTART = 1012


class CloseReason(IntEnum):
    """Reasons 0–15 carry Diffusion's numbers (10 is not used there); from 100 on they are ours."""

    CONNECTION_LOST = 0
    IO_EXCEPTION = 1
    CLIENT_UNRESPONSIVE = 2
    MESSAGE_QUEUE_LIMIT_REACHED = 3
    CLOSED_BY_CLIENT = 4
    MESSAGE_TOO_LARGE = 5
    INTERNAL_ERROR = 6
    INVALID_INBOUND_MESSAGE = 7
    ABORTED = 8
    LOST_MESSAGES = 9
    CLOSED_BY_CONTROLLER = 11
    FAILED_OVER = 12
    EXPIRED = 13
    REVOKED = 14
    SESSION_TAKEN_OVER = 15
    SERVER_SHUTDOWN = 101
    RATE_LIMITED = 102
    OPEN_TIMEOUT = 103

    @property
    def code(self) -> int:
        """The WebSocket close code that tells this reason."""
        if self is CloseReason.SERVER_SHUTDOWN:
            return SERVICE_RESTART
        return CODE_BASE + self

    @property
    def ends_session(self) -> bool:
        """True where the session ends with the socket; otherwise it may be resumed until it lapses."""
        return self not in _RESUMABLE


# After these the same client may come back and resume.
_RESUMABLE = frozenset(
    {
        CloseReason.CONNECTION_LOST,
        CloseReason.IO_EXCEPTION,
        CloseReason.CLIENT_UNRESPONSIVE,
        CloseReason.MESSAGE_QUEUE_LIMIT_REACHED,
        CloseReason.INTERNAL_ERROR,
        CloseReason.SERVER_SHUTDOWN,
        CloseReason.RATE_LIMITED,
        CloseReason.SESSION_TAKEN_OVER,
        CloseReason.FAILED_OVER,
    }
)
