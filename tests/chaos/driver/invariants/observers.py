"""I2, I6, I7: what observers were told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.driver.final import Final
from tests.chaos.driver.history import History, Seen, Told
from tests.chaos.driver.invariants.epochs import Epochs, text_of, versions, writes
from tests.chaos.driver.invariants.violation import Violation

CONVERGE_SECONDS = 2.0
_OWNED = "mine/"


def i2_versions_never_go_back(history: History, final: Final) -> list[Violation]:
    """No observer is told an older version of a key than before, nor two values of one, nor an epoch again."""
    epochs = Epochs(history, final)
    found = list(_two_values(history, epochs))
    for observer in _observers(history).values():
        found += _went_back(observer, epochs)
    return found


def _observers(history: History) -> dict[tuple[str, str], list[Told]]:
    """What each client was told of each room. What it asked for besides is judged by its time (I3)."""
    found: defaultdict[tuple[str, str], list[Told]] = defaultdict(list)
    for told in history.told:
        if told.kind != "read":
            found[told.client, told.room].append(told)
    return found


def _went_back(observer: list[Told], epochs: Epochs) -> Iterator[Violation]:
    gone: set[str] = set()
    epoch = ""
    held: dict[str, tuple[int, Told]] = {}
    for told in observer:
        if epochs.is_flushed(told.room, told.epoch, told.at):
            # What it held is gone. Where nobody is left who knew it, a room may go on under its epoch.
            held = {}
        if told.epoch != epoch:
            if told.epoch in gone:
                yield Violation("I2", f"{told.client} was told of an epoch again that had ended", (told,))
            gone.add(epoch)
            epoch, held = told.epoch, {}
        for entry in told.entries:
            before = held.get(entry.key)
            if before is not None and entry.version < before[0]:
                text = f"{told.client}: {told.room}/{entry.key} went back from {before[0]} to {entry.version}"
                yield Violation("I2", text, (before[1], told))
            held[entry.key] = max(entry.version, before[0] if before else 0), told


def _two_values(history: History, epochs: Epochs) -> Iterator[Violation]:
    values: dict[tuple[str, str, str, int], tuple[str, Told]] = {}
    for told in history.told:
        if epochs.is_flushed(told.room, told.epoch, told.at):
            continue
        for entry in told.entries:
            place = (told.room, told.epoch, entry.key, entry.version)
            text = text_of(entry.value)
            first = values.setdefault(place, (text, told))
            if entry.version and first[0] != text:
                yield Violation("I2", f"{place} has two values", (first[1], told))


def i6_all_see_the_same(history: History, final: Final) -> list[Violation]:
    """From healing on, who is connected is behind the others for 2 s at most; within 2 s of everybody's return all hold
    the same, and it is what a newcomer finds.
    """
    if "connected" not in history.marks:
        return [Violation("I6", f"not back, or not done: {', '.join(final.waited_for)}")]
    if "converged" not in history.marks:
        return _different(final) or [Violation("I6", f"not all stayed: {', '.join(final.waited_for)}")]
    found: list[Violation] = []
    lag = final.lag
    # On a machine on which a single look takes long all else does; on an idle one, it is next to nothing.
    if lag is not None and lag.seconds > CONVERGE_SECONDS + final.look_seconds:
        busy = f"a look took {final.look_seconds:.2f} s"
        found.append(Violation("I6", f"{lag.client} was behind in {lag.room} for {lag.seconds:.2f} s; {busy}"))
    took = history.marks["converged"] - max(history.marks["connected"], history.marks["healed"])
    if took > CONVERGE_SECONDS + final.stalled_seconds + final.look_seconds:
        busy = f"the driver stood still for {final.stalled_seconds:.2f} s, a look took {final.look_seconds:.2f} s"
        found.append(Violation("I6", f"it took {took:.2f} s; {busy}"))
    return found


def _different(final: Final) -> list[Violation]:
    return [
        Violation("I6", f"{name}: {who} sees something else than a newcomer", (view, room.joiner))
        for name, room in final.rooms.items()
        for who, view in {**room.http, **room.clients}.items()
        if who in room.disagreeing
    ]


def i7_nothing_is_left_out(history: History, final: Final) -> list[Violation]:
    """Who was told of a room up to a version was told of every write up to it, or of a later one of the same key."""
    epochs = Epochs(history, final)
    known: defaultdict[tuple[str, str], list[Seen]] = defaultdict(list)
    for (room, epoch, _), entries in versions(history, epochs).items():
        known[room, epoch] += entries.values()
    for each in known.values():
        each.sort(key=lambda entry: entry.version)
    doubtful = _deleted_by_who_knows_whom(history)
    found: list[Violation] = []
    for observer in _observers(history).values():
        if observer[0].observes_all:
            found += _left_out(observer, known, doubtful, epochs)
    return found


def _left_out(
    observer: list[Told], known: dict[tuple[str, str], list[Seen]], doubtful: set[tuple[str, str]], epochs: Epochs
) -> Iterator[Violation]:
    epoch, place = "", 0
    held: dict[str, int] = {}
    for told in observer:
        if epochs.is_flushed(told.room, told.epoch, told.at):
            continue
        if told.epoch != epoch:
            epoch, place, held = told.epoch, 0, {}
        all_writes = known.get((told.room, epoch), [])
        if told.whole:
            yield from _missing(told, all_writes, doubtful)
            # What it does not name has no value as of this version.
            held = {entry.key: told.version for entry in all_writes if entry.version <= told.version}
        for entry in told.entries:
            held[entry.key] = max(held.get(entry.key, 0), entry.version)
        while place < len(all_writes) and all_writes[place].version <= told.version:
            write = all_writes[place]
            if held.get(write.key, 0) < write.version:
                what = f"up to {told.version}, and not of {write.key} {write.version}"
                text = f"{told.client} was told of {told.room} {what}"
                yield Violation("I7", text, (write, told))
            place += 1


def _missing(told: Told, all_writes: list[Seen], doubtful: set[tuple[str, str]]) -> Iterator[Violation]:
    """A key that a whole answer does not name, though its last write up to then had a value."""
    last = {write.key: write for write in all_writes if write.version <= told.version}
    named = {entry.key for entry in told.entries}
    for key, write in last.items():
        may_be_gone = write.value is None or key.startswith(_OWNED) or (told.room, key) in doubtful
        if key not in named and not may_be_gone and told.kind != "cleared":
            yield Violation("I7", f"{told.client} was told all of {told.room} without {key}", (write, told))


def _deleted_by_who_knows_whom(history: History) -> set[tuple[str, str]]:
    """Keys that may have been deleted without anybody seeing under which version."""
    return {
        (operation.room, key)
        for operation in writes(history)
        for key, value in operation.values.items()
        if value is None and operation.outcome != "refused" and (operation.outcome != "ok" or operation.is_repeat)
    }
