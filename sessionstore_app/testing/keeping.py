# ruff: noqa: S101  # a contract asserts
"""What becomes of entries: their time, their owner, the end of their space, and the list of all spaces."""

from __future__ import annotations

import asyncio

import pytest

from sessionstore_app.backends.base import Backend, Due, Reading
from sessionstore_app.core.entries import SessionId, Space, Tally
from sessionstore_app.core.errors import SpaceWiped
from sessionstore_app.testing.acts import (
    ANN,
    AT_MS,
    OTHER,
    ROOM,
    assert_counts_right,
    contents,
    deleting,
    read,
    read_one,
    setting,
    tallies,
    write,
)

OWNER = SessionId("s-ann")
LATER_MS = AT_MS + 10_000_000
FAR_FUTURE_MS = 2**52


class KeepingPromises:
    """Times, owners, wiping and the list of spaces (base.py, promise 4 and the lesser methods)."""

    # --- time to live

    async def test_a_time_to_live_is_kept_with_the_entry(self, backend: Backend) -> None:
        await write(backend, setting("short", 1, ttl_ms=250), setting("long", 1))
        assert (await read_one(backend, "short")).expires_at_ms == AT_MS + 250
        assert (await read_one(backend, "long")).expires_at_ms is None

    async def test_an_entry_is_due_from_the_millisecond_its_time_ends(self, backend: Backend) -> None:
        await write(backend, setting("a", 1, ttl_ms=250), space=OTHER)
        assert await backend.due(AT_MS + 249, 10) == []
        assert await backend.due(AT_MS + 250, 10) == [Due(OTHER, "a", 1)]
        assert await contents(backend, space=OTHER) == {"a": 1}

    async def test_the_last_write_says_how_long_an_entry_lives(self, backend: Backend) -> None:
        await write(backend, *(setting(key, 1, ttl_ms=100) for key in "abcd"))
        await write(backend, setting("a", 2), deleting("b"), setting("c", 2, ttl_ms=200))
        assert await backend.due(AT_MS + 100, 10) == [Due(ROOM, "d", 1)]
        assert sorted(due.key for due in await backend.due(AT_MS + 200, 10)) == ["c", "d"]

    async def test_no_more_are_due_than_asked_for(self, backend: Backend) -> None:
        for space in (ROOM, OTHER):
            await write(backend, *(setting(f"k{n}", n, ttl_ms=100) for n in range(10)), space=space)
        assert len(set(await backend.due(LATER_MS, 7))) == 7
        assert len(set(await backend.due(LATER_MS, 100))) == 20
        assert await backend.due(LATER_MS, 0) == []

    # --- owner

    async def test_entries_of_a_session_are_found_by_it(self, backend: Backend) -> None:
        await write(backend, setting("hand/ann", 1, owner=OWNER), setting("topic", 1), by=ANN)
        await write(backend, setting("hand/bo", 1, owner=SessionId("s-bo")))
        await write(backend, setting("elsewhere", 1, owner=OWNER), space=OTHER)
        assert [(entry.key, entry.owner) for entry in await backend.owned(ROOM, [OWNER])] == [("hand/ann", OWNER)]
        assert await backend.owned(ROOM, [SessionId("s-nobody")]) == []
        assert await backend.owned(ROOM, []) == []

    async def test_entries_of_many_sessions_are_found_at_once(self, backend: Backend) -> None:
        owners = [SessionId(f"s-{n}") for n in range(300)]
        await write(backend, *(setting(f"hand/{owner}", 1, owner=owner) for owner in owners), setting("topic", 1))
        assert {entry.owner for entry in await backend.owned(ROOM, owners[:200])} == set(owners[:200])

    async def test_an_entry_written_anew_belongs_to_who_the_last_write_says(self, backend: Backend) -> None:
        await write(backend, *(setting(key, 1, owner=OWNER) for key in "abcd"))
        await write(backend, setting("a", 2), deleting("b"), setting("c", 2, owner=SessionId("s-bo")))
        assert [entry.key for entry in await backend.owned(ROOM, [OWNER])] == ["d"]

    # --- wiping

    async def test_p4_a_wiped_space_reads_as_empty(self, backend: Backend) -> None:
        await write(backend, setting("a", 1, ttl_ms=1, owner=OWNER), deleting("b"))
        await backend.wipe(ROOM)
        assert await read(backend) == Reading(version=0, entries=(), complete=True)
        assert await read(backend, "a", "b", since=0) == Reading(version=0, entries=(), complete=False)
        assert (await read(backend, since=1)).complete
        assert await backend.versions([ROOM]) == {ROOM: 0}
        assert await backend.owned(ROOM, [OWNER]) == []
        assert await backend.due(LATER_MS, 10) == []
        assert await tallies(backend) == {}

    async def test_a_late_write_to_a_wiped_space_is_refused(self, backend: Backend) -> None:
        await write(backend, setting("a", 1), by=ANN, op=1)
        await backend.wipe(ROOM)
        with pytest.raises(SpaceWiped):
            await write(backend, setting("a", 2))
        # Not even a repeat is answered: what it did is gone.
        with pytest.raises(SpaceWiped):
            await write(backend, setting("a", 1), by=ANN, op=1)
        assert await contents(backend) == {}

    async def test_a_space_never_written_can_be_closed_too(self, backend: Backend) -> None:
        await backend.wipe(ROOM)
        with pytest.raises(SpaceWiped):
            await write(backend, setting("a", 1))

    async def test_wiping_twice_is_harmless(self, backend: Backend) -> None:
        await write(backend, setting("a", 1))
        await backend.wipe(ROOM)
        await backend.wipe(ROOM)
        with pytest.raises(SpaceWiped):
            await write(backend, setting("a", 1))

    async def test_wiping_one_space_leaves_the_others(self, backend: Backend) -> None:
        for space in (ROOM, OTHER):
            await write(backend, setting("a", 1), space=space)
        await backend.wipe(ROOM)
        assert await contents(backend, space=OTHER) == {"a": 1}
        assert list(await tallies(backend)) == [OTHER]

    async def test_the_mark_of_a_wiped_space_stays_until_it_is_old(self, backend: Backend) -> None:
        await backend.wipe(ROOM)
        await backend.forget_wiped(1)
        with pytest.raises(SpaceWiped):
            await write(backend, setting("a", 1))

    async def test_forgetting_marks_leaves_every_space_that_lives(self, backend: Backend) -> None:
        await write(backend, setting("a", 1), space=OTHER)
        await backend.wipe(ROOM)
        await backend.forget_wiped(FAR_FUTURE_MS)
        assert await contents(backend, space=OTHER) == {"a": 1}
        await assert_counts_right(backend, OTHER)
        assert await contents(backend, space=ROOM) == {}

    async def test_i10_writes_that_race_a_wipe_are_before_it_or_refused(self, backend: Backend) -> None:
        await write(backend, setting("first", 1))
        writing = [asyncio.create_task(write(backend, setting(f"a{n}", n))) for n in range(20)]
        wiping = asyncio.create_task(backend.wipe(ROOM))
        writing += [asyncio.create_task(write(backend, setting(f"b{n}", n))) for n in range(20)]
        outcomes = await asyncio.gather(*writing, return_exceptions=True)
        await wiping
        refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert all(isinstance(outcome, SpaceWiped) for outcome in refused)
        assert await contents(backend) == {}
        assert await tallies(backend) == {}

    # --- the list of spaces

    async def test_every_space_that_holds_something_is_listed_with_what_it_holds(self, backend: Backend) -> None:
        await write(backend, setting("a", "xyz"), setting("é", 1))
        await write(backend, deleting("a"))
        await write(backend, setting("b", True), space=OTHER)
        await backend.wipe(Space("room:wiped:1"))
        listed = await tallies(backend)
        assert listed == {
            ROOM: Tally(version=2, keys=1, size_bytes=3, tombstones=1),
            OTHER: Tally(version=1, keys=1, size_bytes=5),
        }

    async def test_versions_and_the_list_go_beyond_any_page(self, backend: Backend) -> None:
        spaces = [Space(f"room:{n}:1") for n in range(1_100)]
        await asyncio.gather(*(write(backend, setting("a", n), space=space) for n, space in enumerate(spaces)))
        assert set(await tallies(backend)) == set(spaces)
        unknown = Space("room:unknown:1")
        assert await backend.versions([*spaces, unknown]) == dict.fromkeys(spaces, 1) | {unknown: 0}
        assert await backend.versions([]) == {}
        assert await backend.tallies([*spaces[:3], unknown]) == {
            **{space: (await tallies(backend))[space] for space in spaces[:3]},
            unknown: Tally(),
        }
        assert await backend.tallies([]) == {}

    async def test_a_tally_is_of_now_and_of_what_is_left(self, backend: Backend) -> None:
        await write(backend, setting("a", 1), setting("b", "é"))
        await write(backend, deleting("a"))
        assert await backend.tallies([ROOM]) == {ROOM: Tally(version=2, keys=1, size_bytes=5, tombstones=1)}
        await backend.wipe(ROOM)
        assert (await backend.tallies([ROOM]))[ROOM].keys == 0

    async def test_a_closed_backend_opens_again_with_the_next_call(self, backend: Backend) -> None:
        await write(backend, setting("a", 1))
        backend.close()
        backend.close()
        assert await contents(backend) == {"a": 1}
        assert (await write(backend, setting("a", 2))).version == 2
