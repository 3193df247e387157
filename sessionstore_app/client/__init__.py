"""The Python client, for asyncio: bots, workers, tests, load drivers. Needs the extra `client`, and no Django.

    async with connect("ws://127.0.0.1:8000/ws/sessionstore/") as session:
        room = await session.join("standup", observe=["*"])
        await room.set("topic", "Retro")

Refusals of the server are the classes of `sessionstore_app.core.errors`; what only a client can know is a ClientError.
"""

from __future__ import annotations

from sessionstore_app.client.errors import ClientError, ClosedError, ConsumerTooSlow, Disconnected, OutcomeUnknown
from sessionstore_app.client.forms import Departure, Message, Peer, PeersChange, SessionEvent
from sessionstore_app.client.locks import Lock
from sessionstore_app.client.opening import connect
from sessionstore_app.client.room import Room, WriteItem
from sessionstore_app.client.session import PropertiesSet, Session
from sessionstore_app.core.entries import Author, Entry
from sessionstore_app.core.errors import SessionStoreError

__all__ = [
    "Author",
    "ClientError",
    "ClosedError",
    "ConsumerTooSlow",
    "Departure",
    "Disconnected",
    "Entry",
    "Lock",
    "Message",
    "OutcomeUnknown",
    "Peer",
    "PeersChange",
    "PropertiesSet",
    "Room",
    "Session",
    "SessionEvent",
    "SessionStoreError",
    "WriteItem",
    "connect",
]
