"""One connection in a room as this process holds it: what it observes, how rules see it, what it may read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sessionstore_app.core.entries import Epoch
from sessionstore_app.core.patterns import NOTHING, PatternSet
from sessionstore_app.core.rules import Standing
from sessionstore_app.core.sights import Sight

if TYPE_CHECKING:
    from sessionstore_app.services.connection import Connection


# How the id of one that only watches begins; ids of sessions hold no colon.
WATCHER: Final = "watcher:"


class View(NamedTuple):
    """Members of equal views are told the same, but for keys that they see if they wrote them."""

    patterns: PatternSet
    sight: Sight | None
    is_masked: bool

    @property
    def is_personal(self) -> bool:
        """True if what is told depends on who is told."""
        return self.sight is not None and bool(self.sight.own)

    @property
    def role(self) -> object:
        """Equal for members who are told the same of what they did not write."""
        return self.patterns, self.sight and (self.sight.hidden, self.sight.own), self.is_masked

    def shows(self, key: str) -> bool:
        """Is a change of this key told, whoever wrote it?"""
        return self.patterns.matches(key) and (self.sight is None or self.sight.shows(key))

    def shows_own(self, key: str) -> bool:
        """Is a change of this key told to who wrote it?"""
        return self.sight is not None and self.patterns.matches(key) and self.sight.shows_own(key)


class Member:
    """A connection in a room. `fresh` holds the version of a read and the patterns it gave the present entries for.

    `standing` is how the rules of the room's type see it, `sight` what it may read, None for all, and `shown` what it
    might when it was last given what there is; `held` are the keys it sees because it wrote them. One that only
    watches is no peer; `is_masked` says that it sees no values.
    """

    __slots__ = (
        "connection", "fresh", "held", "is_creator", "is_masked", "patterns", "roles", "sees_peers", "session_id",
        "shown", "sight", "standing", "unshown",
    )  # fmt: skip

    def __init__(
        self,
        connection: Connection,
        session_id: str,
        roles: tuple[str, ...],
        *,
        is_creator: bool = False,
        is_masked: bool = False,
    ) -> None:
        self.connection = connection
        self.session_id = session_id
        self.roles = roles
        self.is_creator = is_creator
        self.is_masked = is_masked
        self.standing = Standing()
        self.sight: Sight | None = None
        self.shown: Sight | None = None
        # From which version on it was told by another sight than `shown`; None while they are the same.
        self.unshown: tuple[Epoch, int] | None = None
        self.sees_peers = True
        self.held: set[str] = set()
        self.patterns: PatternSet = NOTHING
        self.fresh: tuple[tuple[int, PatternSet], ...] = ()

    @property
    def is_peer(self) -> bool:
        """Is it in the room, and does not only watch it?"""
        return not self.session_id.startswith(WATCHER)

    @property
    def view(self) -> View:
        """Those of the same view are told the same."""
        return View(self.patterns, self.sight, self.is_masked)

    def wants(self, key: str, version: int) -> bool:
        """Should it hear of this change? Not of one that a read has already shown it, or something later."""
        shown = any(version <= read_at and added.matches(key) for read_at, added in self.fresh)
        return not shown and self.patterns.matches(key)
