"""Other sessions: reading them, acting on them, listening to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sessionstore_app.client.forms import given
from sessionstore_app.client.link import Link
from sessionstore_app.client.listening import Ears, Listening
from sessionstore_app.client.streams import MOST_NEWS
from sessionstore_app.client.tasks import Tasks
from sessionstore_app.core.errors import InvalidParams
from sessionstore_app.core.jsontext import JsonInput

_ALL = ("*F", "*U")


class Sessions:
    """`session.sessions`, for those who may: see the protocol's tables for the permissions.

    Acts name `session_id` or `filter`, not both and not neither (InvalidParams); the filter `all` means everybody.
    `room` leaves out who is not in it. A bad filter raises InvalidFilter, whose `errors` say where. All of them wait
    while the connection is away and are asked again after it, but for `send`.
    """

    def __init__(self, link: Link, tasks: Tasks) -> None:
        self._link = link
        self._ears = Ears(link, tasks)

    async def list(
        self,
        filter: str | None = None,
        *,
        room: str | None = None,
        properties: Sequence[str] = (),
        limit: int | None = None,
        after: str | None = None,
    ) -> Mapping[str, Any]:
        """A page by session id, behind `after`: `{sessions: [{session_id, state, properties}], total, more}`."""
        params = given(filter=filter, room=room, limit=limit, after=after)
        return await self._ask("session.list", {**params, "properties": [*properties]})

    async def count(
        self, filter: str | None = None, *, room: str | None = None, by: Sequence[str] = ()
    ) -> Mapping[str, Any]:
        """`{total, people, groups: [{properties, count, people}]}`; `by` are the keys to group by."""
        return await self._ask("session.count", {**given(filter=filter, room=room), "by": [*by]})

    async def get_properties(
        self, session_id: str, properties: Sequence[str] = _ALL, *, room: str | None = None
    ) -> Mapping[str, str]:
        """Properties of one session; all that one may see unless keys are named. Raises NoSuchSession."""
        params = {"session_id": session_id, "properties": [*properties], **given(room=room)}
        found: Mapping[str, str] = (await self._ask("session.get_properties", params))["properties"]
        return found

    async def set_properties(
        self,
        properties: Mapping[str, str | None],
        *,
        session_id: str | None = None,
        filter: str | None = None,
        room: str | None = None,
    ) -> int:
        """Set properties of others; None takes one away. Returns how many sessions were meant."""
        params = {**_aimed(session_id, filter, room), "properties": dict(properties)}
        if filter is None:
            await self._ask("session.set_properties", params)
            return 1
        return int((await self._ask("session.set_properties_by_filter", params))["count"])

    async def terminate(
        self, *, session_id: str | None = None, filter: str | None = None, room: str | None = None
    ) -> int:
        """End sessions, with CLOSED_BY_CONTROLLER. Returns how many."""
        return int((await self._ask("session.terminate", _aimed(session_id, filter, room)))["count"])

    async def change_roles(
        self,
        *,
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        session_id: str | None = None,
        filter: str | None = None,
        room: str | None = None,
    ) -> int:
        """Give and take session-wide roles. Returns how many sessions were meant."""
        params = {**_aimed(session_id, filter, room), "add": [*add], "remove": [*remove]}
        return int((await self._ask("session.change_roles", params))["count"])

    async def observe_for(
        self, room: str, patterns: Sequence[str], *, session_id: str | None = None, filter: str | None = None
    ) -> int:
        """Make peers of `room` observe keys. Returns how many."""
        params = {**_aimed(session_id, filter, room), "keys": [*patterns]}
        return int((await self._ask("session.observe_for", params))["count"])

    async def send(
        self,
        event: str,
        data: JsonInput = None,
        *,
        session_id: str | None = None,
        filter: str | None = None,
        room: str | None = None,
    ) -> int:
        """Send a message to sessions that are ACTIVE; returns how many. Not repeated: raises Disconnected."""
        params = {**_aimed(session_id, filter, room), "event": event, "data": data}
        return int((await self._link.start("session.send", params))["count"])

    def listen(
        self,
        filter: str | None = None,
        *,
        room: str | None = None,
        properties: Sequence[str] = (),
        after: datetime | None = None,
        limit: int = MOST_NEWS,
    ) -> Listening:
        """An iterator over events: who is there, as ACTIVE, then what happens to them; `after`: only who opens later.

        Over reconnects it goes on with what the time between comes to. It raises why it ended: InvalidFilter,
        AccessDenied, ConsumerTooSlow beyond `limit` events that wait, ClosedError; it just ends when the session is
        closed from here. `await listening.ready()` waits until those who were there are told. Raises ValueError for an
        `after` without a time zone.
        """
        if after is not None and after.tzinfo is None:
            raise ValueError("`after` needs a time zone.")
        return self._ears.listen(given(filter=filter, room=room), properties=properties, after=after, limit=limit)

    # --- what the session tells

    def opened(self) -> None:
        """A connection is open."""
        self._ears.opened()

    def notified(self, method: str, params: Mapping[str, Any]) -> None:
        """A notification about other sessions."""
        self._ears.notified(method, params)

    def ended(self, error: Exception | None) -> None:
        """The session has ended."""
        self._ears.ended(error)

    async def _ask(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        result: Mapping[str, Any] = await self._link.insist(method, params)
        return result


def _aimed(session_id: str | None, filter: str | None, room: str | None) -> dict[str, Any]:
    if (session_id is None) == (filter is None):
        # Without either, some methods would mean this session itself.
        raise InvalidParams("Say which: a session's id, or a filter.")
    return given(session_id=session_id, filter=filter, room=room)
