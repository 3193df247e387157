"""Rooms as the Python client sees them, on a real server."""

from __future__ import annotations

import asyncio

import pytest

from sessionstore_app.client import SessionStoreError, connect
from sessionstore_app.core import errors
from tests.client.support import rest, until, valued
from tests.support.server import Server


async def test_what_is_set_is_seen_by_another(any_server: Server, room: str) -> None:
    async with connect(any_server.address) as ann, connect(any_server.address) as bob:
        hers, his = await ann.join(room, observe=["*"]), await bob.join(room, observe=["*"])
        changes = his.observe("topic")
        entry = await hers.set("topic", "Retro")

        seen = await until(changes, valued("Retro"))
        assert seen == entry == hers["topic"] == his["topic"]
        assert seen.by is not None
        assert (seen.by.session_id, seen.version) == (ann.id, 1)
        assert await his.get("topic") == "Retro"
        assert (await his.snapshot()).keys() == his.entries.keys() == {"topic"}


async def test_observe_tells_what_is_present_first_and_absent_keys_as_none(server: Server, room: str) -> None:
    async with connect(server.address) as session:
        joined = await session.join(room)
        await joined.write([{"key": "hand/1", "value": 1}, {"key": "hand/2", "value": 2}, {"key": "other", "value": 3}])
        changes = joined.observe("hand/*", "topic")
        first = [await anext(changes) for _ in range(3)]
        await joined.delete("hand/1")
        gone = await anext(changes)

    assert {entry.key: entry.value for entry in first} == {"hand/1": 1, "hand/2": 2, "topic": None}
    assert (gone.key, gone.value, gone.version) == ("hand/1", None, 2)
    assert await rest(changes) == []


async def test_a_slow_reader_gets_the_newest_entry_of_each_key(server: Server, room: str) -> None:
    async with connect(server.address) as session:
        joined = await session.join(room, observe=["*"])
        changes = joined.observe("*")
        for number in range(20):
            await joined.set("a", number)
        await joined.set("b", 0)
        await joined.leave()

    assert [(entry.key, entry.value) for entry in await rest(changes)] == [("a", 19), ("b", 0)]


async def test_an_iterator_that_is_dropped_is_watched_no_more(server: Server, room: str) -> None:
    async with connect(server.address) as session:
        joined = await session.join(room)
        await joined.set("topic", 1)
        async for _ in joined.observe("topic"):
            break
        # The answer to another wish comes behind what the drop has set going.
        await anext(joined.observe("other"))
        assert "topic" not in joined


async def test_a_conflict_brings_the_present_entry(server: Server, room: str) -> None:
    async with connect(server.address) as session:
        joined = await session.join(room)
        entry = await joined.set("seat", "ann", if_version=0)
        with pytest.raises(errors.VersionConflict) as refused:
            await joined.set("seat", "bob", if_version=0)

    assert refused.value.current == entry
    assert refused.value.hint


async def test_updates_are_computed_by_the_server(server: Server, room: str) -> None:
    async with connect(server.address) as session:
        joined = await session.join(room)
        await asyncio.gather(*(joined.update("votes", do="increment", by=1) for _ in range(10)))
        assert await joined.get("votes") == 10
        await joined.update("pins", do="append", item={"id": 1}, unique="id")
        await joined.update("pins", do="append", item={"id": 1}, unique="id")
        assert await joined.get("pins") == [{"id": 1}]
        with pytest.raises(errors.InvalidValue):
            await joined.update("pins", do="increment")


async def test_plain_sets_that_wait_for_their_turn_become_one(server: Server, room: str) -> None:
    async with connect(server.address) as session:
        joined = await session.join(room)
        entries = await asyncio.gather(*(joined.set("a", number) for number in range(10)))
        assert {entry.value for entry in entries} <= {0, 9}
        assert entries[-1].value == 9
        assert entries[-1].version <= 2


@pytest.mark.parametrize(
    ("value", "refusal"),
    [(float("nan"), errors.InvalidValue), ({1, 2}, errors.InvalidValue), ("x" * 100_000, errors.ValueTooLarge)],
)
async def test_what_cannot_be_a_value_is_refused_here(
    server: Server, room: str, value: object, refusal: type[SessionStoreError]
) -> None:
    async with connect(server.address) as session:
        joined = await session.join(room)
        with pytest.raises(refusal):
            await joined.set("a", value)  # type: ignore[arg-type]  # that is what is tested
        assert (await joined.get_entry("a")).version == 0


async def test_a_write_that_nobody_waits_for_is_not_sent(server: Server, room: str) -> None:
    async with connect(server.address) as session:
        joined = await session.join(room)
        under_way = asyncio.ensure_future(joined.set("a", 1))
        waiting = asyncio.ensure_future(joined.set("b", 2))
        await asyncio.sleep(0)
        waiting.cancel()
        await under_way
        assert session.pending_writes == 0
        assert await joined.get("b") is None


async def test_an_entry_dies_with_its_session(server: Server, room: str) -> None:
    async with connect(server.address) as watcher:
        watched = await watcher.join(room, observe=["*"])
        changes = watched.observe("*")
        async with connect(server.address) as session:
            await (await session.join(room)).set("hand", True, lifetime="session")
            await until(changes, valued(True))
        await until(changes, valued(None))


async def test_messages_and_peers(server: Server, room: str) -> None:
    async with connect(server.address) as ann:
        hers = await ann.join(room)
        news, said = hers.peer_changes(), hers.messages("said")
        assert [peer.session_id for peer in (await anext(news)).peers] == [ann.id]
        async with connect(server.address) as bob:
            his = await bob.join(room)
            came = await anext(news)
            assert ([peer.session_id for peer in came.joined], came.count) == ([bob.id], 2)
            assert {peer.session_id for peer in his.peers} == {ann.id, bob.id}
            assert await his.broadcast("unheard", 1) == 2
            await his.broadcast("said", {"text": "Hi"})
            message = await anext(said)
        gone = await until(news, lambda change: bool(change.left))

    assert message.by is not None
    assert (message.data, message.by.session_id) == ({"text": "Hi"}, bob.id)
    assert [(each.session_id, each.reason) for each in gone.left] == [(bob.id, "CLOSED_BY_CLIENT")]


async def test_who_has_left_is_refused(server: Server, room: str) -> None:
    async with connect(server.address) as session:
        joined = await session.join(room, observe=["*"])
        changes = joined.observe("*")
        await joined.leave()
        await joined.leave()
        assert await rest(changes) == []
        for call in (joined.set("a", 1), joined.get("a"), joined.broadcast("said")):
            with pytest.raises(errors.NotJoined):
                await call
        again = await session.join(room)
        assert again is not joined
        assert await session.join(room, observe=["a"]) is again
        await again.set("a", 1)
        assert again["a"].value == 1


async def test_a_cleared_room_goes_on_under_another_epoch(server: Server, room: str) -> None:
    from sessionstore_app import mint_token

    async with connect(server.address, token=mint_token("ops", permissions=["manage_room"])) as session:
        joined = await session.join(room, observe=["*"])
        changes = joined.observe("*")
        await joined.set("a", 1)
        await joined.set("b", 1)
        await until(changes, lambda entry: entry.key == "b")
        before = joined.epoch
        await session.call("room.clear", room=room)
        assert {(await anext(changes)).value, (await anext(changes)).value} == {None}
        assert dict(joined.entries) == {}
        assert (await joined.set("a", 2)).version == 1
        assert (await until(changes, valued(2))).version == 1
        assert joined.epoch != before


async def test_bad_patterns_and_names_are_refused(server: Server, room: str) -> None:
    async with connect(server.address) as session:
        with pytest.raises(errors.InvalidParams):
            await session.join("")
        joined = await session.join(room)
        with pytest.raises(errors.InvalidParams):
            joined.observe("a*b")
        with pytest.raises(errors.MethodNotFound):
            await session.call("no.method")
