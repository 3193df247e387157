# ruff: noqa: S101  # a contract asserts
"""What a read gives: one instant, what came since, and every character as it was written."""

from __future__ import annotations

import pytest

from sessionstore_app.backends.base import Backend, Reading
from sessionstore_app.core.entries import Entry, Space
from sessionstore_app.core.jsontext import MAX_INTEGER, Json, JsonInput
from sessionstore_app.core.limits import TOMBSTONES_KEPT
from sessionstore_app.testing.acts import (
    AMPLE,
    OTHER,
    ROOM,
    assert_counts_right,
    contents,
    deleting,
    read,
    read_one,
    setting,
    write,
    write_one,
)

HOSTILE_KEYS = [
    "default",
    "'; DROP TABLE sessionstore_app_entry; --",
    '"quoted"',
    "%s %(name)s %% %",
    "{} {0} $1 ? :name",
    "back\\slash\\u0041",
    "a",
    "A",
    "a ",
    " a",
    "ä",
    "a\u0308",
    "ключ",
    "键/值",
    "🙂🇫🇷👩‍👩‍👧",
    "\u202eright-to-left",
    "\u2028\u2029\ufeff\u200b",
    "\U0010ffff\uffff",
    "x" * 128,
    "🙂" * 128,
]
HOSTILE_VALUES: list[JsonInput] = [
    False,
    True,
    0,
    -1,
    MAX_INTEGER,
    -MAX_INTEGER,
    0.1,
    1e-300,
    1.7976931348623157e308,
    "",
    " ",
    "null",
    "'; DROP TABLE sessionstore_app_entry; --",
    "%s %(x)s %",
    "</script><!--",
    "\\u0000 is no NUL, \\ud800 no surrogate",
    "\t\r\n\x01\x7f\x85\u2028",
    "🙂\U0010ffff\ufffe",
    [],
    {},
    [[[[[[[[[[]]]]]]]]]],
    [None, True, "x", 1, {"": None}],
    {"__proto__": {"admin": True}, "": 1, "a": {"b": [None]}, "ä": "a\u0308"},
]
SPACES = ["room:a:1", "room:A:1", "room:a :1", "room:a:1'", "room:%s:1", "room:ä:1", "room:a\u0308:1", "session:🙂"]


def applied(known: dict[str, Json], reading: Reading) -> dict[str, Json]:
    """What a client that knew `known` knows after a reading since then."""
    if reading.complete:
        known = {}
    for entry in reading.entries:
        known = {key: value for key, value in known.items() if key != entry.key}
        if entry.exists:
            known[entry.key] = entry.value
    return known


class ReadPromises:
    """One instant, deletions included or known to be unknown, text in and out (base.py, promises 2, 3 and 5)."""

    async def test_a_space_never_written_is_empty(self, backend: Backend) -> None:
        assert await read(backend) == Reading(version=0, entries=(), complete=True)
        assert await read(backend, "exact") == Reading(version=0, entries=(), complete=True)

    async def test_entries_come_in_the_order_of_their_versions(self, backend: Backend) -> None:
        for key in ("c", "a", "b", "a"):
            await write(backend, setting(key, 1))
        await write(backend, setting("z", 1), setting("y", 1))
        assert [entry.key for entry in (await read(backend)).entries] == ["c", "b", "a", "y", "z"]

    @pytest.mark.parametrize(
        ("patterns", "keys"),
        [
            (("*",), ["hand/1", "hand/2", "1/vote", "hand"]),
            (("hand/*",), ["hand/1", "hand/2"]),
            (("*/vote",), ["1/vote"]),
            (("hand",), ["hand"]),
            (("hand/*", "hand", "nobody"), ["hand/1", "hand/2", "hand"]),
            (("hand/1", "1/vote"), ["hand/1", "1/vote"]),
            (("Hand/*", "HAND"), []),
            (("%", "hand_*", "_and"), []),
        ],
    )
    async def test_h61_a_read_gives_what_its_patterns_name(
        self, backend: Backend, patterns: tuple[str, ...], keys: list[str]
    ) -> None:
        for key in ("hand/1", "hand/2", "1/vote", "hand"):
            await write(backend, setting(key, key))
        reading = await read(backend, *patterns)
        assert [entry.key for entry in reading.entries] == keys
        assert (reading.version, reading.complete) == (4, True)

    async def test_a_deleted_key_is_told_only_to_who_names_it(self, backend: Backend) -> None:
        await write(backend, setting("gone", 1), setting("here", 1))
        tombstone = await write_one(backend, deleting("gone"))
        for patterns in (("gone",), ("gone", "never"), ("gone", "g*")):
            assert (await read(backend, *patterns)).entries == (tombstone,)
        assert [entry.key for entry in (await read(backend, "*", "gone")).entries] == ["here", "gone"]
        assert [entry.key for entry in (await read(backend, "*")).entries] == ["here"]
        assert (await read(backend, "g*", "*one")).entries == ()

    # --- since

    async def test_since_gives_what_came_later_deletions_included(self, backend: Backend) -> None:
        await write(backend, setting("old", 1), setting("gone", 1))
        known = (await write(backend, setting("changed", 1))).version
        changed = await write_one(backend, setting("changed", 2))
        gone = await write_one(backend, deleting("gone"))
        assert await read(backend, since=known) == Reading(version=4, entries=(changed, gone), complete=False)
        assert (await read(backend, "changed", "old", since=known)).entries == (changed,)
        assert (await read(backend, "g*", since=known)).entries == (gone,)
        assert (await read(backend, "old", since=known)).entries == ()

    async def test_since_the_present_version_is_nothing(self, backend: Backend) -> None:
        await write(backend, setting("a", 1))
        assert await read(backend, since=1) == Reading(version=1, entries=(), complete=False)
        assert await read(backend, space=OTHER, since=0) == Reading(version=0, entries=(), complete=False)

    async def test_since_the_beginning_is_everything(self, backend: Backend) -> None:
        a = await write_one(backend, setting("a", 1))
        b = await write_one(backend, deleting("b"))
        assert await read(backend, since=0) == Reading(version=2, entries=(a, b), complete=False)

    async def test_since_a_version_yet_to_come_is_everything_anew(self, backend: Backend) -> None:
        a = await write_one(backend, setting("a", 1))
        await write(backend, deleting("b"))
        assert await read(backend, since=3) == Reading(version=2, entries=(a,), complete=True)
        assert await read(backend, space=OTHER, since=1) == Reading(version=0, entries=(), complete=True)

    async def test_who_was_away_catches_up_from_wherever_it_was(self, backend: Backend) -> None:
        known = {0: dict[str, Json]()}
        for batch in range(2 * TOMBSTONES_KEPT // 50 + 4):
            keys = [f"{batch}/{n}" for n in range(50)]
            for changes in ([setting(key, batch) for key in keys], [deleting(key) for key in keys[1:]]):
                result = await write(backend, *changes, limits=AMPLE)
                known[result.version] = await contents(backend)
        now = await contents(backend)
        readings = {version: await read(backend, since=version) for version in known}
        assert {version: applied(before, readings[version]) for version, before in known.items()} == dict.fromkeys(
            known, now
        )
        # Deletions are not kept for ever, but for who was away only for a moment.
        assert readings[0].complete
        assert not readings[max(known) - 2].complete
        await assert_counts_right(backend)

    async def test_a_deletion_no_longer_known_leaves_no_trace(self, backend: Backend) -> None:
        await write(backend, deleting("first"))
        for batch in range(2 * TOMBSTONES_KEPT // 100 + 1):
            await write(backend, *(deleting(f"{batch}/{n}") for n in range(100)), limits=AMPLE)
        reading = await read(backend, "first")
        assert reading.entries == ()
        assert (await write_one(backend, setting("first", 1, if_version=0))).version == reading.version + 1

    # --- what was written

    async def test_s8_every_value_comes_back_equal_and_of_its_type(self, backend: Backend) -> None:
        changes = [setting(f"k{n}", value) for n, value in enumerate(HOSTILE_VALUES)]
        await write(backend, *changes)
        read_back = {entry.key: entry for entry in (await read(backend)).entries}
        assert {key: entry.text for key, entry in read_back.items()} == {change.key: change.text for change in changes}
        for n, value in enumerate(HOSTILE_VALUES):
            found = read_back[f"k{n}"].value
            assert (found, type(found)) == (value, type(value))
        await assert_counts_right(backend)

    async def test_h57_every_key_is_a_key_of_its_own(self, backend: Backend) -> None:
        await write(backend, *(setting(key, n) for n, key in enumerate(HOSTILE_KEYS)))
        assert await contents(backend) == {key: n for n, key in enumerate(HOSTILE_KEYS)}
        for n, key in enumerate(HOSTILE_KEYS):
            assert (await read_one(backend, key)).value == n
        assert len((await read(backend, *HOSTILE_KEYS)).entries) == len(HOSTILE_KEYS)
        await write(backend, *(deleting(key) for key in HOSTILE_KEYS))
        assert await contents(backend) == {}
        await assert_counts_right(backend)

    async def test_s7_no_space_sees_into_another(self, backend: Backend) -> None:
        spaces = [Space(name) for name in SPACES]
        for n, space in enumerate(spaces):
            await write(backend, setting("canary", n), setting(f"only/{n}", n), space=space)
        for n, space in enumerate(spaces):
            assert await contents(backend, space=space) == {"canary": n, f"only/{n}": n}
        await backend.wipe(spaces[0])
        assert await backend.versions(spaces) == {space: int(n > 0) for n, space in enumerate(spaces)}

    async def test_a_value_handed_out_is_nobody_elses(self, backend: Backend) -> None:
        handed_in: dict[str, Json] = {"list": [1]}
        result = await write_one(backend, setting("shared", handed_in))
        for value in (handed_in, result.value, (await read_one(backend, "shared")).value):
            assert isinstance(value, dict)
            value["list"] = "spoilt"
        assert result.value == {"list": [1]}
        assert (await read_one(backend, "shared")).value == {"list": [1]}

    async def test_a_reading_stays_as_it_was(self, backend: Backend) -> None:
        await write(backend, setting("a", 1))
        reading = await read(backend)
        await write(backend, setting("a", 2), setting("b", 2))
        assert (reading.version, [entry.value for entry in reading.entries]) == (1, [1])
        assert isinstance(reading.entries[0], Entry)

    async def test_many_exact_names_are_read_at_once(self, backend: Backend) -> None:
        keys = [f"k{n}" for n in range(1_200)]
        await write(backend, *(setting(key, 1) for key in keys))
        assert len((await read(backend, *keys, space=ROOM)).entries) == 1_200
