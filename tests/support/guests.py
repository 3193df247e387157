"""Clients of one server that a test opens: all are gone when it ends, however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from sessionstore_app import mint_token
from tests.support.server import Server
from tests.support.wire import Wire

# What there is to be permitted about sessions and locks.
STAFF = ("view_session", "modify_session", "send_to_session", "register_handler", "acquire_lock")


class Guests:
    """Opens clients and remembers them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._wires: list[Wire] = []

    async def __aenter__(self) -> Guests:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.leave()

    async def connect(self, **options: Any) -> Wire:
        """A socket whose session is not open yet."""
        wire = await Wire.connect(self.server.address, **options)
        self._wires.append(wire)
        return wire

    async def open(self, *, acks: bool = True, **params: Any) -> Wire:
        """A client with an open session."""
        wire = await self.connect(acks=acks)
        await wire.open(**params)
        return wire

    async def staff(self, *, permissions: Sequence[str] = STAFF, principal: str = "staff", **params: Any) -> Wire:
        """A client whose token holds these permissions."""
        return await self.open(token=mint_token(principal, permissions=permissions), **params)

    async def join(self, room: str, *, observe: Sequence[str] = ("*",), **params: Any) -> Wire:
        """A client in a room, who observes all of it unless told otherwise."""
        wire = await self.open(**params)
        await wire.call("room.join", room=room, observe=list(observe))
        return wire

    async def crowd(self, room: str, number: int) -> list[Wire]:
        """Many clients in a room; what was told of their coming is forgotten."""
        wires = await asyncio.gather(*(self.join(room) for _ in range(number)))
        await asyncio.gather(*(wire.forget() for wire in wires))
        return wires

    async def leave(self) -> None:
        """Drop all of them."""
        await asyncio.gather(*(wire.drop() for wire in self._wires))
