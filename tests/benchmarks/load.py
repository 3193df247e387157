"""The load generator, a process of its own: opens peers, keeps sets in flight, counts what every peer is told.

Every value carries a number, and a number belongs to one key, so a glance at a frame shows which value of which key
it brings. A set counts as told to a peer once the peer has it or a later one of its key; when the sets end, every peer
must hold the last value of every key. Run as `python -m tests.benchmarks.load SPEC`, with a `Spec` as JSON; prints a
`Result`.
"""

from __future__ import annotations

import gc
import json
import re
import socket
import sys
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain, repeat
from typing import Any

from tests.benchmarks.dialects import DIALECTS
from tests.benchmarks.peers import AT_ONCE, Crowd, Peer, before_first
from tests.benchmarks.process import allow_sockets, cpu_seconds, memory_bytes

NUMBER = re.compile(rb'"#(\d{8})')
DRAIN_SECONDS = 30
DEAF_BUFFER_BYTES = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What to do to which servers. The measurement ends with `seconds` or `sets`, whichever comes first.

    Peers are spread evenly over the servers, which share rooms. A room has one setter on each, and they take turns.
    """

    dialect: str
    ports: Sequence[int]
    server_pids: Sequence[int]
    name: str
    rooms: int
    peers: int
    in_flight: int = 1
    rooms_at_once: int = 0  # 0: one set in flight in each room; 1: in one room after another
    seconds: float = 3.0
    sets: int = 5_000
    warm_up_seconds: float = 0.5
    keys: int = 16
    value_bytes: int = 32
    deaf_peers: int = 0
    tokens: Sequence[str] = ()  # what the peers of a room show, one after another; those beyond show none
    hidden_every: int = 0  # each so many-th key is told to the first peers of a room alone, to so many of them:
    insiders: int = 0
    redis_pids: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of it. `told` counts values received, which is less than `deliveries` where values were conflated."""

    sets: int = 0
    deliveries: int = 0
    told: int = 0
    frames: int = 0
    seconds: float = 0.0
    server_cpu_seconds: float = 0.0
    redis_cpu_seconds: float = 0.0
    generator_cpu_seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    memory_before_bytes: int = 0
    memory_after_bytes: int = 0


class NotConvergedError(Exception):
    """The sets ended and some peer does not hold what was set last, or was not told what it should have been."""


class Room:
    """One room's sets: which are under way, who was told, and how long the last peer had to wait."""

    def __init__(self, spec: Spec, name: str, peers: list[Peer], stirred: list[Room]) -> None:
        self.name = name
        self.peers = peers
        self.has_turn = False
        # Keys are a multiple of these, so each key has one setter, and one order.
        self.setters = peers[: len(spec.ports)]
        self.sent = 0
        self.answered = 0
        self.told_all = 0
        self.told = 0
        self.deliveries = 0
        self.latencies_ms: list[float] = []
        self.last = before_first(spec.keys)
        self._spec = spec
        self._started: dict[int, float] = {}
        self._missing: dict[int, int] = {}
        self._padding = "." * (spec.value_bytes - 11)
        self._dialect = DIALECTS[spec.dialect]
        self._stirred = stirred
        self._heard = b""
        self._numbers: list[int] = []

    def may_send(self) -> bool:
        """One at a time waits for the last peer as well; several in flight wait for answers only."""
        if self._spec.in_flight == 1:
            return self.is_drained()
        return self.sent - self.answered < self._spec.in_flight

    def send(self) -> None:
        self.sent += 1
        number = self.sent
        index = number % self._spec.keys
        self.last[index] = number
        is_hidden = self._is_hidden(index)
        self._missing[number] = readers = self._spec.insiders if is_hidden else len(self.peers)
        self.deliveries += readers
        self._started[number] = time.perf_counter()
        key = f"{'hidden' if is_hidden else 'key'}-{index}"
        text = self._dialect.set_entry(self.name, key, f"#{number:08}{self._padding}", number)
        self.setters[number % len(self.setters)].send(text)

    def _is_hidden(self, index: int) -> bool:
        return self._spec.hidden_every > 0 and index % self._spec.hidden_every == 0

    def hear(self, peer: Peer, payload: bytes) -> None:
        is_setter = peer in self.setters
        if is_setter:
            count, payload = self._dialect.answers(payload)
            self.answered += count
            self._stirred.append(self)
        if payload is not self._heard:
            self._heard = payload
            changed = self._dialect.tells_change(payload)
            self._numbers = [int(digits) for digits in NUMBER.findall(payload)] if changed else []
        for number in self._numbers:
            self.told += 1
            self._advance(peer, number)
        if is_setter and self._dialect.tells_each:
            place, setters = self.setters.index(peer), len(self.setters)
            self.answered += sum(number % setters == place for number in self._numbers)

    def _advance(self, peer: Peer, number: int) -> None:
        keys, missing = self._spec.keys, self._missing
        key = number % keys
        known = peer.values[key]
        if number < known:
            raise NotConvergedError(f"{self.name}: a peer was told set {number} after {known}, both of one key")
        for each in range(known + keys, number + 1, keys):
            missing[each] -= 1
            if missing[each] == 0:
                del missing[each]
                self.told_all += 1
                self.latencies_ms.append((time.perf_counter() - self._started.pop(each)) * 1000)
        peer.values[key] = number
        if self.is_drained():
            self._stirred.append(self)

    def is_drained(self) -> bool:
        return self.told_all == self.answered == self.sent

    def check(self) -> None:
        """Every peer ends with the last value of every key that it is told, and has heard of no other."""
        keys, insiders = self._spec.keys, self._spec.insiders
        first = before_first(keys)
        shown = [first[index] if self._is_hidden(index) else self.last[index] for index in range(keys)]
        wrong = sum(peer.values != self.last for peer in self.peers[:insiders])
        wrong += sum(peer.values != shown for peer in self.peers[insiders:])
        if wrong or not self.is_drained():
            raise NotConvergedError(
                f"{self.name}: {wrong} of {len(self.peers)} peers hold other values than were set last; "
                f"{self.sent} sets sent, {self.answered} answered, {self.told_all} told to all"
            )


class Load:
    """Rooms with their peers, and the sets that go through them."""

    def __init__(self, spec: Spec, crowd: Crowd | None = None) -> None:
        self.spec = spec
        self.crowd = crowd or Crowd(DIALECTS[spec.dialect])
        self.rooms: list[Room] = []
        self._stirred: list[Room] = []

    def open(self, at_once: int = AT_ONCE) -> None:
        spec, ports = self.spec, self.spec.ports
        for index in range(spec.rooms):
            name = f"{spec.name}-{index}"
            peers = [
                Peer(name, spec.keys, ports[(index + place) % len(ports)], token=token)
                for place, token in zip(range(spec.peers), chain(spec.tokens, repeat("")), strict=False)
            ]
            room = Room(spec, name, peers, self._stirred)
            for peer in peers:
                peer.on_text = room.hear
            self.rooms.append(room)
        # Room by room would be kinder to the server than life is: peers of all rooms arrive mixed.
        self.crowd.open((room.peers[place] for place in range(spec.peers) for room in self.rooms), at_once)
        for _ in range(spec.deaf_peers):
            self._open_deaf(self.rooms[0].name)

    def _open_deaf(self, room: str) -> None:
        peer = Peer(room, self.spec.keys, self.spec.ports[0])
        # A small window, so that the kernel's buffers do not hide the stall.
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, DEAF_BUFFER_BYTES)
        self.crowd.open([peer])
        self.crowd.deafen(peer)

    def settle(self) -> None:
        # Joins of larger rooms are told once a second.
        self.crowd.settle(1.5 if self.spec.dialect == "sessionstore" else 0.2)

    def run(self, seconds: float, sets: int) -> int:
        """Keep sets in flight for a time or a number of sets, whichever ends first, then wait for the last peer."""
        turns, left = deque(self.rooms), sets
        for _ in range(self.spec.rooms_at_once or len(turns)):
            turns[0].has_turn = True
            left -= self._refill(turns.popleft(), left)
        deadline = time.perf_counter() + seconds
        while left > 0 and time.perf_counter() < deadline:
            self.crowd.pump(1)
            stirred = [room for room in self._stirred if room.has_turn]
            self._stirred.clear()
            for room in stirred:
                left -= self._refill(self._pass_turn(room, turns), left)
        self._drain()
        return sets - left

    @staticmethod
    def _pass_turn(room: Room, turns: deque[Room]) -> Room:
        if not (room.has_turn and room.is_drained()):
            return room
        room.has_turn = False
        turns.append(room)
        following = turns.popleft()
        following.has_turn = True
        return following

    @staticmethod
    def _refill(room: Room, limit: int) -> int:
        count = 0
        while count < limit and room.has_turn and room.may_send():
            room.send()
            count += 1
        return count

    def _drain(self) -> None:
        deadline = time.monotonic() + DRAIN_SECONDS
        while not all(room.is_drained() for room in self.rooms) and time.monotonic() < deadline:
            self.crowd.pump(1)
        for room in self.rooms:
            room.has_turn = False
            room.check()

    def measure(self) -> Result:
        spec, crowd = self.spec, self.crowd
        memory = sum(map(memory_bytes, spec.server_pids))
        self.run(spec.warm_up_seconds, spec.sets)
        for room in self.rooms:
            room.told = room.deliveries = 0
            room.latencies_ms.clear()
        crowd.frames = 0
        start, own = time.perf_counter(), time.process_time()
        server, redis = total_cpu_seconds(spec.server_pids), total_cpu_seconds(spec.redis_pids)
        sets = self.run(spec.seconds, spec.sets)
        server, redis = total_cpu_seconds(spec.server_pids) - server, total_cpu_seconds(spec.redis_pids) - redis
        own = time.process_time() - own
        return Result(
            sets=sets,
            deliveries=sum(room.deliveries for room in self.rooms),
            told=self._told(),
            frames=crowd.frames,
            seconds=time.perf_counter() - start,
            server_cpu_seconds=server,
            redis_cpu_seconds=redis,
            generator_cpu_seconds=own,
            latencies_ms=[latency for room in self.rooms for latency in room.latencies_ms],
            memory_before_bytes=memory,
            memory_after_bytes=sum(map(memory_bytes, spec.server_pids)),
        )

    def _told(self) -> int:
        """Values received. A server that conflates nothing has to have told every one to everybody."""
        told, deliveries = sum(room.told for room in self.rooms), sum(room.deliveries for room in self.rooms)
        if DIALECTS[self.spec.dialect].tells_each and told != deliveries:
            raise NotConvergedError(f"{told} values were told and {deliveries} had to be")
        return told


def total_cpu_seconds(pids: Iterable[int]) -> float:
    return sum(map(cpu_seconds, pids))


def main(arguments: dict[str, Any]) -> Result:
    spec = Spec(**arguments)
    allow_sockets(spec.rooms * spec.peers)
    load = Load(spec)
    load.open()
    load.settle()
    # The generator makes no cycles worth collecting, and a pause of its own would be measured as the server's.
    gc.collect()
    gc.disable()
    result = load.measure()
    load.crowd.close()
    return result


if __name__ == "__main__":
    print(json.dumps(asdict(main(json.loads(sys.argv[1])))))
