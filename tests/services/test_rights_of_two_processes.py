"""What others did to a session reaches its socket, though the bus reorders or loses the word of it (T4, I13)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from sessionstore_app import sessions
from sessionstore_app.core.observer import Interest
from sessionstore_app.services import jobs, record, telling
from sessionstore_app.services.news import Events
from sessionstore_app.services.policy import Identity, Policy
from tests.services.processes import Client, Process, settled
from tests.support.layers import DeafLayer

if TYPE_CHECKING:
    from pytest_django import Settings

Pair = tuple[Process, Process]


class FaultyPolicy(Policy):
    """Fails for whoever has both roles."""

    def permissions(self, identity: Identity) -> frozenset[str]:
        if {"nearly", "faulty"} <= identity.roles:
            raise RuntimeError("the policy of a project is broken")
        return super().permissions(identity)


async def _opened(process: Process, *roles: str) -> Client:
    client = Client(process)
    await client.open()
    if roles:
        await sessions.achange_roles(session_id=client.id, add=roles)
    return client


def _roles(client: Client) -> frozenset[str]:
    assert client.connection.session is not None
    return client.connection.session.identity.roles


def _has(client: Client, role: str) -> bool:
    return role in _roles(client)


async def _done(job: record.Job) -> Events:
    _, happened = await record.run(job)
    return happened


async def test_i13_roles_taken_away_are_gone_though_a_later_change_is_told_first(pair: Pair) -> None:
    """A batch that also clears a room is told later than the next one that does not."""
    client = await _opened(pair[0], "moderator")
    assert _roles(client) == {"moderator"}
    only = Interest()
    taken = await _done(
        jobs.ChangeRoles(seen={client.id: jobs.UNSEEN}, interest=only, add=(), remove=["moderator"], most=64)
    )
    named = await _done(jobs.SetProperties(seen={client.id: jobs.UNSEEN}, interest=only, changes={"name": "Ann"}))
    await telling.tell(named)
    await telling.tell(taken)
    assert _roles(client) == frozenset()
    await client.until(lambda: client.heard("session.changed")[-1]["roles"] == [], "it is told")


async def test_t4_roles_taken_away_while_the_bus_is_deaf_are_gone_with_the_next_renewal(
    pair: Pair, deaf_layer: DeafLayer
) -> None:
    here, there = pair
    client = await _opened(there, "moderator")
    here.acts()
    deaf_layer.is_deaf = True
    assert await sessions.achange_roles(session_id=client.id, remove=["moderator"]) == 1
    await settled(pair)
    deaf_layer.is_deaf = False
    assert _roles(client) == {"moderator"}
    there.acts()
    await there.presence.renew()
    assert _roles(client) == frozenset()


async def test_t18_one_session_whose_rights_cannot_be_told_keeps_no_news_from_others(
    pair: Pair, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Its own socket closes: nobody can say what it may still do."""
    settings.SESSIONSTORE = {**settings.SESSIONSTORE, "POLICY": f"{__name__}.FaultyPolicy"}
    here, there = pair
    broken, *others = [await _opened(process) for process in (here, there, here, there)]
    await sessions.achange_roles(session_id=broken.id, add=["nearly"])
    assert await sessions.achange_roles(filter="all", add=["faulty"]) == 4
    for client in others:
        await client.until(partial(_has, client, "faulty"), "it hears")
    await broken.until(lambda: broken.closed_with == 4006, "its socket closes")
    assert "the policy of a project is broken" in caplog.text
