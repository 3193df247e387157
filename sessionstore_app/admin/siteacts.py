"""What staff do to site sessions: change one as it was shown, end one, delete many, remove what is past its life. All
of it by the service, and each in the admin's log.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal, cast
from uuid import UUID

import msgspec
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest
from django.utils.translation import gettext as _

from sessionstore_app import conf
from sessionstore_app.admin.base import log, log_all
from sessionstore_app.core import site
from sessionstore_app.core.errors import InvalidParams, InvalidValue, ParseError
from sessionstore_app.core.jsontext import Json
from sessionstore_app.models import SiteSession
from sessionstore_app.protocol import gate
from sessionstore_app.services.site import site_sessions

# How many sessions one transaction deletes, and one statement writes down.
_AT_ONCE: Final = 1_000
# Spaces that outgrow the data by far help nobody to read it.
_MOST_SHOWN: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What somebody wants a session's data to be, and the update that they have seen."""

    text: str
    mode: str
    seen: str


def typed(posted: Mapping[str, str]) -> Typed:
    """What a form says."""
    return Typed(text=posted.get("text", ""), mode=posted.get("mode", ""), seen=posted.get("update_count", ""))


def update(request: HttpRequest, session: SiteSession, typed: Typed) -> site.SiteSessionInfo:
    """Change a session's data, if it is still at the update that was seen. Raises as `SiteSessions.aupdate`."""
    if not typed.seen.isascii() or not typed.seen.isdecimal():
        raise InvalidParams(_("The form does not say which update it was made for."))
    # A key without a suffix would be checked against nothing.
    key = site.format_key(str(session.pk), int(typed.seen[:20]))
    mode = cast("Literal['replace', 'merge']", typed.mode)
    info = site_sessions.update(key, _object(typed.text), mode=mode, check=True)
    session.update_count = info.update_count
    log(request, session, f"Updated ({mode}); it is update {info.update_count} now.")
    return info


def _object(text: str) -> dict[str, Json]:
    try:
        # What is no object the service refuses.
        return cast("dict[str, Json]", gate.parse(text, conf.current().json_depth))
    except ParseError as error:
        raise InvalidValue(_place(text) or str(error), hint=error.advice) from None


def _place(text: str) -> str:
    """Where a text stops being JSON; empty if it is only not strict enough."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        where = {"line": error.lineno, "column": error.colno, "fault": error.msg}
        return _("Line %(line)d, column %(column)d: %(fault)s.") % where
    except RecursionError:
        pass
    return ""


def end(request: HttpRequest, session: SiteSession, said: str) -> bool:
    """Remove a session; false if it was gone already. Raises Unavailable."""
    is_ended = bool(site_sessions.delete(str(session.pk)))
    if is_ended:
        log(request, session, said, DELETION)
    return is_ended


def delete_all(request: HttpRequest, found: Iterable[tuple[UUID, int]]) -> int:
    """Delete sessions, by id and update count; returns how many there were. Raises Unavailable, with some deleted."""
    rest, deleted = iter(found), 0
    while some := dict(islice(rest, _AT_ONCE)):
        gone = [UUID(uuid) for uuid in site_sessions.delete(*map(str, some))]
        log_all(request, [SiteSession(id=uuid, update_count=some[uuid]) for uuid in gone], "Deleted.", DELETION)
        deleted += len(gone)
    return deleted


def sweep(request: HttpRequest) -> int:
    """Remove what is past its life; returns how many. Raises Unavailable."""
    removed = site_sessions.expire()
    if removed:
        LogEntry.objects.create(
            user_id=cast("int", request.user.pk),
            content_type=ContentType.objects.get_for_model(SiteSession),
            object_repr=str(SiteSession._meta.verbose_name_plural),
            action_flag=DELETION,
            change_message=f"Removed {removed} that were past their life.",
        )
    return removed


def indented(text: str) -> str:
    """Stored JSON with its structure shown; its numbers, and the order of its members, as they are."""
    try:
        shown = msgspec.json.format(text, indent=2)
    except msgspec.DecodeError:
        # Whoever wrote to the table by other means should see what is there.
        return text
    return shown if len(shown) <= _MOST_SHOWN else text


def held(error: Any) -> Mapping[str, object]:
    """The figures of a refusal that has some."""
    return {name: error.data[name] for name in ("limit", "actual") if name in error.data}
