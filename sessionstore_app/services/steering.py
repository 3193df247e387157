"""Acting on sessions: one that is named, or all that a filter finds, wherever they are.

Each act is one transaction and one batch of news. What is asked for was checked by `reach`; what is not open, or out
of reach, does not exist here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from sessionstore_app import conf
from sessionstore_app.core import properties
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.errors import InvalidParams, NoSuchSession, Unavailable, ValueTooLarge
from sessionstore_app.core.jsontext import JsonInput, dumps, size_bytes
from sessionstore_app.core.observer import Interest
from sessionstore_app.core.properties import Merged
from sessionstore_app.services import announcing, bridge, directory, jobs, record
from sessionstore_app.services.directory import Counting, Found, Listing, SessionInfo
from sessionstore_app.services.endings import remove_owned
from sessionstore_app.services.events import Delivered, ObserveMore
from sessionstore_app.services.telling import tell

# A role's name, in UTF-8 bytes; and how many a session may have.
ROLE_BYTES = 128
ROLES = 64
# What the data of one message may be, to sessions or to a room.
MESSAGE_BYTES: Final = 8_192


@dataclass(frozen=True, slots=True)
class Target:
    """Whom an act is for: the session that is named, or all of interest.

    `among` and `states` leave out others than these, as of when they are looked for: any number may be named.
    """

    interest: Interest
    session_id: str | None = None
    among: frozenset[str] | None = None
    states: frozenset[str] = directory.OPEN


async def get(interest: Interest, session_id: str) -> SessionInfo:
    """A session with the properties of interest. Raises NoSuchSession."""
    found = await record.look(partial(directory.one, interest, session_id))
    if found is None:
        raise NoSuchSession
    return found


async def listing(interest: Interest, limit: int, after: str) -> Listing:
    """A page of sessions, by session id."""
    return await record.search(partial(directory.listing, interest, limit, after))


async def counting(interest: Interest, by: Collection[str]) -> Counting:
    """How many sessions and people there are, in groups by the values of some properties."""
    return await record.search(partial(directory.counting, interest, by))


async def set_properties(target: Target, changes: Mapping[str, str | None]) -> dict[str, Merged]:
    """Set properties; what that changed, by session. Raises InvalidKey, InvalidParams, LimitExceeded, NoSuchSession."""
    settings = conf.current()
    properties.check_changes(changes, key_length=settings.key_length, value_bytes=settings.property_bytes)
    job = jobs.SetProperties(seen=await _seen(target), interest=target.interest, changes=changes)
    merged: dict[str, Merged]
    merged, happened = await record.run(job)
    await tell(happened)
    if target.session_id is not None and not merged:
        raise NoSuchSession
    return merged


async def change_roles(target: Target, add: Collection[str], remove: Collection[str]) -> int:
    """Change session-wide roles (parity D40); returns how many sessions were meant.

    Raises InvalidParams, NoSuchSession, or LimitExceeded where one would have too many; then nobody's were changed.
    """
    _check_roles(add, remove)
    job = jobs.ChangeRoles(
        seen=await _seen(target),
        interest=target.interest,
        add=frozenset(add),
        remove=frozenset(remove),
        most=ROLES,
    )
    count: int
    count, happened = await record.run(job)
    await tell(happened)
    return _counted(target, count)


def _check_roles(add: Collection[str], remove: Collection[str]) -> None:
    if not add and not remove:
        raise InvalidParams("No role is to be added or removed.", hint="Name roles in `add` or `remove`.")
    if not set(add).isdisjoint(remove):
        raise InvalidParams("A role is to be added and removed.", hint="Name each role once.")
    for role in (*add, *remove):
        properties.check_role(role, ROLE_BYTES)


async def terminate(target: Target, reason: CloseReason = CloseReason.CLOSED_BY_CONTROLLER) -> list[str]:
    """End sessions; returns which. Raises NoSuchSession, or Unavailable where a room of them is out of reach."""
    # Also one that is named is looked for: what belongs to a session out of reach must be left alone.
    seen = await _found(target)
    # What dies with sessions goes before them, and once more behind them: they may have written on to their last.
    if await remove_owned(seen):
        raise Unavailable("A room of one of the sessions is out of reach.")
    ended: list[str]
    ended, happened = await record.run(jobs.Terminate(seen=seen, interest=target.interest, reason=reason.name))
    await tell(happened)
    await remove_owned(ended)
    _counted(target, len(ended))
    return ended


def message_text(data: JsonInput) -> str:
    """The data of a message, as text. Raises ValueTooLarge."""
    text = dumps(data)
    size = size_bytes(text)
    if size > MESSAGE_BYTES:
        raise ValueTooLarge("The message is too large.", limit=MESSAGE_BYTES, actual=size)
    return text


async def send(target: Target, frame: str) -> int:
    """Send a finished frame to those who are ACTIVE; returns how many those are. Nothing is kept for the others."""
    found = await _find(target)
    _counted(target, len(found))
    by_node: defaultdict[str, list[str]] = defaultdict(list)
    for session in found:
        if session.node_id is not None:
            by_node[session.node_id].append(session.session_id)
    told = [(node, Delivered(tuple(ids), frame)) for node, ids in by_node.items()]
    await bridge.after_commit(record.USING, partial(announcing.tell_nodes, told))
    return sum(map(len, by_node.values()))


async def observe_for(target: Target, room: str, patterns: Collection[str]) -> int:
    """Let peers of a room observe more; returns how many. Raises LimitExceeded, NoSuchSession."""
    job = jobs.ObserveFor(seen=await _seen(target), interest=target.interest, room=room, patterns=patterns)
    observing: list[jobs.Observing]
    observing, happened = await record.run(job)
    await tell(happened)
    by_node: defaultdict[str, list[str]] = defaultdict(list)
    for session in observing:
        by_node[session.node_id or ""].append(session.session_id)
    told = [(node, ObserveMore(tuple(ids), room, tuple(patterns))) for node, ids in by_node.items() if node]
    await bridge.after_commit(record.USING, partial(announcing.tell_nodes, told))
    return _counted(target, len(observing))


async def _seen(target: Target) -> dict[str, int]:
    """The sessions that an act is for, each with the revision as of which it is."""
    return await _found(target) if target.session_id is None else {target.session_id: jobs.UNSEEN}


async def _found(target: Target) -> dict[str, int]:
    return {session.session_id: session.revision for session in await _find(target)}


async def _find(target: Target) -> list[Found]:
    ask = record.search if target.session_id is None else record.look
    return await ask(
        partial(directory.find, target.interest, target.session_id, among=target.among, states=target.states)
    )


def _counted(target: Target, count: int) -> int:
    if target.session_id is not None and not count:
        raise NoSuchSession
    return count
