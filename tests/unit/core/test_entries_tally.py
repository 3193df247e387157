"""P35: what a store says it holds is what it holds, whatever was done to it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app.core.entries import Change, Entry, SessionId, Tally, Write, decide, is_tombstone
from sessionstore_app.core.errors import SessionStoreError
from sessionstore_app.core.limits import StoreLimits
from sessionstore_app.core.operations import Append, Increment, Merge, Operation, Remove
from tests.unit.generated import MANY

NAMES = ["a", "bb", "é", "dddd"]
TIGHT = StoreLimits(value_bytes=12, keys=3, store_bytes=30)

TEXTS = [None, "1", "[]", '"éé"', "[1,2]", '{"id":1}', '"xxxxxxxxxx"', '"too long for it"']
OPERATIONS: list[Operation] = [
    Increment(),
    Increment(0),
    Append({"id": 1}, 2, "id"),
    Append(1, 2),
    Remove({"id": 1}),
    Merge({"a": 1}),
    Merge(None),
]
# Drawn whole, for one draw is cheap and seven are not.
CHANGES = [
    *(Change(key=key, text=text) for key in NAMES for text in TEXTS),
    *(Change(key=key, operation=operation) for key in NAMES for operation in OPERATIONS),
    *(Change(key=key, text="2", if_version=version) for key in NAMES for version in (0, 1, 3)),
    *(Change(key=key, text="[]", ttl_ms=2, owner=SessionId("ann")) for key in NAMES),
]
writes = st.lists(st.sampled_from(CHANGES), min_size=1, max_size=3, unique_by=lambda change: change.key)


class Store:
    """A space that does what `decide` says, and counts by itself."""

    def __init__(self, limits: StoreLimits) -> None:
        self.limits = limits
        self.entries: dict[str, Entry] = {}
        self.tally = Tally()
        self.last_op = 0

    def write(self, wanted: list[Change], op: int, now_ms: int) -> None:
        before = (dict(self.entries), self.tally)
        write = Write(changes=tuple(wanted), by=None, at_ms=now_ms, op=op)
        try:
            decision = decide(write, self.entries, self.tally, self.limits, self.last_op)
        except SessionStoreError:
            assert (self.entries, self.tally) == before, "a refusal changes nothing"
            return
        if decision.result.changed:
            self.entries.update((entry.key, entry) for entry in decision.result.entries)
            assert decision.tally.version == self.tally.version + 1, "versions have no holes"
            self.last_op = max(op, self.last_op)
        else:
            assert decision.tally == self.tally
            assert list(decision.result.entries) == [self.entries.get(c.key, Entry(key=c.key)) for c in wanted]
        self.tally = decision.tally

    def recount(self) -> Tally:
        held = self.entries.values()
        return Tally(
            version=max((entry.version for entry in held), default=0),
            keys=sum(entry.text is not None for entry in held),
            size_bytes=sum(len((e.key + e.text).encode()) for e in held if e.text is not None),
            tombstones=sum(is_tombstone(entry) for entry in held),
        )


@MANY
@given(st.lists(st.tuples(writes, st.integers(1, 20)), max_size=12))
def test_p35_the_tally_is_what_counting_anew_gives(history: list[tuple[list[Change], int]]) -> None:
    store = Store(TIGHT)
    for now_ms, (wanted, op) in enumerate(history):
        store.write(wanted, op, now_ms)
        assert store.tally == store.recount()


@MANY
@given(st.lists(writes, max_size=12))
def test_i8_no_write_takes_a_store_beyond_its_limits(history: list[list[Change]]) -> None:
    store = Store(TIGHT)
    for op, wanted in enumerate(history, start=1):
        store.write(wanted, op, now_ms=0)
        assert store.tally.keys <= TIGHT.keys
        assert store.tally.size_bytes <= TIGHT.store_bytes
        assert all(len((entry.text or "").encode()) <= TIGHT.value_bytes for entry in store.entries.values())


@MANY
@given(st.lists(writes, min_size=1, max_size=10))
def test_i2_versions_of_a_key_only_grow(history: list[list[Change]]) -> None:
    store = Store(StoreLimits())
    for op, wanted in enumerate(history, start=1):
        before = {key: entry.version for key, entry in store.entries.items()}
        store.write(wanted, op, now_ms=0)
        assert all(store.entries[key].version >= version for key, version in before.items())
