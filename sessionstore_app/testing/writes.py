# ruff: noqa: S101  # a contract asserts
"""What one write does: everything or nothing, once, and only if its guards hold."""

from __future__ import annotations

import pytest

from sessionstore_app.backends.base import Backend
from sessionstore_app.core.entries import Author, Entry, SessionId
from sessionstore_app.core.errors import InvalidValue, VersionConflict
from sessionstore_app.core.jsontext import JsonInput
from sessionstore_app.core.limits import StoreLimits
from sessionstore_app.core.operations import Append, Increment, Merge, Operation, Remove
from sessionstore_app.testing.acts import (
    AMPLE,
    ANN,
    AT_MS,
    BO,
    OTHER,
    ROOM,
    assert_counts_right,
    contents,
    deleting,
    doing,
    read,
    read_one,
    setting,
    tallies,
    write,
    write_one,
)


class WritePromises:
    """Atomic writes, guards, versions (base.py, promises 1 and 2)."""

    async def test_a_written_value_is_read_back_with_its_version_writer_and_time(self, backend: Backend) -> None:
        result = await write(backend, setting("topic", "retro"), by=ANN)
        expected = Entry(key="topic", text='"retro"', version=1, by=ANN, at_ms=AT_MS)
        assert result.entries == (expected,)
        assert (await read(backend)).entries == (expected,)

    @pytest.mark.parametrize("by", [ANN, Author(None, "ops"), Author(SessionId("s-1"), ""), None])
    async def test_whoever_wrote_is_read_back_as_handed_in(self, backend: Backend, by: Author | None) -> None:
        await write(backend, setting("topic", 1), by=by)
        assert (await read_one(backend, "topic")).by == by

    async def test_the_keys_of_one_write_share_its_version_and_come_back_in_the_order_asked(
        self, backend: Backend
    ) -> None:
        await write_one(backend, setting("a", 0))
        result = await write(backend, setting("c", 1), setting("a", 2), deleting("b"), doing("d", Increment(by=4)))
        assert (result.version, result.changed, result.duplicate) == (2, True, False)
        assert [(entry.key, entry.value, entry.version) for entry in result.entries] == [
            ("c", 1, 2),
            ("a", 2, 2),
            ("b", None, 2),
            ("d", 4, 2),
        ]
        assert await contents(backend) == {"a": 2, "c": 1, "d": 4}

    async def test_an_equal_value_is_a_write(self, backend: Backend) -> None:
        await write(backend, setting("topic", "same"), by=ANN)
        result = await write(backend, setting("topic", "same"), by=BO, at_ms=AT_MS + 1)
        assert result.changed
        assert await read_one(backend, "topic") == Entry(key="topic", text='"same"', version=2, by=BO, at_ms=AT_MS + 1)

    async def test_s4_deleting_an_absent_key_is_a_write_and_no_error(self, backend: Backend) -> None:
        entry = await write_one(backend, deleting("never"))
        assert (entry.exists, entry.version) == (False, 1)
        assert await contents(backend) == {}
        await assert_counts_right(backend)

    async def test_h42_a_deleted_key_keeps_version_writer_and_time_of_its_deletion(self, backend: Backend) -> None:
        await write(backend, setting("topic", 1, ttl_ms=1_000, owner=SessionId("s-ann")), by=ANN)
        await write(backend, deleting("topic"), by=BO, at_ms=AT_MS + 5)
        assert await read_one(backend, "topic") == Entry(key="topic", version=2, by=BO, at_ms=AT_MS + 5)

    async def test_versions_grow_by_one_with_each_write_of_a_space_and_only_there(self, backend: Backend) -> None:
        versions = [(await write(backend, setting(f"k{n % 3}", n))).version for n in range(10)]
        assert versions == list(range(1, 11))
        assert await backend.versions([ROOM, OTHER]) == {ROOM: 10, OTHER: 0}

    # --- guards

    async def test_a_guard_of_zero_holds_only_where_there_is_no_value(self, backend: Backend) -> None:
        first = await write_one(backend, setting("lead", "ann", if_version=0))
        with pytest.raises(VersionConflict) as refused:
            await write(backend, setting("lead", "bo", if_version=0))
        assert refused.value.current == first
        await write(backend, deleting("lead"))
        assert (await write_one(backend, setting("lead", "bo", if_version=0))).version == 3

    async def test_a_guard_holds_at_exactly_the_version_it_names(self, backend: Backend) -> None:
        entry = await write_one(backend, setting("lead", "ann"))
        await write(backend, setting("elsewhere", 1))
        assert (await write_one(backend, setting("lead", "bo", if_version=entry.version))).version == 3

    @pytest.mark.parametrize("stale", [0, 1, 3, 2**40])
    async def test_a_stale_guard_changes_nothing(self, backend: Backend, stale: int) -> None:
        await write(backend, setting("lead", "ann"))
        now = await write_one(backend, setting("lead", "bo"))
        with pytest.raises(VersionConflict) as refused:
            await write(backend, setting("lead", "cy", if_version=stale))
        assert refused.value.current == now
        assert await read(backend) == await read(backend, "lead")
        assert (await read(backend)).entries == (now,)
        assert (await read(backend)).version == 2

    async def test_a_deleted_key_is_at_no_version(self, backend: Backend) -> None:
        await write(backend, setting("lead", "ann"))
        tombstone = await write_one(backend, deleting("lead"))
        with pytest.raises(VersionConflict) as refused:
            await write(backend, setting("lead", "bo", if_version=tombstone.version))
        assert refused.value.current == tombstone
        assert await contents(backend) == {}

    async def test_a_guard_on_a_key_never_written_names_it_in_the_conflict(self, backend: Backend) -> None:
        with pytest.raises(VersionConflict) as refused:
            await write(backend, setting("lead", "bo", if_version=1))
        assert refused.value.current == Entry(key="lead")

    async def test_an_entry_past_its_time_holds_nobody_up_though_nobody_swept_it(self, backend: Backend) -> None:
        await write(backend, setting("lead", "ann", ttl_ms=100))
        result = await write(backend, setting("lead", "bo", if_version=0), at_ms=AT_MS + 100)
        assert result.entries[0].value == "bo"

    async def test_one_stale_guard_among_several_keys_leaves_all_of_them(self, backend: Backend) -> None:
        await write(backend, setting("a", 1), setting("b", 1))
        before = await read(backend)
        with pytest.raises(VersionConflict):
            await write(backend, setting("a", 2, if_version=1), setting("new", 2), setting("b", 2, if_version=0))
        assert await read(backend) == before
        await assert_counts_right(backend)

    async def test_one_impossible_operation_among_several_keys_leaves_all_of_them(self, backend: Backend) -> None:
        await write(backend, setting("a", 1), setting("words", "text"))
        before = await read(backend)
        with pytest.raises(InvalidValue) as refused:
            await write(backend, setting("a", 2), deleting("gone"), doing("words", Increment()))
        assert refused.value.current == (await read_one(backend, "words"))
        assert await read(backend) == before

    async def test_one_value_too_large_among_several_keys_leaves_all_of_them(self, backend: Backend) -> None:
        await write(backend, setting("a", 1))
        before = await read(backend)
        small = StoreLimits(value_bytes=10, keys=10, store_bytes=100)
        with pytest.raises(Exception, match="larger than one entry"):
            await write(backend, setting("a", 2), setting("b", "x" * 11), limits=small)
        assert await read(backend) == before

    # --- operations

    @pytest.mark.parametrize(
        ("before", "operation", "after"),
        [
            (None, Increment(), 1),
            (1, Increment(by=-3), -2),
            (1, Increment(by=0.5), 1.5),
            (None, Append(item={"id": 1}), [{"id": 1}]),
            ([1, 2, 3], Append(item=4, cap=3), [2, 3, 4]),
            ([{"id": 1}], Append(item={"id": 2}, unique="id"), [{"id": 1}, {"id": 2}]),
            ([{"id": 1, "x": 1}, {"id": 2}], Remove(where={"id": 1}), [{"id": 2}]),
            ({"a": 1, "b": {"c": 1}}, Merge(patch={"a": None, "b": {"d": 2}}), {"b": {"c": 1, "d": 2}}),
            ({"a": 1}, Merge(patch=None), None),
        ],
    )
    async def test_operations_are_computed_where_the_value_is(
        self, backend: Backend, before: JsonInput, operation: Operation, after: JsonInput
    ) -> None:
        if before is not None:
            await write(backend, setting("value", before))
        entry = await write_one(backend, doing("value", operation))
        assert entry.value == after
        assert (await read_one(backend, "value")).value == after
        await assert_counts_right(backend)

    @pytest.mark.parametrize(
        ("before", "operation"),
        [
            ([{"id": 1}], Append(item={"id": 1, "text": "again"}, unique="id")),
            ([{"id": 1}], Remove(where={"id": 9})),
            ({"a": 1}, Merge(patch={"a": 1, "b": None})),
            (3, Increment(by=0)),
        ],
    )
    async def test_an_operation_that_changes_nothing_is_no_write(
        self, backend: Backend, before: JsonInput, operation: Operation
    ) -> None:
        present = await write_one(backend, setting("value", before))
        result = await write(backend, doing("value", operation), by=BO)
        assert (result.changed, result.duplicate, result.version, result.entries) == (False, False, 1, (present,))
        assert (await read(backend)).entries == (present,)

    async def test_a_space_in_which_nothing_ever_changed_holds_nothing(self, backend: Backend) -> None:
        result = await write(backend, doing("list", Remove(where={"id": 1})), by=ANN, op=1)
        assert (result.changed, result.version) == (False, 0)
        assert await tallies(backend) == {}

    async def test_an_operation_on_a_value_past_its_time_begins_anew(self, backend: Backend) -> None:
        await write(backend, setting("count", 7, ttl_ms=100))
        result = await write(backend, doing("count", Increment()), at_ms=AT_MS + 101)
        assert result.entries[0].value == 1

    # --- repeats

    @pytest.mark.parametrize("op", [5, 4, 0])
    async def test_t20_a_repeated_op_is_not_applied_again(self, backend: Backend, op: int) -> None:
        await write(backend, doing("count", Increment()), by=ANN, op=5)
        present = await write_one(backend, setting("count", 10))
        result = await write(backend, doing("count", Increment()), by=ANN, op=op)
        assert (result.duplicate, result.changed, result.version, result.entries) == (True, False, 2, (present,))
        assert (await write(backend, doing("count", Increment()), by=ANN, op=6)).entries[0].value == 11

    async def test_a_repeat_is_known_before_its_guard_is_looked_at(self, backend: Backend) -> None:
        await write(backend, setting("lead", "ann", if_version=0), by=ANN, op=1)
        assert (await write(backend, setting("lead", "ann", if_version=0), by=ANN, op=1)).duplicate

    async def test_a_refused_write_does_not_use_up_its_op(self, backend: Backend) -> None:
        await write(backend, setting("lead", "bo"))
        with pytest.raises(VersionConflict):
            await write(backend, setting("lead", "ann", if_version=0), by=ANN, op=1)
        result = await write(backend, setting("lead", "ann", if_version=1), by=ANN, op=1)
        assert (result.duplicate, result.version) == (False, 2)

    async def test_an_op_that_changed_nothing_is_remembered_too(self, backend: Backend) -> None:
        remove = doing("list", Remove(where={"id": 1}))
        await write(backend, remove, by=ANN, op=1)
        await write(backend, setting("list", [{"id": 1}]))
        assert (await write(backend, remove, by=ANN, op=1)).duplicate
        assert await contents(backend) == {"list": [{"id": 1}]}

    async def test_ops_belong_to_one_session_in_one_space(self, backend: Backend) -> None:
        await write(backend, doing("count", Increment()), by=ANN, op=1)
        assert not (await write(backend, doing("count", Increment()), by=BO, op=1)).duplicate
        assert not (await write(backend, doing("count", Increment()), by=ANN, op=1, space=OTHER)).duplicate
        assert await contents(backend) == {"count": 2}

    @pytest.mark.parametrize("by", [None, Author(None, "ops")])
    async def test_who_is_no_session_has_no_repeats(self, backend: Backend, by: Author | None) -> None:
        for _ in range(2):
            await write(backend, doing("count", Increment()), by=by, op=1, limits=AMPLE)
        assert await contents(backend) == {"count": 2}
