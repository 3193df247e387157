"""What a call may raise: refusals of the server by their class, and what only a client can know.

Knows the wire's error object and close codes; knows no socket.

SessionStoreError       the server refused; its tree is in `sessionstore_app.core.errors`
ClientError             the client cannot go on
├── Disconnected        there is no connection at this moment, and the call cannot wait for one
├── ClosedError         the session has ended
├── OutcomeUnknown      a write was sent, and nobody can say whether it was applied
└── ConsumerTooSlow     an iterator was not read while its news came
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sessionstore_app.client.forms import entry_of
from sessionstore_app.core import errors
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.errors import SessionStoreError

# The network, a proxy, a server that restarts, and reasons after which the same client is welcome again.
RECONNECTED_AFTER: Final = frozenset({1001, 1006, 1011, 1012, 4000, 4001, 4002, 4006, 4102})

_CLASSES: Final = {
    cls.reason: cls
    for cls in vars(errors).values()
    if isinstance(cls, type)
    and issubclass(cls, SessionStoreError)
    and cls not in (SessionStoreError, errors.SpaceWiped)
}
_CLOSE_REASONS: Final = {reason.code: reason.name for reason in CloseReason}


class ClientError(Exception):
    """The client cannot go on."""

    reason: str = "CLIENT_ERROR"
    hint: str = ""

    def __init__(self, hint: str = "") -> None:
        super().__init__(f"{(type(self).__doc__ or '').splitlines()[0]} {hint}".strip())
        self.hint = hint


class Disconnected(ClientError):
    """There is no connection at this moment."""

    reason = "DISCONNECTED"


class ClosedError(ClientError):
    """The session has ended.

    `reason` is a close reason's name, the reason of the error with which the server refused to open it, or
    `HANDSHAKE_REFUSED`, `CONNECT_TIMEOUT`, `CLIENT_FAILED`. `code` is the close code, or None where there was none.
    """

    def __init__(self, reason: str, code: int | None = None) -> None:
        super().__init__(f"{reason} ({code})" if code is not None else reason)
        self.hint = ""
        self.reason = reason
        self.code = code


class OutcomeUnknown(ClientError):
    """The write was sent, and it is not known whether it was applied."""

    reason = "OUTCOME_UNKNOWN"


class ConsumerTooSlow(ClientError):
    """More news came than this iterator may hold."""

    reason = "CONSUMER_TOO_SLOW"


def close_reason(code: int) -> str:
    """The name of a close code's reason; CONNECTION_LOST where it is not one of ours."""
    return _CLOSE_REASONS.get(code, "CONNECTION_LOST")


def named(reason: str) -> SessionStoreError:
    """The error of a reason that came without an error object."""
    return refusal({"data": {"reason": reason}})


def refusal(error: Mapping[str, Any]) -> SessionStoreError:
    """The wire's `{code, message, data}` as the class of its reason.

    A reason that is not known becomes a plain SessionStoreError that says what the wire said.
    """
    data: Mapping[str, Any] = error.get("data") or {}
    reason = data.get("reason", "INTERNAL_ERROR")
    cls = _CLASSES.get(reason, SessionStoreError)
    # Some classes make up their message from arguments that the wire does not carry.
    made = cls.__new__(cls)
    current = data.get("current")
    SessionStoreError.__init__(
        made,
        error.get("message") or ("" if reason in _CLASSES else reason),
        hint=data.get("hint", ""),
        limit=data.get("limit"),
        actual=data.get("actual"),
        retry_after_seconds=data.get("retry_after_seconds"),
        current=entry_of(current) if current and "key" in current else None,
    )
    if isinstance(made, errors.InvalidFilter):
        made.errors = tuple(
            errors.FilterError(each["message"], each["line"], each["column"]) for each in data.get("errors", ())
        )
    if isinstance(made, errors.AccessDenied):
        made.rule = data.get("rule")
    if reason not in _CLASSES:
        vars(made).update(reason=reason, code=error.get("code", cls.code))
    return made
