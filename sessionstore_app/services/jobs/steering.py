"""What is done to sessions by those who may: one job for all sessions that a filter found.

Whoever no longer matches when its row is locked is left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sessionstore_app import conf
from sessionstore_app.core.errors import LimitExceeded
from sessionstore_app.core.observer import Interest
from sessionstore_app.core.properties import Merged, merge
from sessionstore_app.models import Session, SessionState
from sessionstore_app.services.batch import Batch
from sessionstore_app.services.jobs.base import OfNone
from sessionstore_app.services.jobs.sessions import close
from sessionstore_app.services.properties import milliseconds, properties_of

# In place of a revision: nobody looked yet whether the session is of interest.
UNSEEN: Final = -1


@dataclass(frozen=True, kw_only=True)
class _OfMany(OfNone):
    """Is about those of the sessions that are open and still of interest. `seen` names the revision as of which each
    was, or `UNSEEN`.
    """

    seen: Mapping[str, int]
    interest: Interest

    @property
    def sessions(self) -> Collection[str]:
        return self.seen

    @property
    def waits(self) -> bool:
        return len(self.seen) > 1

    def found(self, batch: Batch) -> Iterator[Session]:
        """Their rows, in the order of their ids."""
        for session_id in sorted(self.seen):
            session = batch.session(session_id)
            if session is not None and session.state != SessionState.CLOSED and self._covers(session, batch):
                yield session

    def _covers(self, session: Session, batch: Batch) -> bool:
        # Asked again only of what has changed: a filter may take long, and nothing else is recorded meanwhile.
        return self.seen[session.id] == session.revision or self.interest.covers(
            properties_of(session), batch.rooms_of(session.id), int(milliseconds(session.opened_at))
        )


@dataclass(frozen=True, kw_only=True)
class SetProperties(_OfMany):
    """Set properties of sessions: what that changed, by session. Raises LimitExceeded; then nobody's were changed."""

    changes: Mapping[str, str | None]

    def run(self, batch: Batch) -> dict[str, Merged]:
        limit = conf.current().property_count
        found = list(self.found(batch))
        merged = {session.id: merge(session.properties, self.changes, max_user=limit) for session in found}
        for session in found:
            session.properties = dict(merged[session.id].properties)
            batch.changed(session)
        return merged


@dataclass(frozen=True, kw_only=True)
class ChangeRoles(_OfMany):
    """Change session-wide roles; returns how many sessions were meant, changed or not.

    Raises LimitExceeded where one would come to have more than `most`; then nobody's were changed.
    """

    add: Collection[str]
    remove: Collection[str]
    most: int

    def run(self, batch: Batch) -> int:
        found = list(self.found(batch))
        changed = {session.id: sorted({*session.roles, *self.add} - {*self.remove}) for session in found}
        for session in found:
            number = len(changed[session.id])
            if number > max(self.most, len(session.roles)):
                raise LimitExceeded("A session would have too many roles.", limit=self.most, actual=number)
        for session in found:
            session.roles = changed[session.id]
            batch.changed(session)
        return len(found)


@dataclass(frozen=True, kw_only=True)
class Terminate(_OfMany):
    """End sessions; returns which."""

    reason: str

    @property
    def ending(self) -> Collection[str]:
        return self.seen

    def run(self, batch: Batch) -> list[str]:
        ended = list(self.found(batch))
        for session in ended:
            close(session, self.reason, batch)
        return [session.id for session in ended]


@dataclass(frozen=True, slots=True)
class Observing:
    """A session that is to observe more of a room, and the node that serves it; none while it is away."""

    session_id: str
    node_id: str | None


@dataclass(frozen=True, kw_only=True)
class ObserveFor(_OfMany):
    """Let peers of a room observe keys. Raises LimitExceeded where one would observe too much; then nobody does."""

    room: str
    patterns: Collection[str]

    def run(self, batch: Batch) -> list[Observing]:
        room = batch.room(self.room)
        peers = [session for session in self.found(batch) if batch.membership(room, session.id) is not None]
        limit = conf.current().patterns_per_session
        wanted = {session.id: self._patterns(batch, session) for session in peers}
        for session in peers:
            others = sum(len(member.observed) for member in batch.memberships(session.id) if member.room != room)
            total = others + len(wanted[session.id])
            if total > limit:
                raise LimitExceeded("A session would observe too many patterns.", limit=limit, actual=total)
        for session in peers:
            member = batch.membership(room, session.id)
            assert member is not None  # noqa: S101  # these are the peers
            batch.observe(member, wanted[session.id])
        return [
            Observing(session.id, session.node_id if session.state == SessionState.ACTIVE else None)
            for session in peers
        ]

    @property
    def rooms(self) -> Collection[str]:
        return (self.room,)

    def _patterns(self, batch: Batch, session: Session) -> set[str]:
        member = batch.membership(batch.room(self.room), session.id)
        return {*self.patterns, *(member.observed if member is not None else ())}
