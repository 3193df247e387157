"""Rooms that have a type, as the Python client sees them: rights that come and go, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest

from sessionstore_app import mint_token
from sessionstore_app.client import Entry, Session, connect
from sessionstore_app.client.errors import refusal
from sessionstore_app.client.holding import Held
from sessionstore_app.client.streams import Conflated
from sessionstore_app.core import errors
from tests.client.stage import Stage, StageHand
from tests.client.support import staff, until, valued
from tests.roomtypes.conftest import SETTINGS
from tests.support.server import Server, running


@pytest.fixture(scope="module")
def typed_server() -> Iterator[Server]:
    with running(settings=SETTINGS) as server:
        yield server


@pytest.fixture
def stage(room: str) -> str:
    return f"stage/{room}"


def host(server: Server) -> Any:
    """Somebody who is host wherever it is."""
    return connect(server.address, token=mint_token("ann", roles=["host"]))


async def change_roles(by: Session, of: Session, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
    """Roles of a session change."""
    assert await by.sessions.change_roles(session_id=of.id, add=add, remove=remove) == 1


# --- on a server


async def test_what_may_not_be_read_any_more_is_gone_and_comes_back_with_the_right(
    typed_server: Server, stage: str
) -> None:
    async with host(typed_server) as ann, connect(typed_server.address) as bob, staff(typed_server) as eve:
        hers, his = await ann.join(stage), await bob.join(stage, observe=["*"])
        written = await hers.set("notes", "secret")
        changes = his.observe("*")
        for _ in range(2):
            await change_roles(eve, bob, add=["host"])
            assert await until(changes, valued("secret")) == written == his["notes"]
            await change_roles(eve, bob, remove=["host"])
            gone = await until(changes, valued(None))
            assert (gone.key, gone.version, gone.by) == ("notes", written.version, None)
            assert "notes" not in his
            assert his.entries == {}
        await hers.set("count", 1)
        await until(changes, valued(1))
        await change_roles(eve, bob, add=["host"])
        assert await until(changes, valued("secret")) == written


async def test_a_key_that_is_named_when_joining_is_none_until_it_may_be_read(typed_server: Server, stage: str) -> None:
    async with host(typed_server) as ann, connect(typed_server.address) as bob, staff(typed_server) as eve:
        hers = await ann.join(stage)
        await hers.set("notes", "secret")
        his = await bob.join(stage, observe=["notes"])
        changes = his.observe("notes")
        assert (await anext(changes)).value is None
        await change_roles(eve, bob, add=["host"])
        assert (await anext(changes)).value == "secret"


async def test_who_observes_a_key_that_may_not_be_read_is_told_the_rule(typed_server: Server, stage: str) -> None:
    async with host(typed_server) as ann, connect(typed_server.address) as bob:
        await ann.join(stage)
        his = await bob.join(stage)
        with pytest.raises(errors.AccessDenied) as refused:
            await anext(his.observe("notes"))
        with pytest.raises(errors.InvalidKey, match="note"):
            await anext(his.observe("note"))
    rule = refused.value.rule
    assert rule is not None
    assert (rule["room_type"], rule["action"], rule["who"], rule["key"]) == ("Stage", "read", ["role host"], "notes")


async def test_a_refused_write_says_who_may_and_what_one_may_instead(typed_server: Server, stage: str) -> None:
    async with host(typed_server) as ann, connect(typed_server.address) as bob:
        await ann.join(stage)
        his = await bob.join(stage)
        with pytest.raises(errors.AccessDenied) as refused:
            await his.set("notes", "mine")
        with pytest.raises(errors.InvalidValue):
            await his.set("count", "many")
    rule = refused.value.rule
    assert rule is not None
    assert (rule["action"], rule["who"]) == ("write", ["role host"])
    assert "hand/*" in rule["allowed"]  # type: ignore[operator]  # a list
    assert "host" in refused.value.advice


async def test_one_may_ask_beforehand(typed_server: Server, stage: str, room: str) -> None:
    async with host(typed_server) as ann, connect(typed_server.address) as bob:
        hers, his, untyped = await ann.join(stage), await bob.join(stage), await bob.join(room)
        assert (hers.type, his.type, untyped.type) == ("Stage", "Stage", None)
        assert [await each.can("write", "pinned") for each in (hers, his, untyped)] == [True, False, True]
        assert [await each.can("read", "notes") for each in (hers, his)] == [True, False]
        assert [await each.can("clear") for each in (hers, his, untyped)] == [True, False, False]
        assert not await his.can("write", "no such key")
        with pytest.raises(errors.InvalidParams):
            await his.can("write")
        with pytest.raises(errors.InvalidParams):
            await his.can("clear", "notes")
        await his.leave()
        with pytest.raises(errors.NotJoined):
            await his.can("clear")


async def test_what_a_room_holds_is_of_the_types_that_were_written_down(typed_server: Server, stage: str) -> None:
    async with host(typed_server) as ann:
        hers = await ann.join(stage, observe=["*"])
        await hers.set("pinned", [{"id": "1"}, {"id": "2", "text": "two"}])
        await hers.set("spotlight", ann.id)
        await hers.set("hand/ann", 1.5)
        values = {key: entry.value for key, entry in hers.entries.items()}
    hands = msgspec.convert({"hand/ann": values.pop("hand/ann")}, StageHand)
    held = msgspec.convert(values, Stage)
    assert (held["spotlight"], hands["hand/ann"]) == (ann.id, 1.5)
    assert [pin.get("text") for pin in held["pinned"]] == [None, "two"]
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**values, "pinned": [{"text": "without id"}]}, Stage)


# --- what is held


@pytest.fixture
def held() -> Held:
    """A store whose notes are at version 5, in a room at version 10."""
    store = Held()
    store.kept = frozenset({"*"})
    store.apply([Entry(key="notes", text='"secret"', version=5)], as_of=10)
    store.arm({"*"})
    return store


@pytest.fixture
def changes(held: Held) -> Conflated:
    reader = held.readers.add(Conflated(frozenset({"*"})))
    held.greet()
    reader._take()
    return reader


def told(reader: Conflated) -> list[object]:
    """The values of news that were not read."""
    return [] if reader._is_empty() else [reader._take().value, *told(reader)]


SHOWN = Entry(key="notes", text='"secret"', version=5)


def test_a_withdrawal_is_told_once_though_nothing_was_written(held: Held, changes: Conflated) -> None:
    held.apply([Entry(key="notes", version=5)], as_of=10)
    assert told(changes) == [None]
    held.apply([Entry(key="notes", version=5)], as_of=10)
    assert told(changes) == []
    held.apply([SHOWN], as_of=10)
    assert told(changes) == ["secret"]
    held.apply([SHOWN], as_of=10)
    assert told(changes) == []


def test_an_answer_that_was_under_way_does_not_bring_back_what_was_withdrawn(held: Held, changes: Conflated) -> None:
    held.apply([Entry(key="notes", version=5)], as_of=10)
    held.apply([SHOWN])
    assert told(changes) == [None]
    assert held.find("notes") is None


def test_what_a_snapshot_left_out_is_told_again_however_old_it_is(held: Held, changes: Conflated) -> None:
    held.replace([], 20)
    assert told(changes) == [None]
    held.apply([SHOWN])
    assert told(changes) == []
    held.apply([SHOWN], as_of=20)
    assert told(changes) == ["secret"]


def test_a_snapshot_leaves_out_what_was_the_last_write(held: Held, changes: Conflated) -> None:
    held.replace([], 5)
    assert told(changes) == [None]


def test_what_is_older_than_a_deletion_stays_deleted(held: Held, changes: Conflated) -> None:
    held.apply([Entry(key="notes", version=12)], as_of=12)
    held.apply([SHOWN], as_of=11)
    held.apply([SHOWN])
    assert told(changes) == [None]


# --- what a refusal says


@pytest.mark.parametrize("rule", [None, {"room_type": "Stage", "action": "write", "who": []}, "strange"])
def test_a_refusal_has_the_rule_that_came_with_it(rule: object) -> None:
    data = {"reason": "ACCESS_DENIED", "hint": "Ask.", **({} if rule is None else {"rule": rule})}
    error = refusal({"code": -32002, "message": "No.", "data": data})
    assert isinstance(error, errors.AccessDenied)
    assert error.rule == rule
    assert error.data == data
