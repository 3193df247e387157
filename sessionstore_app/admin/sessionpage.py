"""What the page of a session shows: all that the record knows of it, and its private store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from sessionstore_app.admin import limits
from sessionstore_app.admin.base import may
from sessionstore_app.admin.sessionacts import refusal_text
from sessionstore_app.admin.sessionsteering import offered
from sessionstore_app.core.errors import SessionStoreError
from sessionstore_app.core.properties import is_fixed
from sessionstore_app.core.sessions import Kind, State
from sessionstore_app.models import Lock, LockRequest, Membership, Session, SessionEvent, SessionState
from sessionstore_app.services import bridge, private
from sessionstore_app.services.properties import properties_of

# Events of the history that are shown.
HISTORY: Final = 100

_STATES: Final[Mapping[str, Promise]] = {
    State.ACTIVE: _("active"),
    State.DISCONNECTED: _("disconnected"),
    State.RECONNECTED: _("reconnected"),
    State.FAILED_OVER: _("failed over"),
    State.CLOSED: _("closed"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """A property before and after; None where there was or is none."""

    key: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One event of a session, and the state that it was in before, where that is another."""

    event: SessionEvent
    before: Promise | None
    state: Promise | str | None
    changes: list[Change]
    joined: list[str]
    left: list[str]


@dataclass(frozen=True, slots=True)
class Kept:
    """A private store: its keys with their values as text, None for what is not to be seen; or why it is not shown."""

    entries: list[tuple[str, str | None]]
    failure: str = ""


def context_of(request: HttpRequest, session: Session) -> dict[str, Any]:
    """What the template of the page is given."""
    is_open = session.state != SessionState.CLOSED
    properties = sorted(properties_of(session).items())
    history = list(session.events.order_by("-revision")[: HISTORY + 1])
    own = [(key, value) for key, value in properties if not is_fixed(key)]
    memberships = Membership.objects.filter(session=session, left_at=None)
    memberships = memberships.select_related("room").order_by("joined_at", "id")
    locks = Lock.objects.filter(session=session).order_by("name")
    requests = LockRequest.objects.filter(session=session).select_related("lock").order_by("requested_at", "id")
    return {
        "is_open": is_open,
        "state": SessionState(session.state).label,
        "acts": offered(request) if is_open else {},
        "fixed": [(key, value) for key, value in properties if is_fixed(key)],
        "own": own,
        "memberships": memberships,
        "locks": locks,
        "lock_requests": requests,
        "limits": limits.of_session(
            rooms=len(memberships),
            patterns=sum(len(member.observed) for member in memberships),
            locks=len(locks) + len(requests),
            properties=len(own),
        )
        if is_open
        else [],
        "kept": _kept(session.id, sees_values=may(request, "view_values")) if is_open else None,
        "history": list(_happenings(history))[:HISTORY],
        "history_is_cut": len(history) > HISTORY,
        "history_limit": HISTORY,
        "user_address": _user_address(request, session),
        "sees_rooms": may(request, "view_room") or may(request, "manage_room"),
        "sees_locks": may(request, "view_lock"),
        "sees_nodes": may(request, "view_node"),
        "sees_values": may(request, "view_values"),
    }


def _user_address(request: HttpRequest, session: Session) -> str:
    """Of the user's page in the admin, if there is one for this staff user."""
    options = get_user_model()._meta
    if session.user_id is None or not request.user.has_perm(f"{options.app_label}.view_{options.model_name}"):
        return ""
    try:
        return reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[quote(session.user_id)])
    except NoReverseMatch:
        return ""


def _kept(session_id: str, *, sees_values: bool) -> Kept:
    try:
        found = bridge.run(private.look(session_id))
    except SessionStoreError as error:
        return Kept([], refusal_text(error))
    return Kept([(key, _pretty(found[key]) if sees_values else None) for key in sorted(found)])


def _pretty(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _happenings(newest_first: list[SessionEvent]) -> Iterator[Happening]:
    """The events, each beside the one before it."""
    for event, earlier in pairwise([*newest_first, None]):
        # The list begins with an event, and ends with what was before the first.
        if event is not None:
            yield _happening(event, earlier)


def _happening(event: SessionEvent, earlier: SessionEvent | None) -> Happening:
    rooms, before = set(event.rooms), set(event.previous_rooms)
    is_state = event.type == Kind.STATE
    return Happening(
        event=event,
        before=_STATES.get(earlier.state) if is_state and earlier is not None else None,
        state=_STATES.get(event.state, event.state) if is_state else None,
        # What an end takes with it is no change.
        changes=[
            Change(key, event.previous[key], event.properties.get(key))
            for key in sorted(event.previous)
            if event.state != State.CLOSED
        ],
        joined=sorted(rooms - before),
        left=sorted(before - rooms),
    )
