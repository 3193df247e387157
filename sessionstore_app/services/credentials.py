"""Sessions end with their credentials: what Django says of the users whose sockets this process serves is looked at
again, when somebody says that it may have changed and every so often.

It knows connections and the record. What Django says is read by `logins`; who says that it may have changed is
`loginsignals`' business. A token needs no second look: it says when it ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import partial
from itertools import islice

from sessionstore_app import conf
from sessionstore_app.core.close import CloseReason
from sessionstore_app.services import jobs, logins, record, rights, telling
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.identity import Login
from sessionstore_app.services.policy import Identity

logger = logging.getLogger("sessionstore_app")

# Connections that are looked at together.
PAGE = 50
# The look at all takes this part of the time until the next one: it must not be felt.
_SHARE = 0.1


class Credentials:
    """One a hub. All methods are called on its loop."""

    def __init__(self) -> None:
        self._due: dict[Connection, None] = {}
        # Those that could not be looked at.
        self._put_off: dict[Connection, None] = {}
        self._worker: asyncio.Task[None] | None = None
        # One page is read at a time, and no connection while the answer before is taken in: an older one must not undo
        # a newer one. True for those that are to be looked at again behind that.
        self._turn = asyncio.Lock()
        self._busy: dict[Connection, bool] = {}

    def look_soon(self, hub: Hub, connections: Iterable[Connection]) -> None:
        """Look at these in the background."""
        self._due |= dict.fromkeys(connections)
        if self._due and (self._worker is None or self._worker.done()):
            self._worker = hub.spawn(self._look_at_due(hub))

    def try_again(self, hub: Hub) -> None:
        """Look at those that could not be looked at before."""
        again, self._put_off = self._put_off, {}
        self.look_soon(hub, again)

    async def look_at_all(self, hub: Hub) -> None:
        """Look at all, a page at a time."""
        rest = [connection for connection in hub.connections if _login_of(connection) is not None]
        pause = conf.current().recheck_seconds * _SHARE * PAGE / max(len(rest), 1)
        while rest:
            page, rest = rest[:PAGE], rest[PAGE:]
            if not await self._look(hub, page):
                self._put_off |= dict.fromkeys(rest)
                return
            if rest:
                await asyncio.sleep(pause)

    async def _look_at_due(self, hub: Hub) -> None:
        while page := list(islice(self._due, PAGE)):
            for connection in page:
                del self._due[connection]
            await self._look(hub, page)

    async def _look(self, hub: Hub, page: Collection[Connection]) -> bool:
        """Look at some at once; where that fails nobody is closed for it, and they are put off. False where it does."""
        async with self._turn:
            known = [
                (connection, login)
                for connection in page
                if (login := _login_of(connection)) is not None and self._is_free(hub, connection)
            ]
            try:
                answers = await record.look(partial(logins.look, [login for _, login in known])) if known else []
            except Exception as error:  # the record or an engine is away, and nobody is closed for that
                self._put_off_for(error, *(connection for connection, _ in known))
                return False
            for (connection, login), answer in zip(known, answers, strict=True):
                if answer is not None:
                    self._busy[connection] = False
                    # Out of turn: a row that somebody holds must not hold up all others.
                    hub.spawn(self._settle(hub, connection, login, answer))
        return True

    def _is_free(self, hub: Hub, connection: Connection) -> bool:
        if connection in self._busy:
            self._busy[connection] = True
            return False
        return connection in hub.connections

    async def _settle(self, hub: Hub, connection: Connection, login: Login, answer: Identity | Exception) -> None:
        try:
            if isinstance(answer, Exception):
                raise answer
            await _take_in(hub, connection, login, answer)
        except Exception as error:  # as above; what was not taken in is looked for again
            self._put_off_for(error, connection)
        finally:
            if self._busy.pop(connection):
                self.look_soon(hub, [connection])

    def _put_off_for(self, error: BaseException, *connections: Connection) -> None:
        self._put_off |= dict.fromkeys(connections)
        # What an engine says of its failure may name a key.
        logger.warning("Whether users are still logged in could not be found out yet: %s", type(error).__name__)


def _login_of(connection: Connection) -> Login | None:
    return None if connection.session is None else connection.session.login


async def _take_in(hub: Hub, connection: Connection, login: Login, now: Identity) -> None:
    session = connection.session
    if session is None or connection.close_reason is not None:
        return
    if now.user_id != login.seen.user_id:
        connection.close(CloseReason.REVOKED)
        return
    # Before it is recorded: what was taken is gone, and what is told of the record says what there is now.
    connection.session = replace(session, identity=replace(session.identity, permissions=now.permissions))
    rights.recheck_sights(hub, connection)
    job = jobs.Reidentify(session_id=session.id, generation=session.generation, identity=now)
    is_served, happened = await record.run(job)
    if is_served:
        connection.session = replace(connection.session, login=replace(login, seen=now))
    await telling.tell(happened)
    if now.permissions != login.seen.permissions and connection.close_reason is None:
        await hub.keeper.rights_changed(connection)
