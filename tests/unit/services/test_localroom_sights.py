"""A room whose keys are not for all: a change is encoded once for each role, and nobody is handed what is hidden."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import pytest

from sessionstore_app.core.entries import Author, Entry, SessionId
from sessionstore_app.protocol import frames
from sessionstore_app.services import rights, roomrights, roomtypes
from sessionstore_app.services.events import Changed
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.localroom import LocalRoom
from sessionstore_app.services.policy import Identity
from sessionstore_app.services.roommember import Member
from sessionstore_app.services.sessions import OpenSession
from tests.benchmarks.rulesroomtypes import GUEST, HOST, SPEAKER, Personal, Ruled
from tests.support.typed import Stage
from tests.unit.services.conftest import LIMIT
from tests.unit.services.fakes import E1, FakeHub, FakeSend, Peer, changed, connection, member, texts, told

CROWD = {HOST: 5, SPEAKER: 15, GUEST: 80}
ALL = sum(CROWD.values())


@pytest.fixture(autouse=True)
def types() -> Iterator[None]:
    with roomtypes.declaring(Ruled, Personal, Stage):
        yield


@pytest.fixture
def room() -> LocalRoom:
    """A room of which hosts, speakers and guests each may read less."""
    return LocalRoom("ruled/r", epoch=E1)


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every frame that changes are made into."""
    made: list[str] = []
    encode = frames.room_changed

    def counted(name: str, epoch: str, version: int, changes: Iterable[str]) -> str:
        made.append(encode(name, epoch, version, changes))
        return made[-1]

    monkeypatch.setattr(frames, "room_changed", counted)
    return made


def session(session_id: str, role: str) -> OpenSession:
    sid = SessionId(session_id)
    identity = Identity(roles=frozenset({role}))
    return OpenSession(session_id, identity, generation=1, revision=1, author=Author(sid, ""))


def come(room: LocalRoom, who: Member, role: str) -> None:
    """Let a member in that observes everything and sees what the room's type shows its role."""
    who.sight = who.shown = roomrights.place(who, session(who.session_id, role), room.name)
    room.add(who)
    room.observe(who, ["*"], room.version)


def crowd(room: LocalRoom) -> dict[str, list[Peer]]:
    """A hundred peers of three roles, by role, who came in mixed order."""
    peers: dict[str, list[Peer]] = {role: [] for role in CROWD}
    for place in range(max(CROWD.values())):
        for role in (role for role, number in CROWD.items() if place < number):
            who, peer = member(f"{role}-{place}")
            come(room, who, role)
            peers[role].append(peer)
    return peers


def tell(room: LocalRoom, version: int, *keys: str) -> None:
    """A write to these keys, heard and told."""
    room.hear(changed(version, *keys))
    room.flush()


def written(room: LocalRoom, version: int, key: str, session_id: str) -> None:
    """A write of a session, heard and told."""
    entry = Entry(key=key, text=f'"{key}"', version=version, by=Author(SessionId(session_id), ""))
    room.hear(Changed(E1, version, {key: frames.entry(entry)}))
    room.flush()


# --- encoded once


def test_t6_a_change_is_encoded_once_a_role_and_each_peer_is_handed_that_very_text(
    room: LocalRoom, encoded: list[str]
) -> None:
    peers = crowd(room)
    tell(room, 1, "key-1")
    assert len(encoded) == 3
    handed = [[peer.texts for peer in of_role] for of_role in peers.values()]
    for text, of_role in zip(encoded, handed, strict=True):
        assert all(len(each) == 1 and each[0] is text for each in of_role)


def test_t6_changes_of_one_tick_are_encoded_together_and_each_role_is_told_its_own(
    room: LocalRoom, encoded: list[str]
) -> None:
    peers = crowd(room)
    for version, key in enumerate(("key-1", "cue-1", "hidden-1"), start=1):
        room.hear(changed(version, key))
    room.flush()
    assert len(encoded) == 3
    assert [peer.told for peer in peers[HOST]] == [[("key-1", 1), ("cue-1", 2), ("hidden-1", 3)]] * CROWD[HOST]
    assert [peer.told for peer in peers[SPEAKER]] == [[("key-1", 1), ("cue-1", 2)]] * CROWD[SPEAKER]
    assert [peer.told for peer in peers[GUEST]] == [[("key-1", 1)]] * CROWD[GUEST]


def test_t6_a_key_of_the_hosts_is_encoded_once_and_nobody_else_is_handed_anything(
    room: LocalRoom, encoded: list[str]
) -> None:
    peers = crowd(room)
    tell(room, 1, "hidden-1")
    assert len(encoded) == 1
    assert all(peer.texts[0] is encoded[0] for peer in peers[HOST])
    assert [peer.texts for peer in (*peers[SPEAKER], *peers[GUEST])] == [[]] * (ALL - CROWD[HOST])


def test_t6_who_comes_to_read_what_another_role_reads_shares_its_text(room: LocalRoom, encoded: list[str]) -> None:
    peers = crowd(room)
    for each in list(room.members.values()):
        if each.session_id.startswith(GUEST):
            room.see(each, roomrights.place(each, session(each.session_id, SPEAKER), room.name))
    tell(room, 1, "cue-1")
    assert len(encoded) == 2
    assert len({id(peer.texts[0]) for peer in (*peers[SPEAKER], *peers[GUEST])}) == 1


def test_t6_where_something_is_its_writers_own_the_rest_is_encoded_once_a_role(encoded: list[str]) -> None:
    room = LocalRoom("personal/r", epoch=E1)
    peers = crowd(room)
    tell(room, 1, "key-1")
    assert len(encoded) == 1
    assert all(peer.told == [("key-1", 1)] for of_role in peers.values() for peer in of_role)


def test_t6_what_is_its_writers_own_is_encoded_for_the_writer_alone(encoded: list[str]) -> None:
    room = LocalRoom("personal/r", epoch=E1)
    peers = crowd(room)
    written(room, 1, "diary-1", f"{GUEST}-7")
    assert len(encoded) == 1
    assert [place for place, peer in enumerate(peers[GUEST]) if peer.texts] == [7]
    assert [peer.texts for peer in (*peers[HOST], *peers[SPEAKER])] == [[]] * (CROWD[HOST] + CROWD[SPEAKER])


def test_t6_a_snapshot_shows_each_role_what_it_may_read(room: LocalRoom) -> None:
    peers = crowd(room)
    room.replace(3, texts(("key-1", 1), ("cue-1", 2), ("hidden-1", 3)), "resync")
    shown = {
        role: {tuple(entry["key"] for entry in peer.frames[0]["entries"]) for peer in peers[role]} for role in CROWD
    }
    assert shown == {HOST: {("key-1", "cue-1", "hidden-1")}, SPEAKER: {("key-1", "cue-1")}, GUEST: {("key-1",)}}


# --- slow peers


class Slow:
    """A member whose client has not acknowledged what it was sent: what follows is only noted."""

    def __init__(self, room: LocalRoom, session_id: str, role: str) -> None:
        self.room = room
        self.hub, self.send = FakeHub(), FakeSend()
        # What `rights` asks of the hub.
        self.hub.rooms = {room.name: room}  # type: ignore[attr-defined]
        self.bo = connection(self.hub, self.send, LIMIT)
        self.bo.session = session(session_id, role)
        self.bo.members[room.name] = member = Member(self.bo, session_id, ())
        come(room, member, role)
        self.bo.put("x" * (LIMIT + 1))
        self.hub.tick()
        assert self.bo.is_behind

    def become(self, role: str) -> None:
        """Its session has another role from here on."""
        assert self.bo.session is not None
        self.bo.session = session(self.bo.session.id, role)
        rights.recheck_sights(cast(Hub, self.hub), self.bo)

    def caught_up(self) -> list[tuple[str, int]]:
        """Acknowledge everything; key and version of what it is told then."""
        sent = len(self.send.sent)
        self.bo.ack(sum(map(len, self.send.sent)))
        self.hub.tick()
        return sorted(change for _, _, changes in told(self.send.sent[sent:]) for change in changes)


def test_t6_a_slow_peer_is_told_the_newest_of_each_key_that_it_may_read(room: LocalRoom) -> None:
    host, speaker, guest = (Slow(room, role, role) for role in CROWD)
    for version in range(1, 31):
        tell(room, version, ("key-1", "cue-1", "hidden-1")[version % 3])
    assert guest.caught_up() == [("key-1", 30)]
    assert speaker.caught_up() == [("cue-1", 28), ("key-1", 30)]
    assert host.caught_up() == [("cue-1", 28), ("hidden-1", 29), ("key-1", 30)]


def test_t6_a_slow_peer_that_missed_what_is_hidden_from_it_is_told_nothing(room: LocalRoom) -> None:
    guest = Slow(room, "s1", GUEST)
    for version in range(1, 5):
        tell(room, version, "hidden-1")
    assert guest.caught_up() == []


def test_t6_a_slow_peer_that_lost_its_role_is_not_told_what_was_noted_before(room: LocalRoom) -> None:
    host = Slow(room, "s1", HOST)
    tell(room, 1, "key-1", "hidden-1")
    host.become(GUEST)
    tell(room, 2, "hidden-2")
    assert host.caught_up() == [("key-1", 1)]


def test_t6_a_slow_peer_that_may_only_read_its_own_now_is_not_told_what_was_noted_of_others() -> None:
    room = LocalRoom("stage/r", epoch=E1)
    host = Slow(room, "s1", HOST)
    written(room, 1, "question/1", "s1")
    written(room, 2, "question/2", "another")
    host.become(GUEST)
    assert host.caught_up() == [("question/1", 1)]


def test_t6_a_slow_peer_that_lost_its_role_is_told_of_what_was_deleted_before(room: LocalRoom) -> None:
    host = Slow(room, "s1", HOST)
    room.hear(Changed(E1, 1, {"hidden-1": frames.entry(Entry(key="hidden-1", version=1))}))
    room.flush()
    host.become(GUEST)
    assert host.caught_up() == [("hidden-1", 1)]


def test_t6_a_slow_peer_that_may_read_all_now_is_not_told_late_that_it_may_not() -> None:
    room = LocalRoom("stage/r", epoch=E1)
    guest = Slow(room, "s1", GUEST)
    written(room, 1, "question/1", "s1")
    written(room, 2, "question/1", "another")
    guest.become(HOST)
    assert guest.caught_up() == []
