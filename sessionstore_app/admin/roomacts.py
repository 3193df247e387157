"""What staff do in a room: set and delete a key, clear, say something to its peers. All of it by the services, so that
versions, limits, broadcasts and signals hold, and each in the admin's log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from sessionstore_app import conf
from sessionstore_app.admin.base import author, log, may
from sessionstore_app.core.entries import Entry
from sessionstore_app.core.errors import InvalidParams, InvalidValue, ParseError, SessionStoreError
from sessionstore_app.core.jsontext import Json
from sessionstore_app.models import Room
from sessionstore_app.protocol import gate
from sessionstore_app.services.rooms import Rooms

Posted: TypeAlias = Mapping[str, str]
Act: TypeAlias = Callable[[HttpRequest, Room, Posted], Mapping[str, Any]]


def set_key(request: HttpRequest, room: Room, posted: Posted) -> Mapping[str, Any]:
    """Write `text`, which is JSON, to `key`, if it is still at `version`; null deletes, as anywhere."""
    key, value = posted.get("key", ""), _json(posted.get("text", ""))
    entry = Rooms(author(request)).set(room.name, key, value, if_version=_version(posted))
    log(request, room, f"Set “{key}”, version {entry.version}.")
    return {"version": entry.version}


def delete_key(request: HttpRequest, room: Room, posted: Posted) -> Mapping[str, Any]:
    """Delete `key`, if it is still at `version`."""
    key = posted.get("key", "")
    entry = Rooms(author(request)).delete(room.name, key, if_version=_version(posted))
    log(request, room, f"Deleted “{key}”, version {entry.version}.")
    return {"version": entry.version}


def clear(request: HttpRequest, room: Room, posted: Posted) -> Mapping[str, Any]:
    """Empty the room's store."""
    epoch = Rooms(author(request)).clear(room.name)
    log(request, room, "Cleared.")
    return {"epoch": epoch}


def broadcast(request: HttpRequest, room: Room, posted: Posted) -> Mapping[str, Any]:
    """Send the peers a message that is not stored: `event`, and `text`, which is JSON or nothing."""
    event, text = posted.get("event", ""), posted.get("text", "")
    rooms = Rooms(author(request))
    rooms.broadcast(room.name, event, _json(text) if text.strip() else None)
    log(request, room, f"Sent “{event}”.")
    return {"peers": rooms.count(room.name)}


ACTS: Final[Mapping[str, Act]] = {"set": set_key, "delete": delete_key, "clear": clear, "broadcast": broadcast}


def refused(request: HttpRequest, error: SessionStoreError) -> dict[str, Any]:
    """The present entry, for whoever wrote to one that is no longer as it was; its value for who may see values."""
    current = error.current
    if current is None:
        return {}
    return {"current": _shown(current, sees_values=may(request, "view_values"))}


def _shown(entry: Entry, *, sees_values: bool) -> dict[str, Any]:
    by = "" if entry.by is None else entry.by.principal or entry.by.session_id or ""
    return {"key": entry.key, "version": entry.version if entry.exists else 0, "by": by} | (
        {"text": entry.text} if sees_values else {"masked": entry.exists}
    )


def _json(text: str) -> Json:
    """What a member of staff typed. Raises InvalidValue, which says where it is wrong."""
    try:
        return gate.parse(text, conf.current().json_depth)
    except ParseError as error:
        raise InvalidValue(str(error)) from None


def _version(posted: Posted) -> int:
    """What the entry was when it was shown. Raises InvalidParams."""
    try:
        return int(posted["version"])
    except (KeyError, ValueError):
        raise InvalidParams("version is the one that the entry was shown with.") from None


# What the page's script says, in the language of whoever reads it.
LABELS: Final = {
    "connecting": _("Connecting…"),
    "live": _("Live"),
    "offline": _("Not connected; trying again…"),
    "ended": _("The connection was closed. Load the page again to go on."),
    "denied": _("You may not watch this room."),
    "gone": _("This room is gone."),
    "nobody": _("Nobody is here."),
    "noKeys": _("There are no keys."),
    "noChanges": _("Nothing has changed yet."),
    "masked": _("hidden"),
    "bytes": _("%s bytes"),
    "server": _("the server"),
    "version": _("Version"),
    "by": _("Written by"),
    "at": _("At"),
    "edit": _("Edit"),
    "delete": _("Delete"),
    "empty": _("Empty the store"),
    "cancel": _("Cancel"),
    "understood": _("OK"),
    "deleted": _("deleted"),
    "cleared": _("cleared"),
    "away": _("away"),
    "joined": _("joined"),
    "left": _("left"),
    "message": _("message"),
    "saved": _("Saved."),
    "sent": _("Sent to %s peers."),
    "sureDelete": _("Delete “%s”?"),
    "sureClear": _("Empty this room's store? Peers stay, and are told."),
    "newKey": _("New key"),
    "editKey": _("Edit “%s”"),
    "stale": _("Somebody wrote “%s” meanwhile. Nothing was changed."),
    "theirs": _("It is now, at version %s:"),
    "yours": _("You wrote:"),
    "overwrite": _("Write mine over it"),
    "takeTheirs": _("Take theirs"),
    "failed": _("That did not work: %s"),
    "noKey": _("A key is needed."),
}
