"""Redis at bad moments: scripts that go and come, looks that cross writes, callers that go, what is no Unicode."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sessionstore_app.backends import redislane, waiting
from sessionstore_app.backends.redis import RedisBackend
from sessionstore_app.backends.redisjobs import Rounds, Steps
from sessionstore_app.core.entries import Author, SessionId, Space, WriteResult
from sessionstore_app.core.errors import SpaceWiped, Unavailable
from sessionstore_app.core.operations import Increment
from sessionstore_app.testing.acts import AT_MS, ROOM, contents, deleting, doing, setting, write
from tests.support.redis import WAYS, RedisServer, backend_of
from tests.support.wire import eventually

pytestmark = pytest.mark.redis
ANN = Author(SessionId("s-1"), "ann")
LATER_MS = 864_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """A server, how a backend gets there, and on which way it asks."""

    server: RedisServer
    options: dict[str, Any]
    way: str


@pytest.fixture(params=["alone", "alone, on the loop", "cluster"])
def place(request: pytest.FixtureRequest) -> Place:
    """A server alone, or one that is a cluster, emptied."""
    is_cluster = request.param == "cluster"
    server: RedisServer = request.getfixturevalue("cluster" if is_cluster else "redis_server")
    with server.client() as client:
        client.flushall()
    way = "loop" if request.param.endswith("loop") else "thread"
    return Place(server, {"url": server.url, "cluster": is_cluster}, way)


@pytest.fixture
async def backend(place: Place) -> AsyncIterator[RedisBackend]:
    async with backend_of(place.options, place.way) as made:
        yield made


@pytest.fixture
def other(place: Place) -> Iterator[RedisBackend]:
    """Of another process."""
    made = RedisBackend(place.options)
    yield made
    made.close()


@pytest.fixture
def server(place: Place) -> RedisServer:
    return place.server


async def test_writes_keep_their_order_while_scripts_go_and_come(backend: RedisBackend, server: RedisServer) -> None:
    """Another process loads what this one misses, at whatever moment: no op is overtaken and taken for a repeat."""
    stop = threading.Event()
    texts = [path.read_text() for path in (Path(redislane.__file__).parent / "lua").glob("*.lua")]

    def meddle() -> None:
        with server.client() as client:
            while not stop.is_set():
                client.script_flush()
                for text in texts:
                    client.script_load(text)

    meddler = threading.Thread(target=meddle)
    meddler.start()
    try:
        for turn in range(30):
            ops = range(turn * 20 + 1, turn * 20 + 21)
            writing = [asyncio.create_task(write(backend, setting("k", op), by=ANN, op=op)) for op in ops]
            results = [await each for each in writing]
            assert [result.duplicate for result in results] == [False] * 20
            assert [result.version for result in results] == list(ops)
    finally:
        stop.set()
        meddler.join()


# --- entries with a time to live


def _crossed(backend: RedisBackend, act: Callable[[], Any]) -> Callable[..., Any]:
    """Let something happen each time after a space was looked at."""
    look = backend._state

    async def crossed(space: Space, names: Sequence[str] = ()) -> Any:
        state = await look(space, names)
        await act()
        return state

    return crossed


async def test_an_entry_that_is_written_while_due_looks_is_due_in_time(
    backend: RedisBackend, other: RedisBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though another entry of the space lives much longer."""
    await write(backend, setting("long", 1, ttl_ms=3_600_000))
    await write(backend, setting("short", 1, ttl_ms=1))
    await write(backend, deleting("short"))
    monkeypatch.setattr(backend, "_state", _crossed(backend, lambda: write(other, setting("new", 1, ttl_ms=50))))
    assert await backend.due(AT_MS + 10, 10) == []
    monkeypatch.undo()
    assert [due.key for due in await backend.due(AT_MS + 60, 10)] == ["new"]


async def test_an_entry_of_a_space_with_none_before_is_due_too(
    backend: RedisBackend, other: RedisBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often the space was looked at in vain."""
    await write(backend, setting("short", 1, ttl_ms=1))
    await write(backend, deleting("short"))
    for wait_ms in (10, LATER_MS, 2 * LATER_MS):
        assert await backend.due(AT_MS + wait_ms, 10) == []
    monkeypatch.setattr(backend, "_state", _crossed(backend, lambda: write(other, setting("new", 1, ttl_ms=50))))
    await backend.due(AT_MS + 3 * LATER_MS, 10)
    monkeypatch.undo()
    assert [due.key for due in await backend.due(AT_MS + 3 * LATER_MS + 60, 10)] == ["new"]


# --- what goes wrong for one


async def test_what_is_no_unicode_is_its_own_callers_fault(backend: RedisBackend) -> None:
    """Those that are sent with it are done."""
    told = await asyncio.gather(
        write(backend, setting("good", 1)), write(backend, setting("\ud800", 1)), return_exceptions=True
    )
    assert isinstance(told[0], WriteResult)
    assert isinstance(told[1], UnicodeEncodeError)
    assert await contents(backend) == {"good": 1}
    backend.close()
    assert (await write(backend, setting("good", 2))).version == 2


async def test_a_cluster_out_of_reach_is_unavailable_at_once_and_again() -> None:
    backend = RedisBackend({"url": "redis://127.0.0.1:1/0", "cluster": True})
    for _ in range(3):
        with pytest.raises(Unavailable):
            await write(backend, setting("a", 1))
    names = {thread.name for thread in threading.enumerate() if thread.is_alive()}
    assert "sessionstore-redis" in names
    backend.close()


async def test_a_caller_that_is_cancelled_as_it_is_answered_leaves_its_write_to_be_told(
    backend: RedisBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = waiting.resolve
    tasks: list[asyncio.Task[WriteResult]] = []

    def resolve_and_cancel(*arguments: Any) -> None:
        resolve(*arguments)
        for task in tasks:
            task.cancel()

    told: list[tuple[Space, int]] = []
    backend.orphaned = lambda space, result: told.append((space, result.version))
    monkeypatch.setattr(redislane, "resolve", resolve_and_cancel)
    tasks.append(asyncio.create_task(write(backend, setting("a", 1))))
    await asyncio.wait(tasks)
    assert tasks[0].cancelled()
    assert told == [(ROOM, 1)]


class Turn:
    """A job that may need several steps: others on the same space wait for it."""

    touches = (ROOM,)
    takes_turns = True

    def steps(self) -> Steps:
        return (yield [("PING",)])


async def test_jobs_of_callers_that_have_gone_hold_nothing_up() -> None:
    """However many there are, the one behind them has its turn with the next round trip."""
    loop = asyncio.get_running_loop()
    waiting_jobs = [waiting.Pending(Turn(), loop.create_future(), loop) for _ in range(501)]
    for gone in waiting_jobs[:500]:
        gone.future.cancel()
    rounds = Rounds()
    rounds.waiting += waiting_jobs
    assert rounds.begin() == [[("PING",)]]
    rounds.take([[b"PONG"]])
    assert rounds.done() == [(waiting_jobs[-1], [b"PONG"])]


async def test_a_repeat_of_what_changed_nothing_is_answered_with_what_there_is(
    backend: RedisBackend, other: RedisBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was done by another process between the look and the answer."""
    await write(backend, setting("count", 41))
    change = doing("count", Increment(by=0))
    go_on = Rounds._go_on
    crossed: list[WriteResult] = []
    look = threading.Event()

    def cross(rounds: Rounds, *what: Any) -> None:
        go_on(rounds, *what)
        if rounds and not look.is_set():
            look.set()
            with ThreadPoolExecutor() as process:
                crossed.append(process.submit(asyncio.run, write(other, change, by=ANN, op=7)).result())

    monkeypatch.setattr(Rounds, "_go_on", cross)
    result = await write(backend, change, by=ANN, op=7)
    monkeypatch.undo()
    assert (result.duplicate, [entry.value for entry in result.entries]) == (True, [41])


# --- what is listed


async def test_late_writes_to_wiped_spaces_leave_nothing_listed(backend: RedisBackend, server: RedisServer) -> None:
    for number in range(5):
        space = Space(f"room:late:{number}")
        await write(backend, setting("a", 1, ttl_ms=5), space=space)
        await backend.wipe(space)
        with pytest.raises(SpaceWiped):
            await write(backend, setting("a", 1, ttl_ms=5), space=space)
    await backend.forget_wiped(2**52)
    with server.client() as client:
        assert client.keys("*") == []


async def test_a_store_that_lost_everything_has_another_mark_and_lists_its_spaces_anew(
    backend: RedisBackend, other: RedisBackend, server: RedisServer
) -> None:
    """A mark is one for all processes and for good, also where two of them ask first."""
    first = await asyncio.gather(backend.mark(), other.mark())
    assert len(set(first)) == 1
    assert await backend.mark() == first[0]
    await write(backend, setting("k", 1))
    with server.client() as client:
        client.flushall()
    assert await other.mark() != first[0]
    assert await backend.mark() == await other.mark()
    await write(backend, setting("k", 1))
    assert [space async for space, _ in other.spaces()] == [ROOM]


# --- on the loop that serves sockets


async def test_a_lane_that_leaves_the_loop_ends_what_waits_there_and_goes_on_elsewhere(
    redis_server: RedisServer,
) -> None:
    async with backend_of({"url": redis_server.url}, "loop") as backend:
        await write(backend, setting("a", 0))
        writing = [asyncio.create_task(write(backend, setting("a", number))) for number in range(10)]
        await asyncio.sleep(0)
        backend.leave_loop()
        outcomes = await asyncio.wait_for(asyncio.gather(*writing, return_exceptions=True), 1)
        assert {type(outcome) for outcome in outcomes} <= {Unavailable, WriteResult}
        assert (await write(backend, setting("b", 1))).changed
        with redis_server.client() as client:

            async def has_gone() -> bool:
                # The thread's own, and the test's.
                return len(client.client_list()) == 2

            await eventually(has_gone, "the loop's connection is closed")


@pytest.mark.parametrize("way", WAYS)
async def test_without_the_right_to_transactions_nothing_is_done_twice(redis_server: RedisServer, way: str) -> None:
    """Each command of what should have been one transaction is done or not, and whoever asked is told that."""
    with redis_server.client() as client:
        client.execute_command("ACL", "SETUSER", "simple", "reset", "on", ">secret", "~*", "&*", "+@all", "-multi")
        url = redis_server.url.replace("redis://", "redis://simple:secret@")
        try:
            async with backend_of({"url": url}, way) as backend:
                with suppress(Unavailable):
                    await write(backend, setting("a", 1))
                told = await asyncio.gather(
                    *(write(backend, setting("a", number)) for number in range(20)), return_exceptions=True
                )
                assert any(isinstance(outcome, Unavailable) for outcome in told)
                version = (await backend.versions([ROOM]))[ROOM]
                assert version <= 21
        finally:
            client.execute_command("ACL", "DELUSER", "simple")


async def test_a_command_that_cannot_be_spelt_ends_its_own_round_and_no_other(redis_server: RedisServer) -> None:
    class Odd:
        touches = (ROOM,)
        takes_turns = False

        def steps(self) -> Steps:
            return (yield [("SET", "a", None)])

    async with backend_of({"url": redis_server.url}, "loop") as backend:
        await write(backend, setting("a", 1))
        with pytest.raises(Unavailable):
            await backend._lane.run(Odd())
        assert (await write(backend, setting("a", 2))).version == 2
