"""How fast one may go on: token buckets of writes and joins, and a counter of what the server refuses to understand.

A caller has a bucket for its writes, a user one for joins, a room one for the writes of all; each process has its own.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Final, Generic, TypeVar

from sessionstore_app import conf
from sessionstore_app.core.errors import LimitExceeded, RateLimited

# More refused frames than this in so many seconds are no accident.
REFUSED_FRAMES = 20
REFUSED_SECONDS = 10.0
# Of how many names of a kind this process remembers the bucket.
BUCKETS_KEPT = 10_000
# What adding up fractions of a second may lose.
_TOLERANCE = 1e-6

# What was refused because there was too much of it, by kind.
KINDS: Final = ("writes", "room_writes", "joins", "sockets")
refusals: Counter[str] = Counter()


class TokenBucket:
    """Full at first. Rate and burst come with each question, for settings may change."""

    __slots__ = ("_at", "_tokens")

    def __init__(self) -> None:
        self._tokens = float("inf")
        self._at = 0.0

    def wait_for(self, tokens: float, now: float, per_second: float, burst: float) -> float | None:
        """Seconds until so many can be spent, 0 if they can be now; None where no time is long enough."""
        if now > self._at:
            self._tokens += (now - self._at) * per_second
            self._at = now
        self._tokens = min(burst, self._tokens)
        if tokens <= self._tokens + _TOLERANCE:
            return 0.0
        if tokens > burst or not per_second:
            return None
        # Rounded up: who waits so long is let in.
        return math.ceil((tokens - self._tokens) / per_second * 1_000) / 1_000

    def spend(self, tokens: float) -> None:
        """Take them out; that they are there was asked before."""
        self._tokens -= tokens


class WriteBucket(TokenBucket):
    """The writes of one caller, and how many were refused in a row."""

    __slots__ = ("refused",)

    def __init__(self) -> None:
        super().__init__()
        self.refused = 0

    @property
    def closes_after(self) -> int:
        """With so many refusals in a row, more than a whole burst, the client shows that it goes on regardless."""
        return conf.current().writes_burst + 1

    @property
    def is_warning_due(self) -> bool:
        """True at one refusal of each row: when half of those that it takes have come."""
        return self.refused == (self.closes_after + 1) // 2

    @property
    def is_ignored(self) -> bool:
        """True once all of them have come."""
        return self.refused >= self.closes_after


B = TypeVar("B", bound=TokenBucket)


class Buckets(Generic[B]):
    """Buckets by name; those that were asked for last are kept."""

    def __init__(self, make: Callable[[], B]) -> None:
        self._make = make
        self._kept: OrderedDict[Hashable, B] = OrderedDict()
        # WSGI servers have threads.
        self._lock = Lock()

    def __iter__(self) -> Iterator[Hashable]:
        return iter(list(self._kept))

    def of(self, name: Hashable) -> B:
        """The bucket of that name; a full one where none is remembered."""
        with self._lock:
            bucket = self._kept.pop(name, None) or self._make()
            self._kept[name] = bucket
            while len(self._kept) > BUCKETS_KEPT:
                self._kept.popitem(last=False)
            return bucket

    def clear(self) -> None:
        """Forget all of them."""
        self._kept.clear()


@dataclass(frozen=True, slots=True)
class Words:
    """What is said to who goes too fast, and of which kind that is in figures."""

    kind: str
    message: str = ""
    hint: str = ""


SOCKET: Final = Words("writes")
PRINCIPAL: Final = Words(
    "writes",
    "This principal writes faster than it may.",
    "Wait `retry_after_seconds`; all requests of one principal share an allowance.",
)
_ROOM: Final = Words(
    "room_writes",
    "This room is written to faster than it may be.",
    "Wait `retry_after_seconds`; all who write to a room share its allowance. It closes no socket.",
)
_JOINS: Final = Words(
    "joins",
    "This user joins rooms faster than it may.",
    "Wait `retry_after_seconds`; all sockets of a user share an allowance, and refused joins count.",
)

room_buckets: Buckets[TokenBucket] = Buckets(TokenBucket)
join_buckets: Buckets[TokenBucket] = Buckets(TokenBucket)
# Between asking two buckets and spending of both nobody else may spend.
_spending = Lock()


def take_writes(own: WriteBucket, writes: int, now: float, *, room: str | None = None, words: Words = SOCKET) -> None:
    """Spend a caller's writes and, where they are to a room, the room's: of both or of neither.

    Raises RateLimited, or LimitExceeded where waiting would not help.
    """
    limits = conf.current()
    with _spending:
        wait = own.wait_for(writes, now, limits.writes_per_second, limits.writes_burst)
        if wait != 0:
            own.refused += writes <= limits.writes_burst
            raise _refusal(wait, writes, limits.writes_burst, limits.writes_per_second, words)
        if room is not None:
            bucket = room_buckets.of(room)
            wait = bucket.wait_for(writes, now, limits.room_writes_per_second, limits.room_writes_burst)
            if wait != 0:
                raise _refusal(wait, writes, limits.room_writes_burst, limits.room_writes_per_second, _ROOM)
            bucket.spend(writes)
        own.spend(writes)
        own.refused = 0


def take_join(principal: str, session_id: str, now: float) -> None:
    """Spend one of a user's joins; anonymous sessions have their own. Raises RateLimited or LimitExceeded."""
    limits = conf.current()
    with _spending:
        bucket = join_buckets.of((principal, "" if principal else session_id))
        wait = bucket.wait_for(1, now, limits.joins_per_minute / 60, limits.joins_burst)
        if wait != 0:
            raise _refusal(wait, 1, limits.joins_burst, limits.joins_per_minute, _JOINS)
        bucket.spend(1)


def _refusal(wait: float | None, tokens: int, burst: int, rate: float, words: Words) -> RateLimited | LimitExceeded:
    if tokens > burst:
        return LimitExceeded("One request holds more than a burst.", limit=burst, actual=tokens)
    refusals[words.kind] += 1
    return RateLimited(words.message, hint=words.hint, limit=rate, retry_after_seconds=wait)


class RefusedFrames:
    """Counts frames that were no requests."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=REFUSED_FRAMES + 1)

    def add(self, now: float) -> bool:
        """Count one; true if there were too many."""
        self._times.append(now)
        return len(self._times) > REFUSED_FRAMES and now - self._times[0] <= REFUSED_SECONDS
