"""Is the store of a room the one it was? One that lost everything, as a Redis without an append-only file does, has
another mark; the record knows under which each room was used.
"""

from __future__ import annotations

import logging

from sessionstore_app.core.entries import Epoch
from sessionstore_app.services import hub, jobs, record
from sessionstore_app.services.spaces import room_backend
from sessionstore_app.services.telling import tell

logger = logging.getLogger("sessionstore_app")


async def meet(room: str, mark: str | None) -> None:
    """A room is about to be used with the store of this mark: where it had another, it goes on under a new epoch, and
    its peers are told. None: that store needs no mark.
    """
    if mark is None:
        return
    is_lost, happened = await record.run(jobs.MeetStore(room=room, mark=mark))
    if is_lost:
        _note("is another one than before")
    await tell(happened)


async def went_back(room: str, epoch: Epoch) -> None:
    """The store forgot what it acknowledged in this epoch: the room goes on under a new one, and all are told."""
    mark = await room_backend(room).mark()
    _note("went back in time")
    _, happened = await record.run(jobs.Clear(room=room, reason="STORE_LOST", only_epoch=epoch, store_mark=mark))
    await tell(happened)


def _note(what: str) -> None:
    logger.error("The store of a room %s; the room starts anew.", what)
    running = hub.running()
    if running is not None:
        running.counters.lost_stores += 1
