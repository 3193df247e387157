"""What a client's listener is told of sessions, and the words in which tests ask for it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from tests.support.wire import Params, Wire

Event = Params
# State and revision of an event; what a test mostly cares for.
Brief = tuple[str, int]


class Hearing:
    """One listener of a client."""

    def __init__(self, wire: Wire, listener_id: str) -> None:
        self.wire = wire
        self.id = listener_id

    @classmethod
    async def begin(cls, wire: Wire, **params: Any) -> Hearing:
        """Listen, and wait until what is there was told."""
        hearing = await cls.ask(wire, **params)
        await hearing.settled()
        return hearing

    @classmethod
    async def ask(cls, wire: Wire, **params: Any) -> Hearing:
        """Listen; events are on their way."""
        return cls(wire, (await wire.call("session.listen", **params))["listener_id"])

    async def settled(self) -> int:
        """Wait until what is there was told; returns how many sessions that were."""
        count: int = (await self.wire.expect("session.listening", listener_id=self.id))["count"]
        return count

    async def expect(self, session_id: str, **members: Any) -> Event:
        """Wait for an event of a session; it is taken out, earlier others stay."""
        return await self.wire.expect("session.event", listener_id=self.id, session_id=session_id, **members)

    async def until(self, session_id: str, state: str) -> list[Event]:
        """Wait until a session was told to be in a state; returns all that was told of it, and takes nothing out."""
        await self.wire.until(lambda: any(e["state"] == state for e in self.of(session_id)), f"it is {state}")
        return self.of(session_id)

    def of(self, session_id: str) -> list[Event]:
        """What was told of a session and nobody took out."""
        return self.told.get(session_id, [])

    def brief(self, session_id: str) -> list[Brief]:
        """State and revision of what was told of a session and nobody took out."""
        return [(event["state"], event["revision"]) for event in self.of(session_id)]

    @property
    def told(self) -> dict[str, list[Event]]:
        """What was told and nobody took out, by session, in the order told."""
        found: defaultdict[str, list[Event]] = defaultdict(list)
        for name, event in self.wire.notifications:
            if name == "session.event" and event["listener_id"] == self.id:
                found[event["session_id"]].append(event)
        return dict(found)

    async def silent(self) -> None:
        """Fail if anything is told, by this or another listener of the client, that nobody took out."""
        await self.wire.assert_silent("session.event", "session.listener_closed")


def only(*wires: Wire) -> str:
    """A filter that these sessions alone satisfy."""
    return "$SessionId in [" + ", ".join(f"'{wire.id}'" for wire in wires) + "]"
