# ruff: noqa: S101  # a contract asserts
"""What a backend does while what it stands on is out of reach: say so, and never leave half a write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeAlias

import pytest

from sessionstore_app.backends.base import Backend
from sessionstore_app.core.entries import WriteResult
from sessionstore_app.core.errors import Unavailable
from sessionstore_app.core.operations import Increment
from sessionstore_app.testing.acts import ANN, assert_counts_right, contents, doing, read, setting, write

# A context in which every connection is cut and no write can be done.
Outage: TypeAlias = Callable[[], AbstractContextManager[None]]

# Connections made before an outage may be found dead one by one.
_TRIES = 10


class OutageContract:
    """For backends that may lose a connection; beside `backend` it needs a fixture `outage` of type `Outage`."""

    async def test_a_backend_out_of_reach_is_unavailable_and_comes_back(self, backend: Backend, outage: Outage) -> None:
        await write(backend, setting("a", 1))
        with outage():
            for _ in range(2):
                with pytest.raises(Unavailable) as refused:
                    await write(backend, setting("a", 2))
                assert refused.value.retryable
        assert (await write_again(backend, n=3)).version == 2
        assert await contents(backend) == {"a": 3, "b": 3}

    async def test_an_outage_in_mid_burst_leaves_every_write_done_or_not_but_never_half(
        self, backend: Backend, outage: Outage
    ) -> None:
        keys = range(60)
        writing = [asyncio.create_task(write(backend, setting(f"a{n}", n), setting(f"b{n}", n))) for n in keys]
        await asyncio.wait(writing, return_when=asyncio.FIRST_COMPLETED)
        with outage():
            outcomes = await asyncio.gather(*writing, return_exceptions=True)
            with pytest.raises(Unavailable):
                await write(backend, setting("late", 1))
        acknowledged = {n for n, outcome in enumerate(outcomes) if isinstance(outcome, WriteResult)}
        failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert acknowledged
        assert all(isinstance(error, Unavailable) for error in failed)
        version = (await write_again(backend)).version
        held = await contents(backend)
        done = {n for n in keys if f"a{n}" in held}
        assert done == {n for n in keys if f"b{n}" in held}
        # What was not acknowledged may have happened; what was, has.
        assert acknowledged <= done
        assert version == len(done) + 1
        assert "late" not in held
        await assert_counts_right(backend)

    async def test_a_write_repeated_after_an_outage_is_done_once(self, backend: Backend, outage: Outage) -> None:
        ops = range(1, 31)
        writing = [asyncio.create_task(write(backend, doing("count", Increment()), by=ANN, op=op)) for op in ops]
        await asyncio.wait(writing, return_when=asyncio.FIRST_COMPLETED)
        with outage():
            outcomes = await asyncio.gather(*writing, return_exceptions=True)
        unknown = [op for op, outcome in zip(ops, outcomes, strict=True) if isinstance(outcome, Unavailable)]
        assert len(unknown) < len(ops)
        await write_again(backend)
        for op in unknown:
            await write(backend, doing("count", Increment()), by=ANN, op=op)
        assert (await contents(backend))["count"] == len(ops)
        assert (await read(backend)).version == len(ops) + 1


async def write_again(backend: Backend, n: int = 0) -> WriteResult:
    """The first write after an outage: each attempt may find one more dead connection."""
    for _ in range(_TRIES):
        try:
            return await write(backend, setting("a", n), setting("b", n))
        except Unavailable:
            continue
    return await write(backend, setting("a", n), setting("b", n))
