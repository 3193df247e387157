"""Golden conversations of tests/transcripts, replayed against real servers. The form is described in their README."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sessionstore_app import mint_token
from sessionstore_app.services.policy import PERMISSIONS
from tests.support.guests import Guests
from tests.support.wire import Wire

FOLDER = Path(__file__).resolve().parents[1] / "transcripts"
FILES = sorted(path.name for path in FOLDER.glob("*.txt"))
OPEN_ENDED = "…"
# Properties of the server's own, such as `$Roles`, are no names.
NAME = re.compile(r"\$[a-z_]+")
TOKEN_OF = "$token of "


class Replay:
    """One conversation under way: who talks, what names stand for, and how far each one's frames were read."""

    def __init__(self, guests: Guests, room: str) -> None:
        self._guests = guests
        self._names: dict[str, Any] = {"$room": room}
        self._wires: dict[str, Wire] = {}
        self._read: dict[str, int] = {}
        self._who = ""

    async def turn_to(self, who: str) -> None:
        """From here on it is this socket."""
        self._who = who
        if who not in self._wires:
            self._wires[who] = await self._guests.connect()
            self._read[who] = 0

    async def follow(self, line: str) -> None:
        """Do what one line says."""
        wire = self._wires.get(self._who)
        match line.split(" ", 1):
            case ["@", who]:
                await self.turn_to(who)
            case [">", text] if wire is not None:
                wire.write(json.dumps({"jsonrpc": "2.0", **self._filled(json.loads(text))}))
            case ["cut"] if wire is not None:
                await wire.drop()
            case ["closed", code] if wire is not None:
                await wire.expect_closed(int(code))
            case _:
                raise AssertionError(f"not a line of a transcript: {line}")

    async def hear(self, expected: list[Any]) -> None:
        """Read as many frames as are expected; each must be one of them."""
        waiting = list(expected)
        while waiting:
            frame = await self._next()
            found = next((item for item in waiting if self._is(item, frame)), None)
            assert found is not None, (
                f"{self._who} heard {json.dumps(frame)}\nbut one of these was expected:\n{waiting}"
            )
            waiting.remove(found)

    async def end(self) -> None:
        """Nobody may have heard more than was written down."""
        for who, wire in self._wires.items():
            frames = wire.frames
            if wire.is_open:
                await wire.call("session.ping")
                frames = frames[:-1]
            unread = frames[self._read[who] :]
            assert not unread, f"{who} heard more: {unread}"

    async def _next(self) -> Any:
        frame = await self._wires[self._who].expect_frame(self._read[self._who])
        self._read[self._who] += 1
        return frame

    def _filled(self, value: Any) -> Any:
        """With what the names in it stand for."""
        match value:
            case str():
                return self._meant(value)
            case list():
                return [self._filled(item) for item in value]
            case dict():
                return {self._filled(name): self._filled(item) for name, item in value.items()}
        return value

    def _meant(self, text: str) -> Any:
        if text.startswith(TOKEN_OF):
            return mint_token(text.removeprefix(TOKEN_OF), permissions=PERMISSIONS)
        return self._names[text] if NAME.fullmatch(text) else text

    def _is(self, expected: Any, got: Any) -> bool:
        """Does it match? Names that it gives a meaning keep it only if all of it matches."""
        names = dict(self._names)
        if _matches({"jsonrpc": "2.0", **expected}, got, names):
            self._names = names
            return True
        return False


def _matches(expected: Any, got: Any, names: dict[str, Any]) -> bool:
    if expected == "*":
        return got is not None
    if isinstance(expected, str) and NAME.fullmatch(expected):
        return bool(names.setdefault(expected, got) == got)
    if isinstance(expected, list) and isinstance(got, list):
        return len(expected) == len(got) and all(_matches(e, g, names) for e, g in zip(expected, got, strict=True))
    if isinstance(expected, dict) and isinstance(got, dict):
        wanted = {name for name in expected if name != OPEN_ENDED}
        complete = OPEN_ENDED in expected or wanted == set(got)
        return complete and wanted <= set(got) and all(_matches(expected[name], got[name], names) for name in wanted)
    return type(expected) is type(got) and bool(expected == got)


def _steps(text: str) -> Iterator[str | list[Any]]:
    """Lines to follow, and blocks of frames to hear."""
    block: list[Any] = []
    for line in text.splitlines():
        if line.startswith("< "):
            block.append(json.loads(line[2:]))
            continue
        if block:
            yield block
            block = []
        if line and not line.startswith("#"):
            yield line
    if block:
        yield block


@pytest.mark.parametrize("name", FILES)
async def test_the_conversation_goes_as_written(any_guests: Guests, room: str, name: str) -> None:
    replay = Replay(any_guests, room)
    for step in _steps((FOLDER / name).read_text(encoding="utf-8")):
        if isinstance(step, list):
            await replay.hear(step)
        else:
            await replay.follow(step)
    await replay.end()


def test_a_replay_notices_what_differs() -> None:
    """The comparison itself: a transcript that matches everything would prove nothing."""
    names: dict[str, Any] = {}
    assert _matches({"a": "$x", "b": ["$x", "*"]}, {"a": 1, "b": [1, 2]}, names)
    assert names == {"$x": 1}
    for expected, got in (
        *(({"a": "$x"}, {"a": 2}), ({"a": 1}, {"a": True}), ({"a": 1}, {"a": 1, "b": 2}), ({"a": 1, "b": 2}, {"a": 1})),
        *(([1], [1, 1]), ("*", None), ({OPEN_ENDED: OPEN_ENDED, "a": 1}, {"b": 1}), (1, 1.5), ([], {})),
    ):
        assert not _matches(expected, got, dict(names)), (expected, got)
