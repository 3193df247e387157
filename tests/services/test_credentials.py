"""Credentials that end while the sockets are another process's, or while what could be asked is away (T4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session as DjangoSession
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessionstore_app.core.errors import Unavailable
from sessionstore_app.models import Session
from sessionstore_app.services import credentials, jobs, logins, record, sessions
from sessionstore_app.services.identity import Login, by_session_key, session_store
from sessionstore_app.services.policy import PERMISSIONS
from tests.services.people import (
    deactivate,
    does,
    holds,
    is_closed,
    key_of,
    log_in,
    page,
    permission,
    staff_group,
    user,
)
from tests.services.processes import Client, Process
from tests.support.layers import DeafLayer
from tests.support.wire import eventually
from tests.unit.backends.faultycaches import Scripted

if TYPE_CHECKING:
    from pytest_django import Settings

Pair = tuple[Process, Process]
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "sessions": {"BACKEND": "tests.unit.backends.faultycaches.Scripted", "LOCATION": "django sessions"},
}


# --- told to another process


async def test_t4_a_user_deactivated_by_one_process_is_closed_by_the_other(pair: Pair) -> None:
    here, there = pair
    ann, bo = await page(there, "ann"), await page(there, "bo")
    await does(here, partial(deactivate, "ann"))
    await ann.until(partial(is_closed, ann), "it is closed")
    assert bo.closed_with is None
    await there.presence.look_at_all()
    assert (bo.closed_with, holds(bo, {"staff"}, {"view_session"})) == (None, True)


SEEN = {"view_session"}
LOCKING = {"view_session", "acquire_lock"}
Act = Callable[[User, Group], object]
# What is done to ann and the group of the staff, and which roles and permissions she has then.
GROUP_ACTS: dict[str, tuple[Act, set[str], set[str]]] = {
    "left": (lambda ann, staff: ann.groups.remove(staff), set(), set()),
    "left all": (lambda ann, staff: ann.groups.clear(), set(), set()),
    "in no group": (lambda ann, staff: ann.groups.set([]), set(), set()),
    "removed by the group": (lambda ann, staff: staff.user_set.remove(ann), set(), set()),
    "cleared by the group": (lambda ann, staff: staff.user_set.clear(), set(), set()),
    "group deleted": (lambda ann, staff: staff.delete(), set(), set()),
    "groups deleted": (lambda ann, staff: Group.objects.all().delete(), set(), set()),
    "group renamed": (lambda ann, staff: _rename(staff, "crew"), {"crew"}, SEEN),
    "group may less": (lambda ann, staff: staff.permissions.remove(permission("view_session")), {"staff"}, set()),
    "group may nothing": (lambda ann, staff: staff.permissions.clear(), {"staff"}, set()),
    "no group may": (lambda ann, staff: permission("view_session").group_set.clear(), {"staff"}, set()),
    "this group may not": (lambda ann, staff: permission("view_session").group_set.remove(staff), {"staff"}, set()),
    "given": (lambda ann, staff: ann.user_permissions.add(permission("acquire_lock")), {"staff"}, LOCKING),
    "given to it": (lambda ann, staff: permission("acquire_lock").user_set.add(ann), {"staff"}, LOCKING),
    "group may more": (lambda ann, staff: staff.permissions.add(permission("acquire_lock")), {"staff"}, LOCKING),
    "superuser": (lambda ann, staff: _promote(ann), {"staff"}, set(PERMISSIONS)),
}


def _rename(group: Group, name: str) -> None:
    group.name = name
    group.save()


def _promote(who: User) -> None:
    who.is_superuser = True
    who.save()


@pytest.mark.parametrize("what", GROUP_ACTS)
async def test_t4_whatever_is_done_to_groups_and_permissions_is_felt_in_the_other_process(
    pair: Pair, what: str
) -> None:
    act, roles, permissions = GROUP_ACTS[what]
    here, there = pair
    ann = await page(there, "ann")
    outside = await sync_to_async(User.objects.create_user)("outside")
    other = await page(there, "outside", await sync_to_async(key_of)(outside))
    await does(here, lambda: act(user("ann"), staff_group()))
    await ann.until(partial(holds, ann, roles, permissions), f"it holds {roles} and {permissions}")
    await ann.until(lambda: bool(ann.heard("session.changed")), "its client is told")
    told = ann.heard("session.changed")[-1]
    assert (set(told["roles"]), set(told["permissions"])) == (roles, permissions)
    row = await Session.objects.aget(id=ann.id)
    assert (row.roles, set(row.permissions), row.granted) == (sorted(roles), permissions, sorted(roles))
    assert other.heard("session.changed") == []


async def test_t4_what_the_bus_lost_is_found_by_the_look_at_all(pair: Pair, deaf_layer: DeafLayer) -> None:
    here, there = pair
    ann, bo = await page(there, "ann"), await page(there, "bo")
    deaf_layer.is_deaf = True
    await does(here, partial(deactivate, "ann"))
    deaf_layer.is_deaf = False
    assert ann.closed_with is None
    await there.presence.look_at_all()
    await ann.until(partial(is_closed, ann), "it is closed")
    assert bo.closed_with is None


@pytest.mark.parametrize("act", ["deleted", "expired", "quietly out of the group"])
async def test_t4_what_no_signal_tells_of_is_found_by_the_look_at_all(pair: Pair, act: str) -> None:
    _, there = pair
    ann = await page(there, "ann")
    acts: dict[str, Callable[[], object]] = {
        "deleted": lambda: DjangoSession.objects.all()._raw_delete("default"),
        "expired": lambda: DjangoSession.objects.update(expire_date="2001-01-01T00:00:00Z"),
        "quietly out of the group": lambda: User.groups.through.objects.all().delete(),
    }
    await sync_to_async(acts[act])()
    await there.presence.look_at_all()
    if act == "quietly out of the group":
        await ann.until(partial(holds, ann, set(), set()), "it holds nothing")
    else:
        await ann.until(partial(is_closed, ann), "it is closed")


async def test_t4_a_change_between_the_first_look_and_the_record_is_found_at_once(pair: Pair) -> None:
    """Nobody could be told of it: the session was not in the record yet."""
    _, there = pair
    key = await sync_to_async(log_in)("ann")
    who = await sync_to_async(by_session_key)(key)
    await sync_to_async(deactivate)("ann")
    client = Client(there)
    there.acts()
    await sessions.open_session(there.hub, client.connection, who, login=Login(key, who))
    await client.until(partial(is_closed, client), "it is closed")


async def test_t4_many_are_looked_at_a_page_at_a_time(
    pair: Pair, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SESSIONSTORE = {**settings.SESSIONSTORE, "RECHECK_SECONDS": 0.01}
    monkeypatch.setattr(credentials, "PAGE", 2)
    _, there = pair
    names = [f"user{number}" for number in range(5)]
    clients = [await page(there, name) for name in names]
    await sync_to_async(User.objects.filter(username__in=names[1:]).update)(is_active=False)
    await there.presence.look_at_all()
    for client in clients[1:]:
        await client.until(partial(is_closed, client), "it is closed")
    assert clients[0].closed_with is None


async def test_t4_a_page_of_any_size_is_a_few_queries(pair: Pair) -> None:
    keys = [await sync_to_async(log_in)(f"user{number}") for number in range(12)]
    found = [await sync_to_async(by_session_key)(key) for key in keys]
    known = [Login(key, who) for key, who in zip(keys, found, strict=True)]

    def look() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert logins.look(known) == [None] * 12
        return len(queries)

    assert await sync_to_async(look)() == 5
    await sync_to_async(deactivate)("user7")
    answers = await sync_to_async(logins.look)(known)
    others = {position: answer for position, answer in enumerate(answers) if answer is not None}
    assert list(others) == [7]
    assert others[7] == await sync_to_async(by_session_key)(keys[7])


# --- what could be asked is away


async def test_t4_a_database_that_is_away_closes_nobody_and_is_asked_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _, there = pair
    ann, bo = await page(there, "ann"), await page(there, "bo")
    await sync_to_async(User.objects.filter(username="ann").update)(is_active=False)

    def away(known: object) -> list[object]:
        raise Unavailable

    with monkeypatch.context() as patched:
        patched.setattr(logins, "look", away)
        await there.presence.look_at_all()
    assert (ann.closed_with, bo.closed_with) == (None, None)
    assert "could not be found out yet: Unavailable" in caplog.text
    there.acts()
    await there.presence.renew()
    await ann.until(partial(is_closed, ann), "it is closed")
    assert bo.closed_with is None


@pytest.fixture
def cached(settings: Settings) -> Iterator[type[Scripted]]:
    """Django's sessions are in a cache that can be out of reach."""
    settings.CACHES = CACHES
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    settings.SESSION_CACHE_ALIAS = "sessions"
    yield Scripted
    Scripted.before = {}


def _refuse(*arguments: object) -> bool:
    raise ConnectionRefusedError("sessionstore-canary: no cache here")


def _swallow(*arguments: object) -> bool:
    return True


@pytest.mark.parametrize("fails", [_refuse, _swallow])
async def test_t4_a_cache_that_is_away_is_no_logout(
    cached: type[Scripted], pair: Pair, fails: Callable[..., bool], caplog: pytest.LogCaptureFixture
) -> None:
    """Django's engine says that there is no such session then, and some caches say nothing of their failures."""
    _, there = pair
    key = await sync_to_async(log_in)("ann")
    ann, bo = await page(there, "ann", key), await page(there, "bo")
    await there.presence.look_at_all()
    cached.before = {"get": fails, "set": fails}
    await there.presence.look_at_all()

    async def said_of_both() -> bool:
        return caplog.text.count("could not be found out yet") == 2

    # What came of the look is taken in behind it.
    await eventually(said_of_both, "it is said of both")
    assert (ann.closed_with, bo.closed_with) == (None, None)
    assert "canary" not in caplog.text
    cached.before = {}
    await sync_to_async(_flush)(key)
    there.acts()
    await there.presence.renew()
    await ann.until(partial(is_closed, ann), "it is closed")
    assert bo.closed_with is None


def _flush(key: str) -> None:
    session_store()(key).flush()


async def test_t4_one_login_that_cannot_be_looked_at_keeps_no_other_open(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of a project's own engine or user model, say."""
    _, there = pair
    key = await sync_to_async(log_in)("ann")
    broken, bo, cy = await page(there, "ann", key), await page(there, "bo"), await page(there, "cy")
    await sync_to_async(User.objects.exclude(username="cy").update)(is_active=False)

    broken_ones: list[str] = []

    def ask(asked: str) -> Any:
        if asked == key:
            broken_ones.append(asked)
            raise RuntimeError("the user model of a project is broken")
        return by_session_key(asked)

    monkeypatch.setattr(logins, "by_session_key", ask)
    there.presence.look_again([broken.connection, bo.connection])
    await bo.until(partial(is_closed, bo), "it is closed")
    await sync_to_async(User.objects.update)(is_active=False)
    there.presence.look_again([cy.connection])
    await cy.until(partial(is_closed, cy), "it is closed")
    assert broken.closed_with is None
    # When it was said, not again and again.
    assert broken_ones == [key]
    monkeypatch.undo()
    there.acts()
    await there.presence.renew()
    await broken.until(partial(is_closed, broken), "it is closed, too")


async def test_t4_a_row_that_is_held_keeps_no_other_session_open_and_the_last_answer_counts(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ann leaves a group and comes back while the first of that cannot be recorded yet."""
    here, there = pair
    ann, bo = await page(there, "ann"), await page(there, "bo")
    held, let_go = asyncio.Event(), asyncio.Event()
    run = record.run

    async def hold(job: record.Job) -> Any:
        if isinstance(job, jobs.Reidentify) and not let_go.is_set():
            held.set()
            await let_go.wait()
        return await run(job)

    monkeypatch.setattr(record, "run", hold)
    await does(here, lambda: user("ann").groups.set([]))
    await asyncio.wait_for(held.wait(), 10)
    await does(here, lambda: user("ann").groups.add(staff_group()))
    await does(here, partial(deactivate, "bo"))
    await bo.until(partial(is_closed, bo), "it is closed")
    let_go.set()
    await ann.until(lambda: len(ann.heard("session.changed")) == 2, "both are told")
    assert [told["roles"] for told in ann.heard("session.changed")] == [[], ["staff"]]
    await ann.until(partial(holds, ann, {"staff"}, {"view_session"}), "it holds both again")
