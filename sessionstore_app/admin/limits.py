"""The limits that the pages of a session and of a room show, with what is used of each at this moment."""

from __future__ import annotations

from dataclasses import dataclass

from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from sessionstore_app import conf
from sessionstore_app.core.entries import Epoch, Tally
from sessionstore_app.core.errors import Unavailable
from sessionstore_app.handlers.rooms import ROOMS_PER_SESSION
from sessionstore_app.models import Room
from sessionstore_app.services import bridge, roomlist, roomtypes


@dataclass(frozen=True, slots=True)
class Limit:
    """One of them; `used` is empty where nobody counts it, or where it cannot be known."""

    name: Promise
    most: str
    used: str = ""


def of_room(room: Room) -> list[Limit]:
    """What a room's store may hold, and how fast it may be written to."""
    settings, store = conf.current(), roomtypes.store_limits(room.name)
    held = _held(room)
    return [
        Limit(_("bytes of a value"), filesizeformat(store.value_bytes)),
        Limit(_("keys"), number_format(store.keys), "" if held is None else number_format(held.keys)),
        Limit(
            _("bytes of the store"),
            filesizeformat(store.store_bytes),
            "" if held is None else filesizeformat(held.size_bytes),
        ),
        Limit(
            _("writes of all, in each process"),
            _a_second(settings.room_writes_per_second, settings.room_writes_burst),
        ),
    ]


def _held(room: Room) -> Tally | None:
    try:
        return bridge.run(roomlist.tallies([(room.name, Epoch(room.epoch))])).get(room.name)
    except Unavailable:
        return None


def of_session(*, rooms: int, patterns: int, locks: int, properties: int) -> list[Limit]:
    """What a session may hold, of which it is said how much it holds, and how fast it may go on."""
    settings = conf.current()
    return [
        Limit(_("writes of a socket"), _a_second(settings.writes_per_second, settings.writes_burst)),
        Limit(_("joins of its user, in each process"), _a_minute(settings.joins_per_minute, settings.joins_burst)),
        Limit(_("sockets of its user, in each process"), number_format(settings.sockets_per_user)),
        Limit(_("rooms"), number_format(ROOMS_PER_SESSION), number_format(rooms)),
        Limit(_("observed patterns"), number_format(settings.patterns_per_session), number_format(patterns)),
        Limit(_("locks, held or waited for"), number_format(settings.locks_per_session), number_format(locks)),
        Limit(_("user properties"), number_format(settings.property_count), number_format(properties)),
        Limit(_("listeners"), number_format(settings.listeners_per_session)),
        Limit(_("bytes that it may be behind"), filesizeformat(settings.outbox_bytes)),
    ]


def _a_second(rate: float, burst: int) -> str:
    return gettext("%(rate)s a second, %(burst)s at once") % _shown(rate, burst)


def _a_minute(rate: float, burst: int) -> str:
    return gettext("%(rate)s a minute, %(burst)s at once") % _shown(rate, burst)


def _shown(rate: float, burst: int) -> dict[str, str]:
    return {"rate": number_format(rate), "burst": number_format(burst)}
