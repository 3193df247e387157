"""A message that the bus did not take in time is given up, however that ends: nothing of it is in the log (I16)."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from sessionstore_app.services import layerbus
from sessionstore_app.services.layerbus import LayerBus
from sessionstore_app.services.line import Counters, Line


class _Stuck:
    """A layer that takes nothing, and fails when it is told to stop trying."""

    async def group_send(self, group: str, message: Any) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionError("The connection was lost.") from None


async def test_what_fails_after_it_was_given_up_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layerbus, "PUBLISH_SECONDS", 0.01)
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
    counters = Counters()
    layer: Any = _Stuck()
    line_of_it = Line(LayerBus(layer), counters)
    line_of_it.publish([("group", {"type": "x"})])
    await line_of_it.flush(10)
    # What fails behind that is told of when it is collected.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gc.collect()
    assert counters.bus_failures == 1
    assert told == []
