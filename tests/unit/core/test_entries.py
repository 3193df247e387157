"""What a write means: guards, repeats, limits, counts and versions."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sessionstore_app.core.entries import (
    Author,
    Change,
    Decision,
    Entry,
    Fence,
    Lifetime,
    SessionId,
    Tally,
    Write,
    decide,
    is_tombstone,
)
from sessionstore_app.core.errors import (
    InvalidValue,
    LockNotHeld,
    StoreTooLarge,
    TooManyKeys,
    ValueTooLarge,
    VersionConflict,
)
from sessionstore_app.core.limits import TOMBSTONES_KEPT, StoreLimits
from sessionstore_app.core.operations import Append, Increment, Merge, Operation, Remove

LIMITS = StoreLimits()
ANN = Author(SessionId("ann"), "ann@example.com")
NOW = 1_700_000_000_000


def entry(key: str = "a", text: str | None = "1", version: int = 3, **more: int) -> Entry:
    return Entry(key=key, text=text, version=version, at_ms=NOW, **more)  # type: ignore[arg-type]


def write(*changes: Change, op: int | None = None, sequence: int | None = None) -> Write:
    fence = None if sequence is None else Fence("stage", sequence)
    return Write(changes=changes, by=ANN, at_ms=NOW, op=op, fence=fence)


def tally_of(*entries: Entry, version: int = 3) -> Tally:
    return Tally(
        version=version,
        keys=sum(item.exists for item in entries),
        size_bytes=sum(item.size_bytes for item in entries),
        tombstones=sum(is_tombstone(item) for item in entries),
    )


def decided(change: Change, *stored: Entry, limits: StoreLimits = LIMITS) -> Decision:
    return decide(write(change), {item.key: item for item in stored}, tally_of(*stored), limits)


# --- an entry


def test_h42_an_absent_entry_has_no_value_version_writer_or_time() -> None:
    absent = Entry(key="a")
    assert (absent.value, absent.version, absent.by, absent.at, absent.exists) == (None, 0, None, None, False)
    assert absent.size_bytes == 0


def test_an_entrys_value_and_time_are_python_objects() -> None:
    assert entry(text='{"a":[1]}').value == {"a": [1]}
    assert entry().at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def test_h12_an_entry_counts_its_key_and_value_in_bytes() -> None:
    assert entry(key="é", text='"é"').size_bytes == 2 + 4


@pytest.mark.parametrize(
    ("text", "expires_at_ms", "expired"),
    [("1", None, False), ("1", NOW + 1, False), ("1", NOW, True), (None, NOW, False)],
)
def test_p12_an_entry_expires_at_its_time(text: str | None, expires_at_ms: int | None, expired: bool) -> None:
    assert Entry(key="a", text=text, expires_at_ms=expires_at_ms).is_expired(NOW) is expired


def test_lifetimes_are_spelled_as_on_the_wire() -> None:
    assert list(Lifetime) == ["room", "session"]


# --- a set


def test_h4_the_last_write_wins() -> None:
    after = decided(Change(key="a", text="2"), entry())
    (written,) = after.result.entries
    assert (written.text, written.version, written.by, written.at_ms) == ("2", 4, ANN, NOW)
    assert after.result.version == after.tally.version == 4
    assert after.result.changed
    assert not after.result.duplicate


def test_p42_an_equal_value_is_a_write_too() -> None:
    assert decided(Change(key="a", text="1"), entry()).result.changed


@pytest.mark.parametrize("text", ["0", "false", '""', "[]", "{}"])
def test_p6_falsy_values_are_values(text: str) -> None:
    after = decided(Change(key="a", text=text))
    assert after.result.entries[0].exists
    assert after.tally.keys == 1


def test_h42_null_deletes_and_leaves_version_writer_and_time() -> None:
    after = decided(Change(key="a"), entry())
    (gone,) = after.result.entries
    assert (gone.text, gone.version, gone.by, gone.at_ms) == (None, 4, ANN, NOW)
    assert (after.tally.keys, after.tally.size_bytes, after.tally.tombstones) == (0, 0, 1)


def test_deleting_what_never_was_is_a_write() -> None:
    after = decided(Change(key="a"))
    assert after.result.changed
    assert after.tally.tombstones == 1


def test_a_deleted_key_that_is_written_again_is_no_deletion_any_more() -> None:
    after = decided(Change(key="a", text="1"), entry(text=None))
    assert (after.tally.keys, after.tally.tombstones) == (1, 0)


def test_changes_of_one_write_share_a_version_and_keep_their_order() -> None:
    changes = [Change(key=key, text="1") for key in ("c", "a", "b")]
    after = decide(write(*changes), {}, Tally(version=9), LIMITS)
    assert [(item.key, item.version) for item in after.result.entries] == [("c", 10), ("a", 10), ("b", 10)]


def test_time_to_live_and_owner_belong_to_a_value() -> None:
    (kept,) = decided(Change(key="a", text="1", ttl_ms=500, owner=SessionId("ann"))).result.entries
    assert (kept.expires_at_ms, kept.owner) == (NOW + 500, "ann")
    (gone,) = decided(Change(key="a", ttl_ms=500, owner=SessionId("ann")), entry()).result.entries
    assert (gone.expires_at_ms, gone.owner) == (None, None)


def test_a_set_without_time_to_live_ends_the_former_one() -> None:
    (kept,) = decided(Change(key="a", text="2"), entry(expires_at_ms=NOW + 9)).result.entries
    assert kept.expires_at_ms is None


# --- guards


@pytest.mark.parametrize(
    ("stored", "if_version"),
    [(Entry(key="a"), 0), (entry(text=None), 0), (entry(), 3), (entry(expires_at_ms=NOW), 0)],
    ids=["never written", "deleted", "at that version", "past its time"],
)
def test_i4_a_guard_that_holds_lets_the_write_pass(stored: Entry, if_version: int) -> None:
    assert decided(Change(key="a", text="2", if_version=if_version), stored).result.version == 4


@pytest.mark.parametrize(
    ("stored", "if_version"),
    [(Entry(key="a"), 3), (entry(text=None), 3), (entry(), 0), (entry(), 2), (entry(), 4)],
    ids=["never written", "deleted", "has a value", "older", "newer"],
)
def test_i4_a_stale_guard_is_refused_with_the_current_entry(stored: Entry, if_version: int) -> None:
    with pytest.raises(VersionConflict) as refused:
        decided(Change(key="a", text="2", if_version=if_version), stored)
    assert refused.value.current == stored


def test_the_server_can_remove_an_entry_past_its_time_by_its_version() -> None:
    assert decided(Change(key="a", if_version=3), entry(expires_at_ms=NOW)).result.entries[0].text is None


def test_one_stale_guard_refuses_the_whole_write() -> None:
    stored = {"a": entry()}
    with pytest.raises(VersionConflict):
        decide(write(Change(key="b", text="1"), Change(key="a", text="2", if_version=1)), stored, tally_of(), LIMITS)


def test_a_delete_can_be_guarded() -> None:
    with pytest.raises(VersionConflict):
        decided(Change(key="a", if_version=2), entry())


# --- operations


@pytest.mark.parametrize(
    ("operation", "text", "after"),
    [
        (Increment(2), "1", "3"),
        (Append(2), "[1]", "[1,2]"),
        (Remove({"id": 1}), '[{"id":1},2]', "[2]"),
        (Merge({"b": 1}), '{"a":1}', '{"a":1,"b":1}'),
        (Merge(None), "1", None),
        (Increment(), None, "1"),
    ],
)
def test_p1_an_operation_works_on_the_present_value(operation: Operation, text: str | None, after: str | None) -> None:
    stored = entry(text=text)
    assert decided(Change(key="a", operation=operation), stored).result.entries[0].text == after


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (Increment(0), "1"),
        (Remove({"id": 1}), "[2]"),
        (Remove({"id": 1}), None),
        (Append({"id": 1}, unique="id"), '[{"id":1}]'),
        (Merge({}), "{}"),
    ],
)
def test_an_operation_that_changes_nothing_is_no_write(operation: Operation, text: str | None) -> None:
    stored = entry(text=text)
    after = decided(Change(key="a", operation=operation), stored)
    assert not after.result.changed
    assert not after.result.duplicate
    assert after.result.entries == (stored,)
    assert after.tally == tally_of(stored)


def test_an_operation_finds_no_value_past_its_time() -> None:
    after = decided(Change(key="a", operation=Increment()), entry(text="5", expires_at_ms=NOW))
    assert after.result.entries[0].text == "1"


def test_an_operation_on_a_value_past_its_time_is_a_write_even_if_it_ends_equal() -> None:
    after = decided(Change(key="a", operation=Increment()), entry(text="1", expires_at_ms=NOW))
    assert after.result.changed
    assert after.result.entries[0].version == 4


def test_a_value_of_another_type_is_refused_with_the_current_entry() -> None:
    stored = entry(text='"x"')
    with pytest.raises(InvalidValue) as refused:
        decided(Change(key="a", operation=Increment()), stored)
    assert refused.value.current is stored


# --- repeats


def test_t20_a_repeat_is_answered_with_the_present_entry_and_changes_nothing() -> None:
    stored = entry(text="9")
    after = decide(write(Change(key="a", text="1"), op=7), {"a": stored}, tally_of(stored), LIMITS, last_op=7)
    assert after.result.duplicate
    assert not after.result.changed
    assert after.result.entries == (stored,)
    assert after.result.version == 3
    assert after.tally == tally_of(stored)


@pytest.mark.parametrize(
    ("op", "last_op", "is_repeat"), [(8, 7, False), (6, 7, True), (0, None, False), (None, 7, False)]
)
def test_t20_an_op_not_above_the_last_is_a_repeat(op: int | None, last_op: int | None, is_repeat: bool) -> None:
    after = decide(write(Change(key="a", text="1"), op=op), {}, Tally(), LIMITS, last_op)
    assert after.result.duplicate is is_repeat


def test_t20_a_repeat_is_recognised_before_its_guard_is_looked_at() -> None:
    repeated = write(Change(key="a", text="1", if_version=0), op=1)
    assert decide(repeated, {"a": entry()}, tally_of(entry()), LIMITS, last_op=1).result.duplicate


# --- fences


@pytest.mark.parametrize(("sequence", "last_fence"), [(7, None), (7, 7), (8, 7), (None, 7), (0, 0)])
def test_d73_a_sequence_not_below_the_highest_passes(sequence: int | None, last_fence: int | None) -> None:
    wanted = write(Change(key="a", text="1"), sequence=sequence)
    assert decide(wanted, {}, Tally(), LIMITS, last_fence=last_fence).result.changed


@pytest.mark.parametrize("sequence", [6, 0, -1])
def test_d78_a_sequence_below_the_highest_comes_too_late(sequence: int) -> None:
    with pytest.raises(LockNotHeld) as refused:
        decide(write(Change(key="a", text="1"), sequence=sequence), {}, Tally(), LIMITS, last_fence=7)
    assert "given to another since" in refused.value.advice


def test_d78_who_comes_too_late_is_told_so_before_its_guard_is_looked_at() -> None:
    late = write(Change(key="a", text="1", if_version=0), sequence=6)
    with pytest.raises(LockNotHeld):
        decide(late, {"a": entry()}, tally_of(entry()), LIMITS, last_fence=7)


def test_t20_a_repeat_is_recognised_before_its_fence_is_looked_at() -> None:
    repeated = write(Change(key="a", text="1"), op=1, sequence=6)
    assert decide(repeated, {"a": entry()}, tally_of(entry()), LIMITS, last_op=1, last_fence=7).result.duplicate


# --- limits


def test_h10_a_value_may_be_1024_bytes_and_no_byte_more() -> None:
    at_limit = f'"{"é" * 511}"'
    assert decided(Change(key="a", text=at_limit)).result.entries[0].text == at_limit
    with pytest.raises(ValueTooLarge) as refused:
        decided(Change(key="a", text=f'"{"é" * 511}x"'))
    assert (refused.value.limit, refused.value.actual) == (1024, 1025)


def test_h10_the_result_of_an_operation_is_measured_too() -> None:
    with pytest.raises(ValueTooLarge):
        decided(Change(key="a", operation=Append("x" * 9)), entry(text='["x"]'), limits=StoreLimits(value_bytes=9))


def test_h11_the_hundred_and_first_key_is_refused() -> None:
    full = Tally(version=100, keys=99, size_bytes=99)
    assert decide(write(Change(key="a", text="1")), {}, full, LIMITS).tally.keys == 100
    with pytest.raises(TooManyKeys) as refused:
        decide(write(Change(key="a", text="1"), Change(key="b", text="1")), {}, full, LIMITS)
    assert (refused.value.limit, refused.value.actual) == (100, 101)


def test_h13_overwriting_a_key_of_a_full_store_is_allowed() -> None:
    stored = entry()
    full = Tally(version=100, keys=100, size_bytes=200)
    assert decide(write(Change(key="a", text="2")), {"a": stored}, full, LIMITS).tally.keys == 100


def test_h12_key_names_count_towards_the_store() -> None:
    full = Tally(version=1, keys=1, size_bytes=65_536 - 3)
    assert decide(write(Change(key="aa", text="1")), {}, full, LIMITS).tally.size_bytes == 65_536
    with pytest.raises(StoreTooLarge) as refused:
        decide(write(Change(key="aaa", text="1")), {}, full, LIMITS)
    assert (refused.value.limit, refused.value.actual) == (65_536, 65_537)


def test_h13_overwriting_counts_the_new_value_instead_of_the_old() -> None:
    stored = entry(text='"xxxx"')
    after = decided(Change(key="a", text='"yyyyy"'), stored, limits=StoreLimits(store_bytes=8))
    assert after.tally.size_bytes == 8


def test_h13_deleting_succeeds_even_over_every_limit() -> None:
    stored = entry(text='"xxxx"')
    overfull = Tally(version=3, keys=200, size_bytes=99_999)
    after = decide(write(Change(key="a")), {"a": stored}, overfull, StoreLimits(value_bytes=0, keys=1, store_bytes=1))
    assert (after.tally.keys, after.tally.size_bytes) == (199, 99_999 - 7)


def test_h13_shrinking_an_overfull_store_succeeds() -> None:
    stored = entry(text='"xxxx"')
    overfull = Tally(version=3, keys=200, size_bytes=99_999)
    assert decide(write(Change(key="a", text="1")), {"a": stored}, overfull, LIMITS).tally.size_bytes == 99_994


# --- the tally


def test_deletions_are_forgotten_when_there_are_twice_as_many_as_are_kept() -> None:
    assert not Tally(tombstones=2 * TOMBSTONES_KEPT).prune_due
    assert Tally(tombstones=2 * TOMBSTONES_KEPT + 1).prune_due
