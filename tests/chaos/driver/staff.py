"""Clients with rights, and those whose rights are taken: a listener to session events, a controller who gives and
takes a role, and members who write wherever that role lets them.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from sessionstore_app.client import ClientError, SessionStoreError
from tests.chaos.driver.actors import Actor

# Open to sessions with the role, and to no others: see `tests.support.policies.RolePolicy`.
STAFF_ROOM: Final = "staff/den"
ROLE: Final = "staff"
LISTENS: Final = ("view_session", "register_handler")
# A second, and what a busy machine adds to it.
CALM_SECONDS: Final = 2.0
CONTROLS: Final = ("view_session", "modify_session")
_ROLES: Final[dict[str, dict[str, Any]]] = {"remove": {"remove": (ROLE,)}, "add": {"add": (ROLE,)}}


class Listener(Actor):
    """Listens to all session events, for as long as it is let."""

    async def run(self) -> None:
        async with self.connected() as session:
            self.session = session
            while not self.dismissed.is_set():
                listening = session.sessions.listen(properties=["mood"], limit=100_000)
                reading = asyncio.create_task(_read(listening))
                leaving = asyncio.create_task(self.dismissed.wait())
                try:
                    await asyncio.wait([reading, leaving], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in (reading, leaving):
                        task.cancel()
                    await asyncio.wait([reading, leaving])
                await self.think()


async def _read(listening: Any) -> None:
    """What was told is written down at the socket; here it is only taken, so that it does not pile up."""
    try:
        async for _ in listening:
            pass
    except (SessionStoreError, ClientError):
        return  # Listened to anew.


class Member(Actor):
    """Writes where the role lets it, as fast as it is let; enters again whenever it may."""

    @property
    def is_settled(self) -> bool:
        """Is it back? It may have been sent away from its room."""
        return self.session is not None and self.session.state == "open" and not self.session.pending_writes

    async def act(self) -> None:
        room = self.joined.get(STAFF_ROOM)
        if room is None or not room.is_joined:
            room = await self.join(STAFF_ROOM)
        if room is None:
            self.joined.pop(STAFF_ROOM, None)
            return
        key, value = f"m/{self.name}", self.value()
        await self.write("room.set", room, room.set(key, value), key=key, values={key: value})


class Controller(Actor):
    """Takes the role from a member, and gives it back after a while."""

    members: tuple[Member, ...] = ()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Everybody is in: before that, all are slow.
        self.is_called = asyncio.Event()

    async def act(self) -> None:
        await self.is_called.wait()
        await asyncio.sleep(self.chance.uniform(0.5, 1.5))
        member = self.chance.choice(self.members)
        await self.change("remove", member)
        await self._pause(self.chance.uniform(3, 6))
        await self.change("add", member)

    async def change(self, do: str, member: Member) -> None:
        """Take or give the role."""
        if self.session is None or member.session is None:
            return
        target = member.session.id
        operation = self.history.begin(self.name, "session.change_roles", key=target, do=do)
        await self.recorded(operation, self.session.sessions.change_roles(**_ROLES[do], session_id=target))

    async def revoke_in_calm(self) -> None:
        """Take it from everybody; once it must be gone, each tries to use it. Then all have it again."""
        for member in self.members:
            await self.change("remove", member)
        await asyncio.sleep(CALM_SECONDS)
        for _ in range(3):
            for member in self.members:
                await member.act()
        for member in self.members:
            await self.change("add", member)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.stopped.wait()
        except TimeoutError:
            return
