"""What a private store holds before anybody hears of its session: seeds of a token or a policy (S10)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as project_settings

from sessionstore_app import backends, errors, mint_token
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.jsontext import Json
from sessionstore_app.models import Session
from sessionstore_app.services import endings, jobs, record, tokens
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.policy import ANONYMOUS, Identity, Policy
from sessionstore_app.services.private import private_store
from sessionstore_app.services.sessions import Opened, open_session, resume_session
from sessionstore_app.signals import session_closed, session_opened
from tests.support.stores import WatchedStore, path_of

if TYPE_CHECKING:
    from pytest_django import Settings


class SeedingPolicy(Policy):
    """Looks up what its clients start with; nobody but Ann and Bo may come in."""

    def may_open(self, identity: Identity) -> bool:
        """Ann and Bo."""
        return identity.principal in ("ann", "bo")

    def seed(self, identity: Identity) -> Mapping[str, Json]:
        """Where the token says nothing else: how many sessions there are, by the ORM."""
        return {"others": Session.objects.count(), "principal": identity.principal, **identity.store}


@pytest.fixture
def seeding(settings: Settings) -> Callable[..., None]:
    """Configure; the store counts its calls."""

    def configure(**more: Any) -> None:
        private = {"private": {"BACKEND": path_of(WatchedStore)}}
        settings.SESSIONSTORE = {**project_settings.SESSIONSTORE, "BACKENDS": private, **more}

    WatchedStore.reset()
    configure()
    return configure


@pytest.fixture
async def hub(seeding: Callable[..., None], running_hub: Hub) -> Hub:
    """A running hub with such a store."""
    return running_hub


async def _send(event: dict[str, Any]) -> None:
    """Nobody is at the other end."""


def socket(hub: Hub) -> Connection:
    """A socket without a session."""
    made = Connection(hub, _send, limit_bytes=1_000_000)
    made.wants_heartbeat = False
    hub.attach(made)
    return made


async def opening(hub: Hub, identity: Identity) -> Opened:
    """A session on a socket of its own."""
    return await open_session(hub, socket(hub), identity)


def identity(principal: str = "ann", /, **store: Json) -> Identity:
    """Somebody whose token holds seeds."""
    return tokens.read_token(mint_token(principal, store=store))


async def test_s10_a_tokens_seeds_are_in_the_store(hub: Hub) -> None:
    opened = await opening(hub, identity(cart=[1, {"n": 2.5}], zero=0))
    assert await private_store(opened.session.id).aitems() == {"cart": [1, {"n": 2.5}], "zero": 0}
    # With many sockets of many seeds, a copy of each would be much.
    assert opened.session.identity.store == {}


async def test_s10_whoever_hears_of_the_session_finds_them(hub: Hub) -> None:
    found: list[Json] = []
    heard = asyncio.Event()

    async def look(*, session_id: str, **_: object) -> None:
        found.append(await private_store(session_id).aget("cart"))
        heard.set()

    session_opened.connect(look)
    try:
        await opening(hub, identity(cart="full"))
        await within(heard)
    finally:
        session_opened.disconnect(look)
    assert found == ["full"]


async def test_s10_the_store_is_filled_before_the_session_is_recorded(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[list[str]] = []
    recorded = record.run

    async def run(job: record.Job) -> Any:
        # Upkeep records its own.
        if isinstance(job, jobs.Open):
            stored.append(list(WatchedStore.calls))
        return await recorded(job)

    monkeypatch.setattr(record, "run", run)
    await opening(hub, identity(cart="full"))
    assert stored == [["create", "set"]]


async def test_s10_a_refused_client_leaves_nothing(hub: Hub, seeding: Callable[..., None]) -> None:
    seeding(POLICY=path_of(SeedingPolicy))
    with pytest.raises(errors.AccessDenied):
        await opening(hub, identity("eve", cart=1))
    assert WatchedStore.calls[-1] == "destroy"
    assert await listed() == []
    assert not await Session.objects.aexists()


async def test_s10_a_policy_looks_up_seeds_with_the_orm(hub: Hub, seeding: Callable[..., None]) -> None:
    seeding(POLICY=path_of(SeedingPolicy))
    await opening(hub, identity("bo"))
    opened = await opening(hub, identity("ann", principal="as the token says"))
    items = await private_store(opened.session.id).aitems()
    assert items == {"others": 1, "principal": "as the token says"}


async def test_s10_without_seeds_opening_costs_the_store_nothing(hub: Hub) -> None:
    await opening(hub, ANONYMOUS)
    assert WatchedStore.calls == []


@pytest.mark.parametrize("seeds", [{"k": "x" * 2_000}, {"": 1}, {"k": None}, {"k": float("nan")}], ids=repr)
async def test_s12_seeds_that_cannot_be_kept_open_no_session(
    hub: Hub, seeds: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ValueError, match="seed of a private store"):
        await opening(hub, Identity(principal="ann", store=seeds))
    assert await listed() == []
    assert not await Session.objects.aexists()


async def test_a_store_out_of_reach_opens_no_session_that_needs_it(hub: Hub) -> None:
    WatchedStore.fails.add("set")
    with pytest.raises(errors.Unavailable):
        await opening(hub, identity(cart=1))
    assert not await Session.objects.aexists()
    assert await listed() == []


async def test_s6_a_resumed_session_has_its_store_and_no_new_seeds(hub: Hub) -> None:
    who = identity(cart="seeded")
    first = socket(hub)
    opened = await open_session(hub, first, who)
    store = private_store(opened.session.id)
    await store.aset("cart", "changed")
    hub.detach(first)
    await endings.disconnect(first, CloseReason.CONNECTION_LOST)
    assert await store.aget("cart") == "changed"
    back = await resume_session(hub, socket(hub), who, opened.session.id, opened.resume_token)
    assert back is not None
    assert await store.aitems() == {"cart": "changed"}


async def test_s24_every_session_has_an_id_of_the_servers_and_an_empty_store(hub: Hub) -> None:
    first = await opening(hub, identity())
    await private_store(first.session.id).aset("k", "canary")
    second = await opening(hub, identity())
    assert first.session.id != second.session.id
    assert len(second.session.id) >= 22
    assert await private_store(second.session.id).aitems() == {}


async def test_s22_in_a_server_the_last_entries_reach_receivers_before_the_store_goes(hub: Hub) -> None:
    told: list[dict[str, Json]] = []
    found: list[Json] = []
    gone = asyncio.Event()
    WatchedStore.after = gone.set

    async def hear(*, session_id: str, store: dict[str, Json], **_: object) -> None:
        told.append(store)
        found.append(await private_store(session_id).aget("cart"))

    session_closed.connect(hear)
    try:
        opened = await opening(hub, identity(cart="full"))
        await endings.end_session(opened.session.id, CloseReason.CLOSED_BY_CLIENT.name)
        await within(gone)
    finally:
        session_closed.disconnect(hear)
    assert (told, found) == ([{"cart": "full"}], ["full"])
    with pytest.raises(errors.StoreDestroyed):
        await private_store(opened.session.id).aget("cart")


async def test_a_token_is_minted_with_what_a_store_keeps_only() -> None:
    for store in ({"": 1}, {"a*": 1}):
        with pytest.raises(errors.InvalidKey):
            mint_token("ann", store=store)
    hostile: list[Any] = [None, float("inf"), object()]
    for value in hostile:
        with pytest.raises(errors.InvalidValue):
            mint_token("ann", store={"k": value})
    assert tokens.read_token(mint_token("ann")).store == {}


async def within(happened: asyncio.Event) -> None:
    """Wait for it, with a limit."""
    async with asyncio.timeout(10):
        await happened.wait()


async def listed() -> list[str]:
    """Every store that is there."""
    return [space async for space in backends.store().spaces()]
