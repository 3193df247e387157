"""The database and Redis backends do what the memory backend does, whatever the calls and their order.

A Hypothesis state machine makes each call on both and compares results, errors, readings and tallies. Few deletions are
remembered here, so that they are forgotten often.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from sessionstore_app.backends import database, memory, redis
from sessionstore_app.backends.base import Backend, Due
from sessionstore_app.backends.database import DatabaseBackend
from sessionstore_app.backends.memory import MemoryBackend
from sessionstore_app.backends.redis import RedisBackend
from sessionstore_app.core import entries
from sessionstore_app.core.entries import Author, Change, Fence, SessionId, Space, Write
from sessionstore_app.core.errors import SessionStoreError
from sessionstore_app.core.limits import StoreLimits
from sessionstore_app.core.operations import Append, Increment, Merge, Remove
from sessionstore_app.core.patterns import pattern_set
from sessionstore_app.testing.acts import AT_MS, deleting, doing, setting, tallies
from tests.support.aliases import empty
from tests.support.redis import RedisServer

KEPT = 3
SPACES = [Space("room:a:1"), Space("room:b:1"), Space("room:a:2")]
KEYS = [f"hand/{n}" for n in range(8)] + ["a", "b", "é", "🙂/vote"]
SESSIONS = [SessionId("s-1"), SessionId("s-2")]
FAR_MS = 2**52

spaces = st.sampled_from(SPACES)
keys = st.sampled_from(KEYS)
authors = st.sampled_from([None, Author(None, "ops"), *(Author(session, "ann") for session in SESSIONS)])
values = st.sampled_from([0, 1, True, "x", "x" * 30, "é🙂", [], [{"id": 1}], [{"id": 1}, {"id": 2}], {"a": 1}, 2.5])
operations = st.one_of(
    st.builds(Increment, by=st.sampled_from([0, 1, -2, 0.5])),
    st.builds(Append, item=st.builds(lambda n: {"id": n}, st.integers(1, 3)), unique=st.sampled_from([None, "id"])),
    st.builds(Append, item=st.integers(0, 3), cap=st.integers(1, 3)),
    st.builds(Remove, where=st.builds(lambda n: {"id": n}, st.integers(1, 3))),
    st.builds(Merge, patch=st.sampled_from([{"a": None}, {"a": 1}, {"b": {"c": None}}, "text"])),
)
guards = st.one_of(st.none(), st.none(), st.integers(0, 30))
times = st.sampled_from([None, None, 1, 50, 5_000])
sets = st.builds(setting, keys, values, if_version=guards, ttl_ms=times, owner=st.sampled_from([None, None, *SESSIONS]))
growing = st.one_of(sets, st.builds(doing, keys, operations))
changes = st.one_of(sets, sets, st.builds(doing, keys, operations), st.builds(deleting, keys, if_version=guards))
limits = st.sampled_from([StoreLimits(value_bytes=30, keys=9, store_bytes=200), StoreLimits(), StoreLimits(keys=2)])
ops = st.one_of(st.none(), st.none(), st.integers(1, 12))
fences = st.one_of(st.none(), st.none(), st.builds(Fence, st.sampled_from(["stage", "é"]), st.integers(1, 6)))
patterns = st.builds(
    pattern_set, st.frozensets(st.sampled_from([*KEYS, "*", "hand/*", "*/vote", "nothing/*"]), min_size=1, max_size=5)
)
Call: TypeAlias = Callable[[Backend], Awaitable[Any]]


def distinct(key_of: Callable[[Change], str], of: st.SearchStrategy[Change], most: int) -> Any:
    """Tuples of changes that name each key once."""
    return st.lists(of, min_size=1, max_size=most, unique_by=key_of).map(tuple)


def several(of: st.SearchStrategy[Change], most: int = 6) -> Any:
    """The changes of one write."""
    return distinct(lambda change: change.key, of, most)


class Twins(RuleBasedStateMachine):
    """One backend and its oracle."""

    def __init__(self, backend: Backend, empties: Callable[[], object]) -> None:
        super().__init__()
        self.backend = backend
        self.oracle = MemoryBackend()
        self.now_ms = AT_MS
        empties()
        self.runner = asyncio.Runner()

    def teardown(self) -> None:
        self.runner.close()

    def both(self, call: Call) -> Any:
        """Make the call on both; what comes of it must be the same."""

        async def outcome(backend: Backend) -> Any:
            try:
                return await call(backend)
            except SessionStoreError as error:
                return type(error), error.limit, error.actual, error.current

        expected = self.runner.run(outcome(self.oracle))
        assert self.runner.run(outcome(self.backend)) == expected
        return expected

    @rule(
        space=spaces,
        changed=several(changes),
        by=authors,
        op=ops,
        fence=fences,
        allowed=limits,
        later_ms=st.integers(0, 60),
    )
    def write(
        self,
        space: Space,
        changed: tuple[Change, ...],
        by: Author | None,
        op: int | None,
        fence: Fence | None,
        allowed: StoreLimits,
        later_ms: int,
    ) -> None:
        self.now_ms += later_ms
        wanted = Write(changes=changed, by=by, at_ms=self.now_ms, op=op, fence=fence)
        self.both(lambda backend: backend.write(space, wanted, allowed))

    @rule(space=spaces, named=st.lists(keys, min_size=4, unique=True), apart=st.booleans())
    def delete_many(self, space: Space, named: list[str], apart: bool) -> None:
        for group in [[key] for key in named] if apart else [named]:
            wanted = Write(changes=tuple(map(deleting, group)), by=None, at_ms=self.now_ms)
            self.both(lambda backend, wanted=wanted: backend.write(space, wanted, StoreLimits()))  # type: ignore[misc]

    @rule(
        handed_over=st.lists(st.tuples(spaces, several(growing, 3), authors, ops, fences), min_size=2, max_size=12),
        allowed=limits,
    )
    def write_at_once(self, handed_over: list[Any], allowed: StoreLimits) -> None:
        """Without deletions: how soon they are forgotten may differ within one transaction."""

        async def all_of(backend: Backend) -> list[Any]:
            writing = (
                backend.write(space, Write(changes=changed, by=by, at_ms=self.now_ms, op=op, fence=fence), allowed)
                for space, changed, by, op, fence in handed_over
            )
            outcomes = await asyncio.gather(*writing, return_exceptions=True)
            return [repr(each) if isinstance(each, BaseException) else each for each in outcomes]

        self.both(all_of)

    @rule(space=spaces, wanted=patterns, since=st.one_of(st.none(), st.integers(0, 40)))
    def read(self, space: Space, wanted: Any, since: int | None) -> None:
        self.both(lambda backend: backend.read(space, wanted, since))

    @rule(space=spaces, wanted=patterns, behind=st.integers(0, 8))
    def catch_up(self, space: Space, wanted: Any, behind: int) -> None:
        version = self.both(lambda backend: backend.versions(SPACES))[space]
        self.both(lambda backend: backend.read(space, wanted, max(0, version - behind)))

    @rule(space=spaces, owners=st.lists(st.sampled_from(SESSIONS), unique=True))
    def owned(self, space: Space, owners: list[SessionId]) -> None:
        async def found(backend: Backend) -> list[Any]:
            return sorted(await backend.owned(space, owners), key=lambda entry: entry.key)

        self.both(found)

    # Ahead by as much as entries live: due to the millisecond.
    @rule(limit=st.integers(0, 3), ahead_ms=st.sampled_from([0, 1, 50, 5_000]))
    def due(self, limit: int, ahead_ms: int) -> None:
        async def all_due(backend: Backend) -> list[Due]:
            found = await backend.due(self.now_ms + ahead_ms, 1_000)
            some = await backend.due(self.now_ms + ahead_ms, limit)
            assert set(some) <= set(found)
            assert len(some) == min(limit, len(found))
            return sorted(found, key=lambda due: (due.space, due.key))

        self.both(all_due)

    # Rarely: a wiped space is of no more use to the other rules.
    @rule(space=spaces, really=st.integers(0, 3))
    def wipe(self, space: Space, really: int) -> None:
        if really == 0:
            self.both(lambda backend: backend.wipe(space))

    @rule(before_ms=st.sampled_from([1, FAR_MS]))
    def forget_wiped(self, before_ms: int) -> None:
        self.both(lambda backend: backend.forget_wiped(before_ms))

    @invariant()
    def the_same_everywhere(self) -> None:
        self.both(tallies)
        everything = pattern_set(frozenset(["*", *KEYS]))
        for space in SPACES:
            self.both(lambda backend, space=space: backend.read(space, everything))  # type: ignore[misc]


def compare(backend: Backend, empties: Callable[[], object], examples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (entries, memory, database, redis):
        monkeypatch.setattr(module, "TOMBSTONES_KEPT", KEPT)
    checks = settings(
        max_examples=examples,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )

    class Bound(Twins):
        def __init__(self) -> None:
            super().__init__(backend, empties)

    run_state_machine_as_test(Bound, settings=checks)


def test_sqlite_does_what_memory_does(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = DatabaseBackend({"using": sqlite})
    compare(backend, partial(empty, sqlite), 30, monkeypatch)
    backend.close()


@pytest.mark.postgres
def test_postgres_does_what_memory_does(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = DatabaseBackend({"using": postgres})
    compare(backend, partial(empty, postgres), 10, monkeypatch)
    backend.close()


@pytest.mark.redis
def test_redis_does_what_memory_does(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = RedisBackend({"url": redis_server.url})

    def empties() -> None:
        with redis_server.client() as client:
            client.flushall()

    compare(backend, empties, 30, monkeypatch)
    backend.close()
