"""The life of a room: sessions join, observe and leave it; it is cleared."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from sessionstore_app.core.entries import Epoch
from sessionstore_app.core.errors import AccessDenied, NotJoined
from sessionstore_app.models import Membership, Room, SessionState
from sessionstore_app.services import policy, roomrights
from sessionstore_app.services.batch import Batch, new_epoch
from sessionstore_app.services.jobs.base import OfNone, OfRoom, OfSession
from sessionstore_app.services.policy import Identity
from sessionstore_app.services.properties import properties_of


@dataclass(frozen=True, slots=True)
class Joined:
    """The room as the new peer finds it."""

    epoch: Epoch
    roles: tuple[str, ...]
    is_creator: bool


@dataclass(frozen=True, kw_only=True)
class Join(OfSession):
    """A session joins a room, or says what more it observes there when it is in it already."""

    session_id: str
    generation: int
    room: str
    identity: Identity
    observed: Collection[str]

    @property
    def rooms(self) -> Collection[str]:
        return (self.room,)

    def run(self, batch: Batch) -> Joined:
        session = batch.session(self.session_id)
        if session is None or session.state == SessionState.CLOSED or session.generation != self.generation:
            raise AccessDenied("The session has ended, or goes on over another socket.", hint="Open a new session.")
        # The row's roles count: they may have been taken away while the request was on its way.
        identity = replace(self.identity, roles=frozenset(session.roles))
        room = batch.room(self.room)
        is_creator = batch.is_creator(room, self.session_id, session.principal)
        properties = properties_of(session)
        if not roomrights.may_join(identity, self.room, properties=properties, is_creator=is_creator):
            raise roomrights.closed()
        member = batch.membership(room, self.session_id)
        if member is not None:
            batch.observe(member, {*member.observed, *self.observed})
            return Joined(Epoch(room.epoch), tuple(member.roles), member.is_creator)
        first = batch.count(room) == 0
        granted = policy.current().room_roles(identity, self.room, first=first)
        who = roomrights.standing(
            identity, granted, session_id=session.id, is_creator=is_creator, properties=properties
        )
        roles = granted | roomrights.joins_as(self.room, who, first=first)
        member = Membership(
            room=room,
            session_id=self.session_id,
            roles=sorted(roles),
            observed=sorted(self.observed),
            is_creator=is_creator,
            joined_at=batch.now,
        )
        batch.join(member)
        return Joined(Epoch(room.epoch), tuple(member.roles), member.is_creator)


@dataclass(frozen=True, kw_only=True)
class Observe(OfNone):
    """What a session observes in a room is now this."""

    session_id: str
    room: str
    observed: Collection[str]

    def run(self, batch: Batch) -> None:
        member = Membership.objects.filter(session_id=self.session_id, room__name=self.room, left_at=None)
        member.update(observed=sorted(self.observed))


@dataclass(frozen=True, kw_only=True)
class Leave(OfSession):
    """A session leaves a room: true if the room's store was cleared with it."""

    session_id: str
    room: str
    grace_seconds: float
    reason: str = "LEFT"

    @property
    def rooms(self) -> Collection[str]:
        return (self.room,)

    def run(self, batch: Batch) -> bool:
        member = batch.membership(batch.room(self.room), self.session_id)
        if member is None:
            raise NotJoined
        return batch.leave(member, self.reason, self.grace_seconds)


@dataclass(frozen=True, kw_only=True)
class Clear(OfRoom):
    """Empty a room; with `only_epoch`, only if it is still that incarnation. Returns the epoch it goes on under.

    `store_mark` is that of the store it goes on in, where it may be another.
    """

    room: str
    reason: str
    only_epoch: Epoch | None = None
    store_mark: str | None = None

    def run(self, batch: Batch) -> Epoch:
        room = batch.room(self.room)
        if self.only_epoch is not None and room.epoch != self.only_epoch:
            return Epoch(room.epoch)
        room.store_mark = self.store_mark or room.store_mark
        return batch.clear(room, self.reason)


@dataclass(frozen=True, kw_only=True)
class MeetStore(OfRoom):
    """A room is about to be used with the store of this mark; true if it had another one, whose entries are gone."""

    room: str
    mark: str

    def run(self, batch: Batch) -> bool:
        room = batch.room(self.room)
        if room.store_mark == self.mark:
            return False
        had_another = bool(room.store_mark)
        room.store_mark = self.mark
        if had_another:
            batch.clear(room, "STORE_LOST")
        else:
            batch.changed_room(room)
        return had_another


@dataclass(frozen=True, kw_only=True)
class ClearDue(OfRoom):
    """Clear a room whose time has come, unless somebody is in it or it was used since."""

    room: str

    def run(self, batch: Batch) -> bool:
        room = batch.room(self.room)
        if batch.count(room) or room.clears_at is None or room.clears_at > batch.now:
            return False
        batch.clear(room, "LAST_PEER_LEFT" if room.emptied_at else "IDLE")
        return True


@dataclass(frozen=True, kw_only=True)
class Visit(OfRoom):
    """Server code uses a room: make it if it is new, and put off its clearing while nobody is in it."""

    room: str
    idle_seconds: float

    def run(self, batch: Batch) -> Epoch:
        room = batch.room(self.room)
        if not batch.count(room):
            batch.keep_idle(room, self.idle_seconds)
        return Epoch(room.epoch)


@dataclass(frozen=True, kw_only=True)
class RenewEpochs(OfNone):
    """Rooms of these names go on under a new epoch, for their entries are gone."""

    which: Callable[[str], bool]

    def run(self, batch: Batch) -> None:
        every = [room for room in Room.objects.all() if self.which(room.name)]
        for room in every:
            room.epoch = new_epoch()
        Room.objects.bulk_update(every, ["epoch"], batch_size=200)


@dataclass(frozen=True, kw_only=True)
class ForgetRoom(OfRoom):
    """A room is deleted, if nobody is in it and it waits for nothing; returns the epoch it had, None where it stays."""

    room: str

    def run(self, batch: Batch) -> Epoch | None:
        room = batch.room(self.room)
        if batch.count(room) or room.clears_at is not None:
            return None
        epoch = Epoch(room.epoch)
        batch.forget_room(room)
        return epoch


@dataclass(frozen=True, kw_only=True)
class NoteAbsence(OfRoom):
    """Since when, in milliseconds since the epoch, nobody in the room matches a removal rule; None: somebody does."""

    room: str
    rule: str
    since_ms: int | None

    def run(self, batch: Batch) -> None:
        room = batch.room(self.room)
        room.unmatched = {name: since for name, since in room.unmatched.items() if name != self.rule}
        if self.since_ms is not None:
            room.unmatched[self.rule] = self.since_ms
        batch.changed_room(room)
