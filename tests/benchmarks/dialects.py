"""What a peer says to each of the servers under measurement, and which of its frames answer a set."""

from __future__ import annotations

import json
from typing import Any, Protocol, TypeAlias

Message: TypeAlias = dict[str, Any]


class RefusedError(Exception):
    """The server answered a request with an error, which may say when to ask again."""

    def __init__(self, error: Message) -> None:
        super().__init__(json.dumps(error))
        self.retry_after_seconds: float | None = error.get("data", {}).get("retry_after_seconds")


class Dialect(Protocol):
    """How one server is spoken to. `opening` holds texts to send one by one, each when the one before is answered."""

    acknowledges: bool
    # Every set is told by itself, to its setter too, and has no other answer.
    tells_each: bool

    def path(self, room: str) -> str: ...

    def opening(self, room: str, token: str) -> list[str]: ...

    def opened(self, payload: bytes, step: int) -> bool:
        """Whether this frame answers the opening text number `step`."""
        ...

    def set_entry(self, room: str, key: str, value: str, number: int) -> str: ...

    def answers(self, payload: bytes) -> tuple[int, bytes]:
        """How many sets a frame of the setter's answers, and what of it is told to other peers too."""
        ...

    def tells_change(self, payload: bytes) -> bool: ...

    def closing(self) -> str | None: ...


class SessionStore:
    """The wire protocol of this project, with heartbeats, acknowledgements and batches as its own clients use them."""

    acknowledges = True
    tells_each = False

    def path(self, room: str) -> str:
        return "/ws/sessionstore/"

    def opening(self, room: str, token: str) -> list[str]:
        return [
            call("session.open", {"batch": True} | ({"token": token} if token else {}), 0),
            call("room.join", {"room": room, "observe": ["*"]}, 1),
        ]

    def opened(self, payload: bytes, step: int) -> bool:
        replies, _ = sorted_out(payload)
        return any(reply.get("id") == step for reply in replies)

    def set_entry(self, room: str, key: str, value: str, number: int) -> str:
        return call("room.set", {"room": room, "key": key, "value": value}, number)

    def answers(self, payload: bytes) -> tuple[int, bytes]:
        if b'"result":' not in payload and b'"error":' not in payload:
            return 0, payload
        replies, told = sorted_out(payload)
        return len(replies), json.dumps(told).encode()

    def tells_change(self, payload: bytes) -> bool:
        return b'"room.changed"' in payload or b'"room.snapshot"' in payload

    def closing(self) -> str | None:
        return call("session.close", {}, 2)


class Tutorial:
    """The reference: a peer is in the room once the socket is open, and its own message back is the answer."""

    acknowledges = False
    tells_each = True

    def path(self, room: str) -> str:
        return f"/ws/{room}/"

    def opening(self, room: str, token: str) -> list[str]:
        return []

    def opened(self, payload: bytes, step: int) -> bool:
        return False

    def set_entry(self, room: str, key: str, value: str, number: int) -> str:
        return json.dumps({"key": key, "value": value})

    def answers(self, payload: bytes) -> tuple[int, bytes]:
        return 0, payload

    def tells_change(self, payload: bytes) -> bool:
        return True

    def closing(self) -> str | None:
        return None


class Echo(Tutorial):
    """A socket that is only held open."""

    def path(self, room: str) -> str:
        return "/"


def call(method: str, params: dict[str, object], number: int) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}, separators=(",", ":"))


def sorted_out(payload: bytes) -> tuple[list[Message], list[Message]]:
    """The replies and the notifications of a frame, which holds one of them or an array. Raises RefusedError."""
    content = json.loads(payload)
    messages = content if isinstance(content, list) else [content]
    for message in messages:
        if "error" in message:
            raise RefusedError(message["error"])
    replies = [message for message in messages if "method" not in message]
    return replies, [message for message in messages if "method" in message]


DIALECTS: dict[str, Dialect] = {"sessionstore": SessionStore(), "tutorial": Tutorial(), "echo": Echo()}
