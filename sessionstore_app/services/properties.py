"""A session's row as the mapping of its properties: what other columns hold, and what `properties` holds."""

from __future__ import annotations

from datetime import datetime

from sessionstore_app.core.properties import format_roles
from sessionstore_app.models import Session


def properties_of(session: Session) -> dict[str, str]:
    """All properties of a session, fixed and user ones."""
    found = {
        "$SessionId": session.id,
        "$Principal": session.principal,
        "$Roles": format_roles(tuple(session.roles)),
        "$ServerName": session.node_id,
        "$StartTime": milliseconds(session.opened_at),
        **session.properties,
    }
    if session.expires_at is not None:
        found["$ExpiryTime"] = milliseconds(session.expires_at)
    return found


def milliseconds(at: datetime) -> str:
    """Milliseconds since the epoch, as text."""
    return str(round(at.timestamp() * 1000))
