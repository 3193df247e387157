"""Private stores: entries of one session, for server code alone; and shared maps, which belong to no session.

    from sessionstore_app import create_map, private_store
    private_store(session_id).set("cart", [1, 2])             # in a view, a shell, a thread
    await private_store(session_id).aset("cart", [1, 2])      # in async code

A private store is there from its first use, or from before the session opens where there are seeds, until the session
has ended and everybody was told. The record says which sessions are open; the store backend keeps entries and knows
nothing of sessions.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, TypeVar

from sessionstore_app import backends, conf
from sessionstore_app.backends.stores import StoreBackend
from sessionstore_app.core import clock, jsontext
from sessionstore_app.core.entries import Space
from sessionstore_app.core.errors import (
    InvalidValue,
    NoSuchSession,
    SessionStoreError,
    StoreDestroyed,
    StoreTooLarge,
    TooManyKeys,
    ValueTooLarge,
)
from sessionstore_app.core.jsontext import Json, JsonInput
from sessionstore_app.core.patterns import check_key, check_room_name
from sessionstore_app.models import ID_LENGTH, SessionState
from sessionstore_app.services import bridge, policy, questions, record
from sessionstore_app.services.policy import Identity, Policy

T = TypeVar("T")

logger = logging.getLogger("sessionstore_app")

_OF_SESSION: Final = "session:"
# A destroyed store refuses late writes for so long.
_MARKS_KEPT_MS: Final = 3_600_000
# What opens or ends is left alone for so long: its store may be there before it, and is there until all were told.
_IN_TRANSIT_SECONDS: Final = 60
# Sessions looked up by one question.
_AT_A_TIME: Final = 500


class Entries:
    """Key-value entries on the server. Every method has a synchronous twin without the leading `a`.

    All raise InvalidKey for a bad key, and Unavailable when the store is out of reach.
    """

    def __init__(self, space: Space) -> None:
        self._space = space

    async def aset(self, key: str, value: JsonInput) -> None:
        """Give a key a value; the last one wins.

        Raises InvalidValue for None and for what is not strict JSON, ValueTooLarge, TooManyKeys, StoreTooLarge.
        """
        text = checked_text(key, value)
        limits = conf.current().store_limits
        await self._do(lambda store: store.set(self._space, key, text, limits))

    async def aget(self, key: str) -> Json:
        """The value of a key, a new object each time; None where there is none."""
        check_key(key, conf.current().key_length)
        text = await self._do(lambda store: store.get(self._space, key))
        return None if text is None else jsontext.loads(text)

    async def ahas(self, key: str) -> bool:
        """True if the key has a value."""
        check_key(key, conf.current().key_length)
        return await self._do(lambda store: store.has(self._space, key))

    async def adelete(self, key: str) -> None:
        """Remove a key; harmless where it has no value."""
        check_key(key, conf.current().key_length)
        await self._do(lambda store: store.delete(self._space, key))

    async def aitems(self) -> dict[str, Json]:
        """All keys with their values."""
        return _values(await self._do(lambda store: store.items(self._space)))

    set = bridge.Twin(aset)
    get = bridge.Twin(aget)
    has = bridge.Twin(ahas)
    delete = bridge.Twin(adelete)
    items = bridge.Twin(aitems)

    async def _do(self, act: Callable[[StoreBackend], Awaitable[T]]) -> T:
        store = backends.store()
        try:
            return await act(store)
        except StoreDestroyed:
            return await self._begin(store, act)

    async def _begin(self, store: StoreBackend, act: Callable[[StoreBackend], Awaitable[T]]) -> T:
        """There is no store yet, or no longer: make one where there should be one, and act on it."""
        await store.create(self._space, conf.current().store_limits)
        return await act(store)


class PrivateStore(Entries):
    """The entries of one session. All methods raise NoSuchSession for a session that is not known, and StoreDestroyed
    for one that has ended.
    """

    def __init__(self, session_id: str) -> None:
        super().__init__(_space_of(session_id))
        self._session_id = session_id

    async def adestroy(self) -> None:
        """Remove all entries; from here on every use raises StoreDestroyed, as long as the store remembers it: for an
        hour at least, where the session stays open. Doing it twice is harmless.
        """
        is_open = await _is_open(self._session_id)
        await backends.store().destroy(self._space, mark=is_open)

    destroy = bridge.Twin(adestroy)

    async def _begin(self, store: StoreBackend, act: Callable[[StoreBackend], Awaitable[T]]) -> T:
        if not await _is_open(self._session_id):
            raise StoreDestroyed
        try:
            return await super()._begin(store, act)
        finally:
            # It may have ended in between, and whoever ended it looked for a store before this one was there.
            if not await _is_open(self._session_id):
                await store.destroy(self._space, mark=False)
                raise StoreDestroyed


class SharedMap(Entries):
    """Entries under a name, the same for everybody who asks for that name; they outlive all sessions."""

    async def adestroy(self) -> None:
        """Remove all entries. The map may be used again, and is empty then."""
        for key in await self.aitems():
            await self.adelete(key)

    destroy = bridge.Twin(adestroy)


def private_store(session_id: str) -> PrivateStore:
    """The private store of a session: the same one in all its rooms, connections and processes."""
    return PrivateStore(session_id)


async def look(session_id: str) -> dict[str, Json]:
    """All keys of a session's store with their values, for somebody who only looks: no store is made by it.

    Raises NoSuchSession for a session that is not known, StoreDestroyed for one that has ended, Unavailable.
    """
    try:
        return _values(await backends.store().items(_space_of(session_id)))
    except StoreDestroyed:
        if await _is_open(session_id):
            # It has not been used yet.
            return {}
        raise


def create_map(name: str) -> SharedMap:
    """The shared map of that name. Raises InvalidParams or LimitExceeded for what cannot be a room's name either."""
    return SharedMap(Space(f"map:{check_room_name(name, conf.current().room_length)}"))


def checked_text(key: str, value: JsonInput) -> str:
    """The value as text. Raises InvalidKey or InvalidValue."""
    settings = conf.current()
    check_key(key, settings.key_length)
    if value is None:
        raise InvalidValue("A private store keeps no null.", hint="Delete the key instead.")
    jsontext.check(value, settings.json_depth)
    return jsontext.dumps(value)


def _values(texts: Mapping[str, str]) -> dict[str, Json]:
    return {key: jsontext.loads(text) for key, text in texts.items()}


def _space_of(session_id: str) -> Space:
    return Space(f"{_OF_SESSION}{session_id}")


async def _is_open(session_id: str) -> bool:
    """Is the session open, by the record? Raises NoSuchSession."""
    # What no session id looks like need not be understood by the database either.
    if len(session_id) > ID_LENGTH or not session_id.isascii() or not session_id.isprintable():
        raise NoSuchSession
    states = await record.ask(partial(questions.states, [session_id]), touches=[session_id])
    if session_id not in states:
        raise NoSuchSession
    return states[session_id].state != SessionState.CLOSED


# --- the beginning: seeds


async def seeds(identity: Identity) -> dict[str, str]:
    """What the store of this client's session holds from the start, as text. Raises ValueError for what cannot be."""
    chosen = policy.current()
    if type(chosen).seed is Policy.seed:
        # The default waits for nothing: no hop for it.
        values = chosen.seed(identity)
    else:
        values = await record.look(partial(chosen.seed, identity))
    try:
        return {key: checked_text(key, value) for key, value in values.items()}
    except SessionStoreError as error:
        raise _unfit(error) from error


def _unfit(error: SessionStoreError) -> ValueError:
    # The project's fault, not the client's: it belongs into the log, not into the answer.
    return ValueError(f"A seed of a private store cannot be kept: {error}")


@asynccontextmanager
async def seeded(session_id: str, texts: Mapping[str, str]) -> AsyncIterator[None]:
    """A session is opened within: its store holds the seeds before anybody hears of it, and is gone if it is refused.

    Raises ValueError for seeds beyond the limits.
    """
    if not texts:
        yield
        return
    space = _space_of(session_id)
    opened = False
    try:
        await _seed(space, texts)
        yield
        opened = True
    finally:
        if not opened:
            await _destroy(space)


async def _seed(space: Space, texts: Mapping[str, str]) -> None:
    store, limits = backends.store(), conf.current().store_limits
    try:
        await store.create(space, limits)
        for key, text in texts.items():
            await store.set(space, key, text, limits)
    except (ValueTooLarge, TooManyKeys, StoreTooLarge) as error:
        raise _unfit(error) from error


# --- the end

# Stores of sessions that have ended, which the backend could not take leave of yet; those tried last come last.
_undestroyed: dict[Space, None] = {}


async def end(session_id: str, tell: Callable[[dict[str, Json]], Awaitable[None]] | None) -> None:
    """The session has ended: hand its last entries to `tell`, where somebody listens, then destroy its store."""
    space = _space_of(session_id)
    if tell is None:
        await _destroy(space)
        return
    last = await _last_entries(space)
    try:
        await tell(_values(last or {}))
    finally:
        if last is not None:
            await _destroy(space)


async def _last_entries(space: Space) -> dict[str, str] | None:
    """None where there is no store."""
    try:
        return await backends.store().items(space)
    except StoreDestroyed:
        return None
    except SessionStoreError as error:
        logger.warning("The last entries of a session could not be read: %s", error)
        return {}


async def _destroy(space: Space) -> bool:
    """Destroy a store, or remember it for the next sweep: the session has ended either way."""
    _undestroyed.pop(space, None)
    try:
        await backends.store().destroy(space, mark=False)
    except SessionStoreError as error:
        _undestroyed[space] = None
        logger.warning("A private store could not be destroyed yet: %s", error)
        return False
    return True


async def _destroy_all(spaces: Collection[Space]) -> None:
    """Destroy stores. Once one fails, the rest waits for the next sweep: each may take until the backend's timeout."""
    _undestroyed.update(dict.fromkeys(spaces))
    for space in spaces:
        if not await _destroy(space):
            return


async def forget(session_ids: Iterable[str]) -> None:
    """The record has forgotten these sessions: their stores go, if a crash has left any and no sweep finds them."""
    if not backends.store().can_list:
        await _destroy_all([_space_of(session_id) for session_id in session_ids])


async def sweep() -> None:
    """Destroy what was left behind: by failures, and by processes that died between a session's end and its store's."""
    await _destroy_all(list(_undestroyed))
    store = backends.store()
    await store.forget_destroyed(clock.now_ms() - _MARKS_KEPT_MS)
    if not store.can_list:
        return
    found = [space async for space in store.spaces() if space.startswith(_OF_SESSION)]
    for space in await _without_session(found):
        if await _is_old(store, space):
            await _destroy(space)


async def _without_session(spaces: Iterable[Space]) -> list[Space]:
    by_id = {space.removeprefix(_OF_SESSION): space for space in spaces}
    ids = list(by_id)
    for start in range(0, len(ids), _AT_A_TIME):
        asked = partial(questions.in_use, ids[start : start + _AT_A_TIME], _IN_TRANSIT_SECONDS)
        for session_id in await record.ask(asked):
            del by_id[session_id]
    return list(by_id.values())


async def _is_old(store: StoreBackend, space: Space) -> bool:
    """False for one whose session may just open: seeds are there before it is recorded."""
    try:
        return await store.made_at_ms(space) <= clock.now_ms() - _IN_TRANSIT_SECONDS * 1_000
    except StoreDestroyed:
        return False
