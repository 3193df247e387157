"""Reading a room so that what is heard of it can go on from there: nothing missed, nothing told twice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from heapq import nsmallest

from sessionstore_app import conf
from sessionstore_app.backends.base import Reading
from sessionstore_app.core.entries import Epoch
from sessionstore_app.core.errors import Unavailable
from sessionstore_app.core.patterns import PatternSet
from sessionstore_app.services import entrylog, questions, record, storemark, telling
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.localroom import LocalRoom
from sessionstore_app.services.spaces import room_backend

# A room is read again while it changes faster than the reading comes back; not for longer than this.
READ_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Position:
    """Where a client's copy of a room stands."""

    epoch: str
    version: int


def first_peers(local: LocalRoom) -> list[str]:
    """The first page of a room's peers, by session id, as text."""
    return [local.peers[sid] for sid in nsmallest(conf.current().peers_per_page, local.peers)]


async def load(hub: Hub, local: LocalRoom, epoch: Epoch) -> None:
    """Take in roster and version of a room that has no member here yet, so that what is heard can be put in order."""
    async with local.loading:
        if not local.epoch:
            await storemark.meet(local.name, await room_backend(local.name).mark())
            roster = (await record.ask(partial(questions.rosters, [local.name])))[local.name]
            local.version = await entrylog.version(local.name, roster.epoch)
            local.epoch, local.roster = roster.epoch, roster.version
            local.peers = {sid: telling.peer_text(peer) for sid, peer in roster.peers.items()}
            hub.hearing.hear_again(local)
    if local.epoch != epoch:
        # It was cleared, and the news has not come here yet.
        await hub.keeper.heal([local.name])


async def read_now(hub: Hub, local: LocalRoom, patterns: PatternSet, position: Position | None) -> Reading:
    """Read the room as of this instant: nothing may wait between the return and letting the member in.

    A client that claims to be ahead of the store gets everything anew; its word does not prove that anything was lost.
    """
    give_up_at = hub.now() + READ_SECONDS
    while hub.now() < give_up_at:
        epoch, seen = local.epoch, local.version
        since = position.version if position is not None and position.epoch == epoch else None
        reading = await entrylog.read(local.name, epoch, patterns, since)
        if local.epoch == epoch and reading.version >= local.version:
            return reading
        if local.epoch == epoch and reading.version < seen:
            # What was told before the read began was stored before: the store has gone back.
            await hub.keeper.heal([local.name])
    raise Unavailable("The room changes faster than it can be read.")
