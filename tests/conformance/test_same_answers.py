"""Memory, cache, database and Redis give the same answers to the same 20,000 calls, which a seed makes up."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from django.core.cache import caches

from sessionstore_app.backends import database, memory, redis
from sessionstore_app.backends.base import Backend, Reading
from sessionstore_app.backends.cache import CacheStore
from sessionstore_app.backends.database import DatabaseBackend
from sessionstore_app.backends.memory import MemoryBackend
from sessionstore_app.backends.redis import RedisBackend
from sessionstore_app.backends.stores import EntriesStore, StoreBackend
from sessionstore_app.core import entries
from sessionstore_app.core.entries import Entry, WriteResult
from sessionstore_app.core.errors import SessionStoreError
from tests.conformance.samecalls import (
    NOT_TOLD,
    Call,
    EntryCalls,
    Source,
    StoreCalls,
    answer_of_backend,
    answer_of_store,
)
from tests.support.stores import ROOMY_CACHES

if TYPE_CHECKING:
    from pytest_django import Settings

# Other calls, and fewer or more of them: a failure says which to set to see it again.
SEED = int(os.environ.get("SAME_ANSWERS_SEED", "20250615"))
FULL = 20_000
CALLS = int(os.environ.get("SAME_ANSWERS_CALLS", FULL))
# Few deletions are remembered, so that they are forgotten often.
TOMBSTONES_KEPT = 3
# Earlier calls on the same space that a failure shows.
SHOWN = 8

# Times to live are compared to the millisecond: a write brings its time, and `due` is told what time it is. Only when a
# space was wiped and when a store was made is read from the machine's clock: so marks are forgotten all or none, and of
# when a store was made it is compared whether it is known. What a cache keeps lives longer than the test.
Answer: TypeAlias = Callable[[Any, Call], Awaitable[Any]]

# What the calls must have met; else they show nothing.
MET_BY_ENTRIES = {
    *("InvalidValue", "LockNotHeld", "SpaceWiped", "StoreTooLarge", "TooManyKeys", "ValueTooLarge", "VersionConflict"),
    *("a repeat", "nothing changed", "what came since"),
}
MET_BY_STORES = {"StoreDestroyed", "TooManyKeys", "ValueTooLarge"}

pytestmark = pytest.mark.usefixtures("patient")
seeded = pytest.mark.parametrize("seed", [SEED], ids="seed {}".format)


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (entries, memory, database, redis):
        monkeypatch.setattr(module, "TOMBSTONES_KEPT", TOMBSTONES_KEPT)


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("redis", marks=pytest.mark.redis),
    ]
)
def twins(request: pytest.FixtureRequest) -> Iterator[list[Backend]]:
    """A backend; in Redis as two processes have it, for what one of them has noted of a space, the other changes."""
    made: list[Backend]
    if request.param == "redis":
        url = request.getfixturevalue("redis_server").url
        made = [RedisBackend({"url": url}) for _ in range(2)]
    else:
        made = [DatabaseBackend({"using": request.getfixturevalue(request.param)})]
    yield made
    for each in made:
        each.close()


@pytest.fixture
def cached(settings: Settings) -> Iterator[StoreBackend]:
    settings.CACHES = {**settings.CACHES, "stores": ROOMY_CACHES["default"]}
    yield CacheStore({"CACHE": "stores"})
    caches["stores"].clear()


@seeded
async def test_each_backend_answers_as_memory_does(
    twins: list[Backend], seed: int, request: pytest.FixtureRequest
) -> None:
    comparison = Comparison(EntryCalls(seed), answer_of_backend, MemoryBackend(), twins, request.node.nodeid)
    await comparison.run()
    assert CALLS < FULL or comparison.met >= MET_BY_ENTRIES


@seeded
async def test_each_backend_answers_as_memory_does_for_private_stores(
    twins: list[Backend], seed: int, request: pytest.FixtureRequest
) -> None:
    stores = [EntriesStore(each) for each in twins]
    oracle = EntriesStore(MemoryBackend())
    comparison = Comparison(StoreCalls(seed), answer_of_store, oracle, stores, request.node.nodeid)
    await comparison.run()
    assert CALLS < FULL or comparison.met >= MET_BY_STORES


@seeded
async def test_a_cache_answers_as_memory_does_for_private_stores(
    cached: StoreBackend, seed: int, request: pytest.FixtureRequest
) -> None:
    oracle = EntriesStore(MemoryBackend())
    comparison = Comparison(StoreCalls(seed), answer_of_store, oracle, [cached], request.node.nodeid)
    await comparison.run()
    assert CALLS < FULL or comparison.met >= MET_BY_STORES


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error, with all that it says."""

    name: str
    message: str
    data: dict[str, object]
    current: Entry | None


class Comparison:
    """Makes the calls of a source on an oracle, and on each of some twins in turn, and compares what they answer."""

    def __init__(self, source: Source, answer: Answer, oracle: Any, twins: Sequence[Any], test: str) -> None:
        self._source = source
        self._answer = answer
        self._oracle = oracle
        self._twins = twins
        self._test = test
        self._calls: list[tuple[Call, str]] = []
        # What the oracle answered with: reasons of refusals, and what is no plain success.
        self.met: set[str] = set()

    async def run(self) -> None:
        """So many calls, and a reading of all there is. Fails with the first that differs."""
        # Where each task came from is noted in debug mode, which takes longer than the calls.
        asyncio.get_running_loop().set_debug(False)
        while len(self._calls) < CALLS:
            calls = self._source.round()[: CALLS - len(self._calls)]
            for call, answer in zip(calls, await self._round(calls), strict=True):
                self._source.note(call, answer)
        for call in self._source.whole():
            await self._round([call])

    async def _round(self, calls: Sequence[Call]) -> list[Any]:
        """Make these calls, at the same time; returns what the oracle answers."""
        expected = [await self._outcome(self._oracle, call) for call in calls]
        turns = range(len(self._calls), len(self._calls) + len(calls))
        told = await asyncio.gather(
            *(
                self._outcome(self._twins[turn % len(self._twins)], call)
                for turn, call in zip(turns, calls, strict=True)
            ),
            return_exceptions=True,
        )
        for call, wanted, got in zip(calls, expected, told, strict=True):
            self._calls.append((call, repr(wanted)))
            self._note(wanted)
            # By their spelling: equal numbers of different types are different answers.
            if got is not NOT_TOLD and repr(got) != repr(wanted):
                pytest.fail(self._report(call, wanted, got), pytrace=False)
        return expected

    async def _outcome(self, backend: Any, call: Call) -> Any:
        try:
            return await self._answer(backend, call)
        except SessionStoreError as error:
            return Refusal(type(error).__name__, str(error), dict(error.data), error.current)

    def _note(self, answer: Any) -> None:
        match answer:
            case Refusal(name=name):
                self.met.add(name)
            case WriteResult(duplicate=True):
                self.met.add("a repeat")
            case WriteResult(changed=False):
                self.met.add("nothing changed")
            case Reading(complete=False):
                self.met.add("what came since")

    def _report(self, call: Call, wanted: Any, got: Any) -> str:
        """All that is needed to see it again."""
        number = len(self._calls)
        before = [
            f"  {place:>6} {each}\n      -> {answer}"
            for place, (each, answer) in enumerate(self._calls[:-1], 1)
            if each.space == call.space or each.space is None
        ]
        again = f"SAME_ANSWERS_SEED={SEED} SAME_ANSWERS_CALLS={min(number, CALLS)} pytest '{self._test}'"
        return "\n".join(
            [
                f"seed {SEED}, call {number}: {call}",
                f"  memory: {wanted!r}",
                f"  other:  {got!r}",
                "before it, on the same space:",
                *before[-SHOWN:],
                f"again: {again}",
            ]
        )
