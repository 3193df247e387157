"""What a role opened ends when it is taken, also where the database is away at that moment."""

from __future__ import annotations

from typing import Any, cast

import pytest

from sessionstore_app.core.errors import Unavailable
from sessionstore_app.services import rights, spectating, watching
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.presence import Presence


class _Hub:
    """Serves one connection."""

    def __init__(self, connection: Connection) -> None:
        self.connections = {connection: None}


async def test_a_recheck_that_the_database_did_not_answer_is_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = cast(Connection, object())
    presence = Presence()
    presence.hub = cast(Hub, _Hub(connection))
    answers: list[Exception | None] = [Unavailable(), Unavailable(), None]
    asked: list[object] = []

    async def recheck(hub: Any, asked_for: Connection) -> None:
        asked.append(asked_for)
        if (answer := answers[len(asked) - 1]) is not None:
            raise answer

    monkeypatch.setattr(rights, "recheck_sights", lambda hub, asked_for: None)
    monkeypatch.setattr(rights, "recheck_rooms", recheck)
    monkeypatch.setattr(watching, "recheck_listeners", lambda hub, asked_for: None)
    monkeypatch.setattr(spectating, "recheck", lambda hub, asked_for: None)
    await presence.rights_changed(connection)
    for _ in range(3):
        await presence.recheck()
    # Twice in vain, once with success, and then no more.
    assert asked == [connection] * 3


async def test_who_is_gone_is_not_rechecked(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = cast(Connection, object())
    presence = Presence()
    presence.hub = cast(Hub, _Hub(connection))
    asked: list[object] = []

    async def recheck(hub: Any, asked_for: Connection) -> None:
        asked.append(asked_for)
        raise Unavailable

    monkeypatch.setattr(rights, "recheck_sights", lambda hub, asked_for: None)
    monkeypatch.setattr(rights, "recheck_rooms", recheck)
    monkeypatch.setattr(watching, "recheck_listeners", lambda hub, asked_for: None)
    monkeypatch.setattr(spectating, "recheck", lambda hub, asked_for: None)
    await presence.rights_changed(connection)
    presence.hub.connections.clear()
    await presence.recheck()
    assert asked == [connection]
