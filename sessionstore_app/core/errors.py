"""Every refusal, as one tree of exceptions and one table for the wire.

Knows the reason, the JSON-RPC code and the hint of each error; does not know how a reply is framed.
A class's docstring is its default message, so text and documentation cannot differ.

SessionStoreError
├── ParseError, InvalidRequest, MethodNotFound, InvalidParams, InternalError     JSON-RPC's own
├── NotOpen, AccessDenied, NoSuchSession, NotJoined, WrongTransport              who may ask
├── VersionConflict, InvalidKey, InvalidValue, InvalidFilter                     what was asked
├── ValueTooLarge, TooManyKeys, StoreTooLarge, RateLimited, LimitExceeded        how much
├── Unavailable, LockNotHeld, LockTimeout, NotFound, StoreDestroyed              what stands in the way
└── SpaceWiped                                                                   internal: never reaches a client
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sessionstore_app.core.entries import Entry


class SessionStoreError(Exception):
    """Something was refused."""

    code: ClassVar[int] = -32603
    reason: ClassVar[str] = "INTERNAL_ERROR"
    hint: ClassVar[str] = "Try again; if it stays so, look at the server's log."
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str = "",
        *,
        hint: str = "",
        limit: float | None = None,
        actual: float | None = None,
        retry_after_seconds: float | None = None,
        current: Entry | None = None,
    ) -> None:
        super().__init__(message or (type(self).__doc__ or "").split("\n", 1)[0])
        self.advice = hint or self.hint
        self.limit = limit
        self.actual = actual
        self.retry_after_seconds = retry_after_seconds
        self.current = current

    @property
    def data(self) -> Mapping[str, object]:
        """What `error.data` holds beside `current`: reason, hint and the figures that help to act."""
        figures = {"limit": self.limit, "actual": self.actual, "retry_after_seconds": self.retry_after_seconds}
        known = {name: figure for name, figure in figures.items() if figure is not None}
        return {"reason": self.reason, "hint": self.advice, **known}


class ParseError(SessionStoreError):
    """The frame is not strict JSON."""

    code = -32700
    reason = "PARSE_ERROR"
    hint = "Send one JSON object (or a batch) without duplicate names, NaN, NUL or numbers a browser would round."


class InvalidRequest(SessionStoreError):
    """The frame is JSON, but not a JSON-RPC 2.0 request."""

    code = -32600
    reason = "INVALID_REQUEST"
    hint = 'Send {"jsonrpc": "2.0", "id": …, "method": "…", "params": {…}}.'


class MethodNotFound(SessionStoreError):
    """There is no such method."""

    code = -32601
    reason = "METHOD_NOT_FOUND"
    hint = "Look the method up in the protocol's tables; names are spelled noun.verb."


class InvalidParams(SessionStoreError):
    """The parameters do not fit the method."""

    code = -32602
    reason = "INVALID_PARAMS"
    hint = "Params go by name; compare names and types with the method's row in the protocol."


class InternalError(SessionStoreError):
    """The server failed; the fault is in its log."""

    code = -32603
    reason = "INTERNAL_ERROR"


class NotOpen(SessionStoreError):
    """The session is not open yet."""

    code = -32001
    reason = "NOT_OPEN"
    hint = "Send session.open first."


class AccessDenied(SessionStoreError):
    """This caller may not do that."""

    code = -32002
    reason = "ACCESS_DENIED"
    hint = "Log in, bring a valid token, or ask for the permission."

    def __init__(self, message: str = "", *, hint: str = "", rule: Mapping[str, object] | None = None) -> None:
        super().__init__(message, hint=hint)
        # The rule of a room type that refused, if one did: who may, and what this caller may instead.
        self.rule = rule

    @property
    def data(self) -> Mapping[str, object]:
        """As of every error, and the rule."""
        return super().data if self.rule is None else {**super().data, "rule": self.rule}


class NoSuchSession(SessionStoreError):
    """There is no session with that id."""

    code = -32003
    reason = "NO_SUCH_SESSION"
    hint = "The session may have ended; list the sessions again."


class NotJoined(SessionStoreError):
    """This session has not joined the room."""

    code = -32004
    reason = "NOT_JOINED"
    hint = "Send room.join first."


class VersionConflict(SessionStoreError):
    """The entry is no longer at the version that was named."""

    code = -32005
    reason = "VERSION_CONFLICT"
    hint = "Take `current`, apply the change to it and write again with its version."


class ValueTooLarge(SessionStoreError):
    """The value is larger than one entry may be."""

    code = -32006
    reason = "VALUE_TOO_LARGE"
    hint = "A value counts as compact UTF-8 JSON; store less, or split it over several keys."


class TooManyKeys(SessionStoreError):
    """The store holds as many keys as it may."""

    code = -32007
    reason = "TOO_MANY_KEYS"
    hint = "Delete a key first, or keep several things in one value."


class StoreTooLarge(SessionStoreError):
    """Keys and values together would be larger than the store may be."""

    code = -32008
    reason = "STORE_TOO_LARGE"
    hint = "Delete or shorten something first; key names count too."


class InvalidKey(SessionStoreError):
    """That cannot be a key."""

    code = -32009
    reason = "INVALID_KEY"
    hint = "A key is non-empty text without `*` and control characters, and not a name browsers reserve."


@dataclass(frozen=True, slots=True)
class FilterError:
    """What is wrong in a filter, and where: line and column count from 1, the column in characters."""

    message: str
    line: int
    column: int


class InvalidFilter(SessionStoreError):
    """The filter cannot be read."""

    code = -32010
    reason = "INVALID_FILTER"
    hint = "See `errors` for line and column."

    def __init__(
        self, *, errors: tuple[FilterError, ...], limit: float | None = None, actual: float | None = None
    ) -> None:
        places = [f"{error.message} (Line {error.line}, column {error.column}.)" for error in errors]
        super().__init__(" ".join(places), limit=limit, actual=actual)
        self.errors = errors

    @property
    def data(self) -> Mapping[str, object]:
        """As of every error, and the errors."""
        return {**super().data, "errors": [asdict(error) for error in self.errors]}


class Unavailable(SessionStoreError):
    """The store cannot be reached at this moment."""

    code = -32011
    reason = "UNAVAILABLE"
    hint = "Nothing is known to be wrong with the request: send it again, with the same `op`."
    retryable = True

    def __init__(self, message: str = "", *, retry_after_seconds: float | None = 1.0) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)


class RateLimited(SessionStoreError):
    """This socket writes faster than it may."""

    code = -32012
    reason = "RATE_LIMITED"
    hint = "Wait `retry_after_seconds`; a client that goes on regardless is disconnected."
    retryable = True


class LimitExceeded(SessionStoreError):
    """A limit is reached."""

    code = -32013
    reason = "LIMIT_EXCEEDED"
    hint = "See `limit` and `actual`; session.open lists all limits."


class InvalidValue(SessionStoreError):
    """The value does not fit what the key holds."""

    code = -32014
    reason = "INVALID_VALUE"
    hint = "Look at `current`: the operation needs another type of value there."


class LockNotHeld(SessionStoreError):
    """This session does not hold that lock."""

    code = -32015
    reason = "LOCK_NOT_HELD"
    hint = "Acquire the lock first."


class LockTimeout(SessionStoreError):
    """The lock was not granted in time."""

    code = -32016
    reason = "LOCK_TIMEOUT"
    hint = "Try again, or wait longer."
    retryable = True


class WrongTransport(SessionStoreError):
    """The method needs a WebSocket."""

    code = -32017
    reason = "WRONG_TRANSPORT"
    hint = "Call it over the socket."


class NotFound(SessionStoreError):
    """There is no such site session."""

    code = -32018
    reason = "NOT_FOUND"
    hint = "It may have expired; create a new one."


class StoreDestroyed(SessionStoreError):
    """The store was destroyed with its session."""

    code = -32019
    reason = "STORE_DESTROYED"
    hint = "Open a new session."


class SpaceWiped(SessionStoreError):
    """The space was wiped; its room goes on under another epoch."""


def wire_errors() -> dict[str, int]:
    """Reason → JSON-RPC code of every error that can reach a client."""
    return {cls.reason: cls.code for cls in SessionStoreError.__subclasses__() if cls is not SpaceWiped}
