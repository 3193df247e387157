"""In which epoch of its room an operation happened. The answer to a write does not say; what observers were told does.

A write is found by its entry, as somebody was told it. Where nobody was, it is in an epoch if all of it happened while
that epoch surely lasted. Where neither can be said, it is judged by no check that needs to know.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.chaos.driver.final import Final
from tests.chaos.driver.history import History, Operation, Seen, Told

WRITES = frozenset({"room.set", "room.delete", "room.update", "room.write"})


def text_of(value: Any) -> str:
    """A value as text that is equal for equal values."""
    return json.dumps(value, sort_keys=True)


class Epochs:
    """The epochs of all rooms, in order."""

    def __init__(self, history: History, final: Final) -> None:
        self.first: defaultdict[str, dict[str, float]] = defaultdict(dict)
        # Asked for then, and answered from this epoch.
        self._alive: defaultdict[tuple[str, str], float] = defaultdict(lambda: -1.0)
        # An entry, by all that tells it from others → the epochs it was seen in, and since when.
        self._found: defaultdict[tuple[Any, ...], dict[str, float]] = defaultdict(dict)
        self._last = {name: room.joiner.epoch for name, room in final.rooms.items()}
        self._flushes = [
            (fault.start, fault.end or float("inf"))
            for fault in history.faults
            if fault.kind == "RedisFlush" and not final.is_durable
        ]
        for told in history.told:
            self.first[told.room].setdefault(told.epoch, told.at)
            if told.asked is not None:
                key = (told.room, told.epoch)
                self._alive[key] = max(self._alive[key], told.asked)
            for entry in told.entries:
                self._found[_identity(told.room, entry)].setdefault(told.epoch, told.at)
        for name, room in final.rooms.items():
            for entry in room.entries:
                self._found[_identity(name, entry)].setdefault(room.joiner.epoch, float("inf"))

    @property
    def has_flush(self) -> bool:
        """Did Redis lose everything in this campaign?"""
        return bool(self._flushes)

    def is_last(self, room: str, epoch: str) -> bool:
        """Is it the one that the campaign ended with?"""
        return self._last.get(room) == epoch

    def of(self, operation: Operation) -> str:
        """The epoch of an operation that was answered; empty if nobody can say."""
        if operation.epoch:
            return operation.epoch
        for entry in () if operation.is_repeat else operation.entries:
            seen = self._found.get(_identity(operation.room, entry), {})
            # Counters and deletions are alike in many epochs; but nobody has seen a write before it was asked for, nor
            # is one in an epoch that came after another which outlasted it.
            asked = operation.start
            epochs = [epoch for epoch, at in seen.items() if at >= asked and not self._is_later(operation, epoch)]
            if len(epochs) == 1:
                return epochs[0]
        return next(self._lasting(operation), "")

    def _is_later(self, operation: Operation, epoch: str) -> bool:
        first = self.first[operation.room]
        began = first.get(epoch, float("inf"))
        return any(at < began and self._alive[operation.room, each] > operation.finished for each, at in first.items())

    def _lasting(self, operation: Operation) -> Iterator[str]:
        for epoch, first in self.first[operation.room].items():
            until = float("inf") if self.is_last(operation.room, epoch) else self._alive[operation.room, epoch]
            if first <= operation.start and operation.finished <= until:
                yield epoch

    def is_flushed(self, room: str, epoch: str, at: float) -> bool:
        """Had Redis lost this epoch's entries by then? What it answers under it from then on counts for nothing."""
        first = self.first[room].get(epoch, 0.0)
        return any(first < end and at > start for start, end in self._flushes)

    def judged(self, operation: Operation) -> str:
        """The epoch of an operation, if it is known and was whole; else empty."""
        epoch = self.of(operation)
        return "" if not epoch or self.is_flushed(operation.room, epoch, operation.finished) else epoch


def _identity(room: str, entry: Seen) -> tuple[Any, ...]:
    return room, entry.key, entry.version, entry.by, text_of(entry.value)


def writes(history: History) -> Iterator[Operation]:
    """All writes to rooms."""
    return (operation for operation in history.operations if operation.method in WRITES)


def acknowledged(history: History, epochs: Epochs) -> Iterator[tuple[Operation, str]]:
    """Writes that were acknowledged, with their epoch; those whose epoch is not known are left out."""
    for operation in writes(history):
        if operation.outcome == "ok" and (epoch := epochs.judged(operation)):
            yield operation, epoch


def versions(history: History, epochs: Epochs) -> dict[tuple[str, str, str], dict[int, Seen]]:
    """(room, epoch, key) → version → the entry, of every write that is known: by its answer or by an observer."""
    known: defaultdict[tuple[str, str, str], dict[int, Seen]] = defaultdict(dict)
    for operation, epoch in acknowledged(history, epochs):
        for entry in () if operation.is_repeat else operation.entries:
            known[operation.room, epoch, entry.key][entry.version] = entry
    for told in history.told:
        if not _is_void(told, epochs):
            for entry in told.entries:
                known[told.room, told.epoch, entry.key].setdefault(entry.version, entry)
    return known


def _is_void(told: Told, epochs: Epochs) -> bool:
    return epochs.is_flushed(told.room, told.epoch, told.at)
