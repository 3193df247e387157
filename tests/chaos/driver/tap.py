"""A tap on a client's sockets: what the server really said, before the client makes anything of it.

A client drops what is old by itself, and so would hide a server that takes a version back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from websockets.asyncio.client import ClientConnection

from tests.chaos.driver.history import Heard, History, Opened, Seen, Told, seen

_REPLIES = frozenset({"room.set", "room.delete", "room.update", "room.write", "room.get", "room.snapshot"})
_NEWS = {"room.changed": "changed", "room.snapshot": "snapshot", "room.cleared": "cleared"}
_ANSWERS = {"room.join": "joined", "room.observe": "observed", "room.snapshot": "read"}


class Tap:
    """One client's sockets, one after the other."""

    def __init__(self, client: str, history: History, *, observes_all: bool = True) -> None:
        self.client = client
        self.history = history
        self.observes_all = observes_all
        self.sockets = 0
        self.session = ""
        # Answers to writes and reads since somebody last emptied this.
        self.replies: list[Mapping[str, Any]] = []

    def connection(self, protocol: Any, **options: Any) -> ClientConnection:
        """What `websockets.connect` is to make in place of its own."""
        self.sockets += 1
        return _Tapped(self, self.sockets, protocol, **options)


class _Tapped(ClientConnection):
    """A socket that shows what goes through it."""

    def __init__(self, tap: Tap, number: int, protocol: Any, **options: Any) -> None:
        super().__init__(protocol, **options)
        self._tap = tap
        self._number = number
        self._asked: dict[int, tuple[str, Mapping[str, Any], float]] = {}

    async def send(self, message: Any, *, text: bool | None = None) -> None:
        call = json.loads(message)
        if "id" in call:
            self._asked[call["id"]] = (call["method"], call["params"], self._tap.history.now())
        await super().send(message, text=text)

    async def recv(self, decode: bool | None = None) -> Any:
        message = await super().recv(decode)
        frame = json.loads(message)
        for each in frame if isinstance(frame, list) else [frame]:
            self._look(each)
        return message

    def _look(self, message: Mapping[str, Any]) -> None:
        method = message.get("method")
        if method in _NEWS:
            self._told(_NEWS[method], message["params"], whole=method != "room.changed")
        elif method == "session.event":
            self._heard(message["params"])
        elif "result" in message and (asked := self._asked.pop(message["id"], None)) is not None:
            self._answered(*asked, message["result"])

    def _answered(self, method: str, params: Mapping[str, Any], asked: float, result: Any) -> None:
        if method in _REPLIES:
            self._tap.replies.append(result)
        if method == "session.open":
            self._tap.session = result["session_id"]
            self._tap.history.opened.append(
                Opened(
                    at=self._tap.history.now(),
                    client=self._tap.client,
                    socket=self._number,
                    session=result["session_id"],
                    is_resumed=result["resumed"],
                    server=result["server_name"],
                )
            )
        elif method in _ANSWERS:
            whole = method == "room.join" and ("since" not in params or bool(result.get("complete")))
            whole = whole or (method == "room.snapshot" and params.get("keys", ["*"]) == ["*"])
            self._told(_ANSWERS[method], {"room": params["room"], **result}, whole=whole, asked=asked)

    def _told(self, kind: Any, params: Mapping[str, Any], *, whole: bool, asked: float | None = None) -> None:
        entries: tuple[Seen, ...] = tuple(map(seen, params.get("changes") or params.get("entries") or ()))
        self._tap.history.told.append(
            Told(
                at=self._tap.history.now(),
                client=self._tap.client,
                socket=self._number,
                session=self._tap.session,
                room=params["room"],
                kind=kind,
                epoch=params["epoch"],
                version=params.get("version", 0),
                entries=entries,
                whole=whole,
                reason=params.get("reason", ""),
                asked=asked,
                observes_all=self._tap.observes_all,
            )
        )

    def _heard(self, event: Mapping[str, Any]) -> None:
        self._tap.history.heard.append(
            Heard(
                at=self._tap.history.now(),
                listener=f"{self._tap.client}/{event['listener_id']}",
                socket=self._number,
                session=event["session_id"],
                type=event["type"],
                state=event["state"],
                revision=event["revision"],
                close_reason=event.get("close_reason"),
            )
        )
