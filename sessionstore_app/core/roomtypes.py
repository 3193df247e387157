"""What a room is, as a project declares it once: its keys, who may do what, how long things live.

    class Meeting(RoomType):
        match = "meeting/*"
        spotlight = Key(str, write={"host"}, names_session=True)

The class is for people; `core.definitions` makes of it what the rest of the package uses.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from enum import Enum
from typing import Any, ClassVar, Final

from sessionstore_app.core.entries import Entry, Lifetime
from sessionstore_app.core.rules import EVERYONE, NOBODY, Standing, Who

ROOM: Final = Lifetime.ROOM
SESSION: Final = Lifetime.SESSION


class Extra(Enum):
    """What becomes of keys that a room type does not declare."""

    REFUSED = "refused"
    OPEN = "open"

    def __repr__(self) -> str:
        return self.name


OPEN: Final = Extra.OPEN
REFUSED: Final = Extra.REFUSED


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a room type, or all keys of a `pattern` such as `hand/*`; without one, the attribute's name is the key.

    - `type`: whatever msgspec understands; what is written is held to it. `default` is what Python and the SDK read
      where there is no value, and where operations begin.
    - `read` and `write`: who may; roles, OWNER, CREATOR, EVERYONE, NOBODY, `permission(…)`, `matching(…)`, or several.
    - `lifetime=SESSION`: it goes when the session that wrote it ends. `ttl`: after so many seconds. `without` and
      `for_seconds`: once no peer has matched that session filter for so long.
    - `names_session`: the value is the id of a peer; the key goes when that peer leaves.
    - `cap` and `unique`: a list holds so many items, no two with an equal member of that name.
    - `skip_equal`: a set to the present value is no write. `value_bytes`: its own limit.
    """

    type: Any = Any
    _: KW_ONLY
    pattern: str = ""
    read: Who = EVERYONE
    write: Who = EVERYONE
    default: Any = None
    lifetime: Lifetime = ROOM
    ttl: float | None = None
    without: str = ""
    for_seconds: float = 60
    names_session: bool = False
    cap: int | None = None
    unique: str = ""
    skip_equal: bool = False
    value_bytes: int | None = None


# Every type that was declared, by where it was; a module that is loaded again replaces its own.
declared: Final[dict[str, type[RoomType]]] = {}


class RoomType:
    """Rooms whose name matches `match`: exact, `meeting/*`, `*/lobby` or `*`. Rooms of no type follow the settings.

    A subclass without `match` is a base for others. Keys that a type inherits are its own. With `declare=False` it is
    a type only where `services.roomtypes.declaring` says so, as tests need it.
    """

    # Which rooms.
    match: ClassVar[str] = ""
    # The roles that peers may have, each with what it may do to other peers: view_session, modify_session,
    # send_to_session, register_handler. Rules may name these, and where there are none, any.
    roles: ClassVar[Mapping[str, Iterable[str]] | Sequence[str]] = ()
    # Keys that are not declared: REFUSED or OPEN.
    extra: ClassVar[Extra] = REFUSED
    # How long the store is kept after the last peer left it; None: GRACE_SECONDS. A session that ends clears at once.
    grace_seconds: ClassVar[float | None] = None
    # Where the entries live, an alias of BACKENDS.
    backend: ClassVar[str] = "default"
    # Limits that are other than the settings': value_bytes, keys, store_bytes.
    limits: ClassVar[Mapping[str, int]] = {}
    # Who may join, send messages to all, empty the store, see who is there.
    join: ClassVar[Who] = EVERYONE
    broadcast: ClassVar[Who] = EVERYONE
    clear: ClassVar[Who] = NOBODY
    see_peers: ClassVar[Who] = EVERYONE
    # Which properties of peers others see: keys, or keys with who sees them; None: PUBLIC_PROPERTIES.
    properties: ClassVar[Mapping[str, Who] | Sequence[str] | None] = None

    def __init_subclass__(cls, *, declare: bool = True, **options: object) -> None:
        super().__init_subclass__(**options)
        if cls.match and declare:
            declared[f"{cls.__module__}.{cls.__qualname__}"] = cls

    def joins_as(self, who: Standing, *, first: bool) -> Iterable[str]:
        """Roles that a peer gets when it joins, beside those that its token grants; `first` where nobody is there.

        Asked inside a transaction: it may use the ORM and must not wait for anything else.
        """
        return ()

    def may_join(self, who: Standing, room: str) -> bool | Awaitable[bool]:
        """May it join, beside what `join` says? Sync, in a thread that may use the ORM, or async."""
        return True

    def on_change(self, room: str, entries: Sequence[Entry]) -> Awaitable[None] | None:
        """Entries of a room were written, and peers told. Sync, in a thread that may use the ORM, or async."""

    def on_first_peer(self, room: str) -> Awaitable[None] | None:
        """Somebody joined a room that nobody was in. Sync, in a thread that may use the ORM, or async."""

    def on_last_peer(self, room: str) -> Awaitable[None] | None:
        """Nobody is in a room any more. Sync, in a thread that may use the ORM, or async."""
