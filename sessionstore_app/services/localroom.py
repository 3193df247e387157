"""A room as one process holds it: its local members, what they observe, and how far it has heard.

Pure bookkeeping without waiting: changes come in with versions, are put in order, and go out at the end of a tick,
encoded once for each set of observed patterns. What is missing is named by `is_gapped`; fetching it is the hub's
business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sessionstore_app.core.entries import Author, Entry, Epoch
from sessionstore_app.core.patterns import PatternSet, pattern_set
from sessionstore_app.core.sights import Sight
from sessionstore_app.protocol import frames
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.events import Changed, RoomEvent, RosterDelta
from sessionstore_app.services.roommember import Member, View


class Telling(NamedTuple):
    """A `room.changed` frame for some connections."""

    room: str
    epoch: Epoch
    version: int
    text: str
    changes: Mapping[str, str]
    connections: list[Connection]

    def tell(self) -> None:
        """Send it."""
        room, epoch, version, text, changes, connections = self
        for connection in connections:
            connection.put_changes(room, epoch, version, text, changes)


class _Shared(NamedTuple):
    """What members of one role are told alike, as entries and as a frame; and what each is told only of its own."""

    changes: dict[str, str]
    own: dict[str, _Dirty]
    text: str


# A room whose state was not read yet.
NO_EPOCH = Epoch("")


@dataclass(slots=True)
class _Dirty:
    """A change that waits for the end of the tick."""

    version: int
    text: str
    _writer: tuple[bool, Author | None] | None = None

    @property
    def writer(self) -> tuple[bool, Author | None]:
        """Whether the entry has a value, and who wrote it: taken apart once, however many ask."""
        if self._writer is None:
            self._writer = frames.writer(self.text)
        return self._writer


@dataclass(slots=True, eq=False)
class LocalRoom:
    """One room in this process. `holds` counts joins under way, so that it is not dropped beneath them."""

    name: str
    epoch: Epoch = NO_EPOCH
    version: int = 0
    roster: int = 0
    # Every peer of the room, wherever it is connected: session id → peer as text.
    peers: dict[str, str] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    holds: int = 0
    # While the room is read for its first member here, one reader at a time, what is heard waits.
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)
    unheard: list[RoomEvent] = field(default_factory=list)
    # Changes told, each times the members told, since that was taken.
    delivered: int = 0
    _groups: dict[View, dict[Member, None]] = field(default_factory=dict)
    _fresh: set[Member] = field(default_factory=set)
    _dirty: dict[str, _Dirty] = field(default_factory=dict)
    _early: dict[int, Changed] = field(default_factory=dict)
    _early_rosters: dict[int, RosterDelta] = field(default_factory=dict)

    @property
    def is_gapped(self) -> bool:
        """True while something later than the next change, or roster, has been heard."""
        return bool(self._early or self._early_rosters)

    @property
    def is_unused(self) -> bool:
        """True when nobody here is in the room or about to be."""
        return not self.members and not self.holds

    @property
    def has_peers(self) -> bool:
        """True while a peer is connected here, not only somebody who watches."""
        return any(member.is_peer for member in self.members.values())

    # --- members

    def add(self, member: Member) -> None:
        """Let a member in; it observes nothing yet. A session is in a room once: its newest connection counts."""
        present = self.members.get(member.session_id)
        if present is not None:
            self.remove(present)
        self.members[member.session_id] = member
        self._groups.setdefault(member.view, {})[member] = None

    def remove(self, member: Member) -> None:
        """Let a member out."""
        if self.members.get(member.session_id) is member:
            del self.members[member.session_id]
        self._regroup(member, None)
        self._fresh.discard(member)

    def observe(self, member: Member, patterns: Iterable[str], read_at: int) -> None:
        """Add patterns whose present entries the member was given by a read at version `read_at`."""
        self.flush()
        added = frozenset(patterns)
        self._regroup(member, pattern_set(member.patterns.patterns | added))
        if read_at > self.version and added:
            # Changes up to that version are still under way: it has them for the new patterns, not for the old.
            member.fresh = (*member.fresh, (read_at, pattern_set(added)))
            self._fresh.add(member)

    def unobserve(self, member: Member, patterns: Iterable[str]) -> None:
        """Remove patterns."""
        self.flush()
        self._regroup(member, pattern_set(member.patterns.patterns - frozenset(patterns)))

    def see(self, member: Member, sight: Sight | None) -> None:
        """From here on a member is told what this sight shows; what it was told before is the caller's business."""
        self.flush()
        self._ungroup(member)
        member.sight = sight
        self._groups.setdefault(member.view, {})[member] = None

    def _regroup(self, member: Member, patterns: PatternSet | None) -> None:
        self._ungroup(member)
        if patterns is not None:
            member.patterns = patterns
            self._groups.setdefault(member.view, {})[member] = None

    def _ungroup(self, member: Member) -> None:
        group = self._groups.get(member.view)
        if group is not None:
            group.pop(member, None)
            if not group:
                del self._groups[member.view]

    # --- entries

    def hear(self, changed: Changed) -> bool:
        """Take in a write; true if something is now to be flushed. What comes early waits for what is missing."""
        if changed.version <= self.version:
            return False
        self._early[changed.version] = changed
        while (upcoming := self._early.pop(self.version + 1, None)) is not None:
            self.version = upcoming.version
            for key, text in upcoming.texts.items():
                self._dirty[key] = _Dirty(upcoming.version, text)
        return bool(self._dirty)

    def catch_up(self, version: int, texts: Sequence[tuple[str, int, str]]) -> None:
        """Take in what a read since our version gave: key, version and entry as text; then what had come early."""
        if version > self.version:
            for key, at, text in texts:
                self._dirty[key] = _Dirty(at, text)
            self.version = version
        self._early = {early: changed for early, changed in self._early.items() if early > self.version}
        following = self._early.get(self.version + 1)
        if following is not None:
            self.hear(following)

    def flush(self, later: list[Telling] | None = None) -> None:
        """Tell the members what changed since the last flush: one frame for each view, whoever many share it. With
        `later`, only those are told at once to whom something else is about to leave, as an answer; to that is added
        what tells the others.
        """
        if not self._dirty:
            return
        dirty, self._dirty = self._dirty, {}
        shared: dict[object, _Shared] = {}
        for view, group in self._groups.items():
            if view.is_personal:
                self._tell_each(view, group, dirty, shared, later)
            else:
                self._tell_all(view, group, dirty, later)
        for member in list(self._fresh):
            self._tell(member, dirty)
            member.fresh = tuple(item for item in member.fresh if item[0] > self.version)
            if not member.fresh:
                self._fresh.discard(member)

    def _tell_all(
        self,
        view: View,
        group: Mapping[Member, None],
        dirty: Mapping[str, _Dirty],
        later: list[Telling] | None,
    ) -> None:
        """Tell members of one view: encoded once."""
        changes = _shown({key: item.text for key, item in dirty.items() if view.shows(key)}, view.is_masked)
        if changes:
            self.delivered += len(changes) * len(group)
            text = frames.room_changed(self.name, self.epoch, self.version, changes.values())
            self._hand_out(text, changes, [member.connection for member in group if not member.fresh], later)

    def _tell_each(
        self,
        view: View,
        group: Mapping[Member, None],
        dirty: Mapping[str, _Dirty],
        shared: dict[object, _Shared],
        later: list[Telling] | None,
    ) -> None:
        """Tell members of whom each sees what it wrote: what all of their role see is encoded once."""
        found = shared.get(view.role)
        if found is None:
            changes = {key: item.text for key, item in dirty.items() if view.shows(key)}
            own = {key: item for key, item in dirty.items() if view.shows_own(key)}
            text = frames.room_changed(self.name, self.epoch, self.version, changes.values()) if changes else ""
            found = shared[view.role] = _Shared(changes, own, text)
        for member in group:
            mine = _own(member, found.own) if found.own and not member.fresh else {}
            if member.fresh or not (found.changes or mine):
                continue
            changes, text = found.changes, found.text
            if mine:
                changes = found.changes | mine
                text = frames.room_changed(self.name, self.epoch, self.version, changes.values())
            self.delivered += len(changes)
            self._hand_out(text, changes, [member.connection], later)

    def _hand_out(
        self, text: str, changes: Mapping[str, str], connections: list[Connection], later: list[Telling] | None
    ) -> None:
        """Tell these connections, or leave to `later` those to whom nothing else is about to leave."""
        head = (self.name, self.epoch, self.version, text, changes)
        if later is not None:
            later.append(Telling(*head, [each for each in connections if not each.scheduled]))
            connections = [each for each in connections if each.scheduled]
        Telling(*head, connections).tell()

    def _tell(self, member: Member, dirty: Mapping[str, _Dirty]) -> None:
        """Tell one member, of what it was not shown before."""
        wanted = {key: item for key, item in dirty.items() if member.wants(key, item.version)}
        view = member.view
        changes = _shown({key: item.text for key, item in wanted.items() if view.shows(key)}, member.is_masked)
        if view.is_personal:
            changes |= _own(member, wanted)
        if changes:
            text = frames.room_changed(self.name, self.epoch, self.version, changes.values())
            member.connection.put_changes(self.name, self.epoch, self.version, text, changes)

    def replace(self, version: int, texts: Sequence[tuple[str, int, str]], reason: str) -> None:
        """Give every member a snapshot of what it observes: what lies between is no longer known."""
        if version < self.version:
            return
        self._dirty = {}
        for view, group in [(view, list(group)) for view, group in self._groups.items()]:
            matching = _shown({key: text for key, _, text in texts if view.shows(key)}, view.is_masked)
            frame = frames.room_snapshot(self.name, self.epoch, version, matching.values(), reason)
            for member in group:
                member.fresh = ()
                member.connection.forget_behind(self.name)
                if view.is_personal:
                    member.held.clear()
                    all_of = {key: _Dirty(at, text) for key, at, text in texts if view.patterns.matches(key)}
                    told = [*matching.values(), *_own(member, all_of).values()]
                    frame = frames.room_snapshot(self.name, self.epoch, version, told, reason)
                member.connection.put_unstored(frame)
        self._fresh.clear()
        self.catch_up(version, ())

    def restart(self, epoch: Epoch, reason: str) -> None:
        """The room was cleared and goes on under another epoch."""
        self.flush()
        self.epoch = epoch
        self.version = 0
        self._early = {}
        text = frames.room_cleared(self.name, epoch, reason)
        for member in list(self.members.values()):
            member.fresh = ()
            member.held.clear()
            member.connection.forget_behind(self.name)
            member.connection.put_unstored(text)
        self._fresh.clear()

    def say(self, text: str) -> None:
        """Hand the members a message that is not stored."""
        # A copy: a peer that cannot take it is closed, and leaves the room, at once.
        for member in list(self.members.values()):
            member.connection.put_message(frames.masked_message(text) if member.is_masked else text)

    # --- peers

    def hear_roster(self, delta: RosterDelta) -> list[RosterDelta]:
        """Take in a change of the roster; returns those that are in order now."""
        if delta.roster <= self.roster:
            return []
        self._early_rosters[delta.roster] = delta
        return self._rosters_in_order()

    def _rosters_in_order(self) -> list[RosterDelta]:
        ready: list[RosterDelta] = []
        while (upcoming := self._early_rosters.pop(self.roster + 1, None)) is not None:
            self.roster = upcoming.roster
            self.peers.update(upcoming.joined)
            self.peers.update(upcoming.updated)
            for session_id in upcoming.left:
                self.peers.pop(session_id, None)
            ready.append(upcoming)
        return ready

    def replace_roster(self, roster: int, peers: dict[str, str]) -> list[RosterDelta]:
        """Take in the whole roster; returns what was missed, and what had come early and is in order now."""
        if roster < self.roster:
            return []
        joined = {sid: text for sid, text in peers.items() if sid not in self.peers}
        left = dict.fromkeys((sid for sid in self.peers if sid not in peers), "LEFT")
        updated = {sid: text for sid, text in peers.items() if sid in self.peers and self.peers[sid] != text}
        self.roster = roster
        self.peers = peers
        self._early_rosters = {early: delta for early, delta in self._early_rosters.items() if early > roster}
        missed = [RosterDelta(roster, joined, left, updated)] if joined or left or updated else []
        return missed + self._rosters_in_order()


def _shown(changes: dict[str, str], is_masked: bool) -> dict[str, str]:
    """Entries as text, by key, as their reader may see them."""
    return {key: frames.masked(text) for key, text in changes.items()} if is_masked else changes


def _own(member: Member, changed: Mapping[str, _Dirty]) -> dict[str, str]:
    """What a member is told of keys that it sees if it wrote them: what it wrote, and that another took its place."""
    told: dict[str, str] = {}
    for key, item in changed.items():
        if member.sight is None or not member.sight.shows_own(key):
            continue
        exists, by = item.writer
        is_own = member.sight.owns(by)
        if is_own:
            told[key] = item.text
        elif key in member.held:
            # Another's value took its place; or it went, by itself or by another, and that is all there is to tell.
            gone = Entry(key=key, version=item.version)
            told[key] = frames.withdrawn(key, item.version) if exists else frames.entry(gone)
        (member.held.add if is_own and exists else member.held.discard)(key)
    return told
