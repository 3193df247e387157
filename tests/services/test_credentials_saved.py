"""What logins and groups cost where they are saved, and what no save can be broken by (T4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session as DjangoSession
from django.db import connection, transaction
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from sessionstore_app.services import loginsignals
from tests.services.people import deactivate, does, holds, is_closed, log_in, page, staff_group, user
from tests.services.processes import Process

Pair = tuple[Process, Process]


def _saved(who: User, **options: Any) -> int:
    with CaptureQueriesContext(connection) as queries:
        who.save(**options)
    return len(queries)


async def test_t4_a_login_that_saves_when_it_was_asks_nothing(pair: Pair) -> None:
    made = await sync_to_async(User.objects.create_user)("ann")
    assert await sync_to_async(_saved)(made, update_fields=["last_login"]) == 1
    assert await sync_to_async(_saved)(made, update_fields=["last_login", "is_active"]) == 2


async def test_t4_what_one_transaction_does_to_many_is_told_at_once(pair: Pair) -> None:
    """A site that logs everybody out must not ask for each of them."""
    here, there = pair
    clients = [await page(there, f"user{number}") for number in range(5)]

    def log_everybody_out() -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            DjangoSession.objects.all().delete()
        return [query["sql"] for query in queries]

    here.acts()
    asked = await sync_to_async(log_everybody_out)()
    assert len([statement for statement in asked if "sessionstore_app_session" in statement]) == 1
    for client in clients:
        await client.until(partial(is_closed, client), "it is closed")


async def test_t4_sessions_of_many_are_found_and_told_of_a_page_at_a_time(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loginsignals, "PAGE", 2)
    here, there = pair
    clients = [await page(there, f"user{number}") for number in range(5)]
    await does(here, lambda: staff_group().user_set.set([]))
    for client in clients:
        await client.until(partial(holds, client, set(), set()), "it holds nothing")


@pytest.mark.parametrize("what", ["save", "delete", "log out", "leave"])
async def test_t4_whatever_is_wrong_with_the_record_no_save_fails(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    key = await sync_to_async(log_in)("ann")

    def away(*arguments: object) -> None:
        raise RuntimeError("no record")

    monkeypatch.setattr(loginsignals, "_served", away)

    def log_out() -> None:
        browser = Browser()
        browser.cookies["sessionid"] = key
        browser.logout()

    acts: dict[str, Callable[[], object]] = {
        "save": partial(deactivate, "ann"),
        "delete": lambda: user("ann").delete(),
        "log out": log_out,
        "leave": lambda: staff_group().delete(),
    }
    await sync_to_async(acts[what])()
    assert "Open sockets were not told that a login may have changed: RuntimeError" in caplog.text


async def test_t4_what_is_told_in_a_transaction_waits_for_its_end(pair: Pair) -> None:
    """Rolled back, it is told to nobody; nor is what a savepoint took with it."""
    here, there = pair
    ann = await page(there, "ann")

    def come_to_nothing() -> None:
        with transaction.atomic():
            with transaction.atomic():
                staff_group().delete()
                deactivate("ann")
                transaction.set_rollback(True)
            group = Group.objects.create(name="later")
            user("ann").groups.add(group)

    await does(here, come_to_nothing)
    await ann.until(partial(holds, ann, {"staff", "later"}, {"view_session"}), "it holds both")
    assert [set(told["roles"]) for told in ann.heard("session.changed")] == [{"staff", "later"}]
    assert ann.closed_with is None
