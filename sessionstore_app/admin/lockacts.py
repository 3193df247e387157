"""Taking locks away: only as they were shown to whoever wants it. A lock that went on meanwhile is another's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _

from sessionstore_app.admin.base import log, tell_failure
from sessionstore_app.admin.cells import bdi
from sessionstore_app.core.errors import SessionStoreError
from sessionstore_app.models import Lock, LockRequest
from sessionstore_app.services import bridge, locks

# How many are taken away at once: each is a field of the page that asks.
MOST: Final = 500


@dataclass(frozen=True, slots=True)
class Hold:
    """A lock as it was given: to release it under another sequence would take it from somebody else."""

    lock_id: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.lock_id}:{self.sequence}"


def read(texts: Iterable[str]) -> list[Hold]:
    """What a page that asked hands back; what is none is left out."""
    found = []
    for text in texts:
        lock_id, _colon, sequence = text.partition(":")
        if lock_id.isascii() and lock_id.isdecimal() and sequence.isascii() and sequence.isdecimal():
            found.append(Hold(int(lock_id[:18]), int(sequence[:18])))
    return found


def with_next(rows: QuerySet[Lock]) -> list[tuple[Lock, Hold, str]]:
    """Locks that are held, by name, each with the session that gets it next; empty where nobody waits."""
    held = list(rows.exclude(session=None).select_related("session").order_by("name")[: MOST + 1])
    waiting = LockRequest.objects.filter(lock__in=held).order_by("-id").values_list("lock_id", "session_id")
    # The first of each comes last.
    first = dict(waiting)
    return [(lock, Hold(lock.pk, lock.sequence), first.get(lock.pk, "")) for lock in held]


def release(request: HttpRequest, holds: Iterable[Hold]) -> None:
    """Take locks away from their holders, and say of each what came of it."""
    found = list(holds)
    rows = Lock.objects.select_related("session").in_bulk([hold.lock_id for hold in found])
    for hold in found:
        lock = rows.get(hold.lock_id)
        if lock is None:
            messages.error(request, _("A lock is gone: nobody holds it any more."))
            continue
        try:
            _release(request, lock, hold)
        except SessionStoreError as error:
            tell_failure(request, error)


def _release(request: HttpRequest, lock: Lock, hold: Hold) -> None:
    holder = lock.session_id
    is_released = lock.sequence == hold.sequence and bridge.run(locks.release(lock.name, sequence=hold.sequence))
    if not is_released:
        told = _("{name} was not released: it went on meanwhile, and is no longer held as it was shown.")
        messages.error(request, format_html(told, name=bdi(lock.name)))
        return
    log(request, lock, f"Released by force: session {holder} held it, sequence {hold.sequence}.")
    now = bridge.run(locks.find(lock.name))
    told = (
        _("{name} was released. Nobody waited for it.") if now is None else _("{name} was released; {next} has it now.")
    )
    messages.success(request, format_html(told, name=bdi(lock.name), next=bdi("" if now is None else now.session_id)))
