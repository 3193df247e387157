"""`sessions` from server code (parity §2.4): sync and async, in views and threads, in and out of transactions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar, cast
from unittest.mock import patch

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.test import TestCase, TransactionTestCase
from django.utils import timezone

from sessionstore_app import errors, sessions
from sessionstore_app.models import Membership, Room, Session, SessionEvent
from sessionstore_app.services import directory
from sessionstore_app.services.directory import Group, SessionInfo
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.presence import Presence
from sessionstore_app.signals import session_changed, session_closed
from tests.services.processes import Client, Process

T = TypeVar("T")


def _make(session_id: str, **members: Any) -> Session:
    """A session of another process."""
    return Session.objects.create(id=session_id, **{"revision": 1, "node_id": "elsewhere", **members})


def _three() -> None:
    _make("s1", principal="ann", roles=["speaker"], properties={"team": "red", "muted": "no", "$Country": "FR"})
    _make("s2", principal="ann", properties={"team": "red"})
    _make("s3", properties={"team": "blue"}, state="DISCONNECTED")
    _make("gone", properties={"team": "red"}, state="CLOSED")


def _join(session_id: str, **members: Any) -> None:
    room = Room.objects.create(name="standup", epoch="e")
    Membership.objects.create(room=room, session_id=session_id, joined_at=timezone.now(), **members)


def _properties(session_id: str) -> dict[str, str]:
    found: dict[str, str] = Session.objects.get(id=session_id).properties
    return found


class Heard:
    """Collects what signals tell."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def __call__(self, **told: Any) -> None:
        self.told.append(told)


# --- reading


class ReadingSessions(TestCase):
    """In a test's own transaction, as in a view."""

    def setUp(self) -> None:
        _three()

    def test_d37_all_open_sessions_are_listed_by_id(self) -> None:
        listing = sessions.list()
        assert listing.sessions == [
            SessionInfo("s1", "ACTIVE", {}),
            SessionInfo("s2", "ACTIVE", {}),
            SessionInfo("s3", "DISCONNECTED", {}),
        ]
        assert (listing.total, listing.more) == (3, False)

    def test_d37_by_filter_with_properties_in_pages(self) -> None:
        first = sessions.list("team in ['red', 'blue']", properties=["team", "$Principal"], limit=2)
        assert [info.properties for info in first.sessions] == [{"team": "red", "$Principal": "ann"}] * 2
        assert (first.total, first.more) == (3, True)
        second = sessions.list("team in ['red', 'blue']", properties=["*U"], limit=2, after="s2")
        assert [info.session_id for info in second.sessions] == ["s3"]
        assert (second.total, second.more) == (3, False)

    def test_d37_of_a_room_its_peers(self) -> None:
        _join("s2")
        assert [info.session_id for info in sessions.list(room="standup").sessions] == ["s2"]
        assert sessions.count(room="standup").total == 1
        assert sessions.list(room="nowhere").sessions == []

    def test_d42_sessions_and_people_are_counted_in_groups(self) -> None:
        counting = sessions.count(by=["team"])
        assert (counting.total, counting.people) == (3, 2)
        assert counting.groups == [Group({"team": "blue"}, 1, 1), Group({"team": "red"}, 2, 1)]
        assert sessions.count("has never").total == 0

    def test_d42_more_groups_than_an_answer_holds_are_refused(self) -> None:
        with patch.object(directory, "GROUPS", 2):
            assert len(sessions.count(by=["team"]).groups) == 2
            with pytest.raises(errors.LimitExceeded, match="too many groups"):
                sessions.count(by=["$SessionId"])

    def test_d30_properties_of_one(self) -> None:
        assert sessions.get_properties("s1", ["team", "$Country", "absent"]) == {"team": "red", "$Country": "FR"}
        everything = sessions.get_properties("s1")
        assert (
            everything.items()
            >= {"$SessionId": "s1", "$Principal": "ann", "$Roles": '"speaker"', "muted": "no"}.items()
        )

    def test_d30_one_that_is_not_open_is_unknown(self) -> None:
        for session_id in ("gone", "never", ""):
            with pytest.raises(errors.NoSuchSession):
                sessions.get_properties(session_id)

    def test_d34_a_bad_filter_is_refused_wherever_one_is_taken(self) -> None:
        bad = "team is"
        calls: list[Callable[[], Any]] = [
            lambda: sessions.list(bad),
            lambda: sessions.count(bad),
            lambda: sessions.set_properties({}, filter=bad),
            lambda: sessions.terminate(filter=bad),
            lambda: sessions.change_roles(add=["a"], filter=bad),
            lambda: sessions.send("e", filter=bad),
            lambda: sessions.observe_for("r", ["*"], filter=bad),
        ]
        for call in calls:
            with pytest.raises(errors.InvalidFilter):
                call()

    def test_p26_either_an_id_or_a_filter_is_named(self) -> None:
        calls: list[Callable[..., Any]] = [
            lambda **who: sessions.set_properties({"a": "1"}, **who),
            sessions.terminate,
            lambda **who: sessions.change_roles(add=["a"], **who),
            lambda **who: sessions.send("e", **who),
            lambda **who: sessions.observe_for("r", ["*"], **who),
        ]
        for call in calls:
            with pytest.raises(errors.InvalidParams):
                call()
            with pytest.raises(errors.InvalidParams):
                call(session_id="s1", filter="all")
            with pytest.raises(errors.NoSuchSession):
                call(session_id="gone")
        assert _properties("s1")["team"] == "red"

    async def test_every_method_has_its_asynchronous_twin(self) -> None:
        assert (await sessions.alist("team is 'red'")).total == 2
        assert (await sessions.acount()).people == 2
        assert await sessions.aget_properties("s2", ["team"]) == {"team": "red"}
        assert await sessions.aset_properties({"muted": "yes"}, filter="all") == 3
        assert await sessions.achange_roles(add=["a"], session_id="s2") == 1
        assert await sessions.asend("e", {"n": 1}, filter="all") == 2
        assert await sessions.aobserve_for("nowhere", ["*"], filter="all") == 0
        assert await sessions.aterminate(session_id="s2") == 1
        assert (await sessions.acount()).total == 2


# --- acting


class ActingOnSessions(TransactionTestCase):
    """Outside of a test's transaction; nobody else runs."""

    def setUp(self) -> None:
        _three()
        self.changed, self.closed = Heard(), Heard()
        session_changed.connect(self.changed)
        session_closed.connect(self.closed)

    def tearDown(self) -> None:
        session_changed.disconnect(self.changed)
        session_closed.disconnect(self.closed)

    def test_d31_properties_are_merged_and_those_of_the_server_are_left_alone(self) -> None:
        changes = {"team": None, "muted": "yes", "new": "", "$Country": "DE", "$Principal": "bo", "$Roles": '"x"'}
        assert sessions.set_properties(changes, session_id="s1") == 1
        assert _properties("s1") == {"muted": "yes", "new": "", "$Country": "DE"}
        assert sessions.get_properties("s1", ["$Principal", "$Roles"]) == {"$Principal": "ann", "$Roles": '"speaker"'}
        (told,) = self.changed.told
        assert told["changed_properties"] == {"team": "red", "muted": "no", "new": None, "$Country": "FR"}

    def test_d33_by_filter_all_that_match_are_meant_changed_or_not(self) -> None:
        assert sessions.set_properties({"team": "red"}, filter="all") == 3
        assert [told["session_id"] for told in self.changed.told] == ["s3"]
        assert sessions.set_properties({"team": "green"}, filter="has never") == 0

    def test_p27_a_refused_change_changes_nobody(self) -> None:
        refused: list[tuple[type[Exception], dict[str, str | None]]] = [
            (errors.InvalidKey, {"muted": "yes", "a b": "1"}),
            (errors.LimitExceeded, {"muted": "yes", "a": "x" * 1_025}),
            (errors.LimitExceeded, {"muted": "yes", **{f"k{n}": "" for n in range(64)}}),
        ]
        for error, changes in refused:
            with pytest.raises(error):
                sessions.set_properties(changes, filter="all")
        assert self.changed.told == []
        assert SessionEvent.objects.count() == 0

    def test_d34_sessions_are_ended_for_one_reason(self) -> None:
        assert sessions.terminate(filter="team is 'red'") == 2
        assert sessions.terminate(session_id="s3") == 1
        assert [(told["session_id"], told["reason"]) for told in self.closed.told] == [
            (session_id, "CLOSED_BY_CONTROLLER") for session_id in ("s1", "s2", "s3")
        ]
        assert sessions.count().total == 0
        with pytest.raises(errors.NoSuchSession):
            sessions.terminate(session_id="s3")

    def test_d40_roles_are_changed(self) -> None:
        assert sessions.change_roles(add=["host"], remove=["speaker"], filter="team is 'red'") == 2
        assert sessions.list("hasRoles 'host'").total == 2
        assert sessions.change_roles(add=["host"], session_id="s1") == 1
        assert [told["changed_properties"] for told in self.changed.told] == [{"$Roles": '"speaker"'}, {"$Roles": ""}]
        with pytest.raises(errors.InvalidParams):
            sessions.change_roles(session_id="s1")

    def test_d36_what_is_no_json_is_not_sent(self) -> None:
        for data in (float("nan"), object(), {"a": {1, 2}}, "\0"):
            with pytest.raises(errors.InvalidValue):
                sessions.send("e", cast(Any, data), filter="all")
        assert sessions.send("e", {"n": 1}, filter="all") == 2

    def test_d35_only_peers_of_the_room_are_made_to_observe(self) -> None:
        _join("s1", observed=["a"])
        assert sessions.observe_for("standup", ["hand/*", "a"], filter="all") == 1
        assert Membership.objects.get().observed == ["a", "hand/*"]
        with pytest.raises(errors.NoSuchSession):
            sessions.observe_for("standup", ["*"], session_id="s2")
        with pytest.raises(errors.InvalidParams):
            sessions.observe_for("standup", ["a*b"], filter="all")

    def test_a_room_narrows_every_act(self) -> None:
        _join("s2")
        assert sessions.set_properties({"muted": "yes"}, filter="all", room="standup") == 1
        assert sessions.change_roles(add=["host"], filter="all", room="standup") == 1
        assert sessions.send("e", filter="all", room="standup") == 1
        with pytest.raises(errors.NoSuchSession):
            sessions.terminate(session_id="s1", room="standup")
        assert sessions.terminate(filter="all", room="standup") == 1
        assert sessions.count().total == 2

    def test_p37_a_rollback_is_never_seen(self) -> None:
        with transaction.atomic():
            assert sessions.set_properties({"muted": "yes"}, session_id="s1") == 1
            assert sessions.change_roles(add=["host"], session_id="s1") == 1
            assert sessions.terminate(session_id="s2") == 1
            assert sessions.get_properties("s1", ["muted"]) == {"muted": "yes"}
            assert sessions.count().total == 2
            transaction.set_rollback(True)
        assert (self.changed.told, self.closed.told) == ([], [])
        assert _properties("s1")["muted"] == "no"
        assert sessions.list("hasRoles 'host'").total == 0
        assert sessions.count().total == 3
        assert SessionEvent.objects.count() == 0

    def test_p37_a_commit_is_told_once_and_then_only(self) -> None:
        with transaction.atomic():
            sessions.set_properties({"muted": "yes"}, session_id="s1")
            with transaction.atomic():
                sessions.terminate(session_id="s2")
            assert (self.changed.told, self.closed.told) == ([], [])
        assert [told["changed_properties"] for told in self.changed.told] == [{"muted": "no"}]
        assert [told["session_id"] for told in self.closed.told] == ["s2"]

    def test_p37_what_a_savepoint_took_back_is_not_told(self) -> None:
        with transaction.atomic():
            sessions.set_properties({"muted": "yes"}, session_id="s1")
            with transaction.atomic():
                sessions.terminate(session_id="s2")
                transaction.set_rollback(True)
        assert [told["session_id"] for told in self.changed.told] == ["s1"]
        assert self.closed.told == []
        assert sessions.count().total == 3

    def test_a_refusal_leaves_the_callers_transaction_usable(self) -> None:
        with transaction.atomic():
            with pytest.raises(errors.NoSuchSession):
                sessions.terminate(session_id="never")
            with pytest.raises(errors.LimitExceeded):
                sessions.set_properties({f"k{n}": "" for n in range(65)}, session_id="s1")
            sessions.set_properties({"muted": "yes"}, session_id="s1")
        assert _properties("s1")["muted"] == "yes"

    def test_threads_change_at_once_and_no_change_is_lost(self) -> None:
        failures: list[BaseException] = []

        def work(number: int) -> None:
            try:
                for turn in range(5):
                    sessions.set_properties({f"k{number}": str(turn)}, filter="all")
            except BaseException as error:  # handed to the test's thread
                failures.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert failures == []
        for session_id in ("s1", "s2", "s3"):
            assert _properties(session_id).items() >= {f"k{number}": "4" for number in range(4)}.items()
            revisions = SessionEvent.objects.filter(session_id=session_id).values_list("revision", flat=True)
            assert sorted(revisions) == list(range(2, 22))
        assert len(self.changed.told) == 60

    async def test_a_sync_call_in_async_code_is_refused_before_anything_happens(self) -> None:
        with pytest.raises(RuntimeError):
            sessions.set_properties({"muted": "yes"}, session_id="s1")
        assert (await sessions.aget_properties("s1", ["muted"])) == {"muted": "no"}


# --- in a server: sockets are told


@pytest.fixture
async def ann(running_hub: Hub) -> AsyncIterator[Client]:
    """A client in the room `standup` of this process's server."""
    process = Process.__new__(Process)
    process.hub, process.presence = running_hub, cast(Presence, running_hub.keeper)
    client = Client(process)
    await client.open()
    await client.join("standup")
    yield client
    await running_hub.settle()


async def _in_a_thread(view: Callable[[], T]) -> T:
    """As a sync view runs: in a thread without a loop, on a connection of its own."""

    def run() -> T:
        try:
            return view()
        finally:
            connection.close()

    return await asyncio.to_thread(run)


def _told(client: Client) -> list[str]:
    """What a client was told of itself, in the order told."""
    return [frame["method"] for frame in client.frames if frame.get("method", "").startswith("session.")]


async def test_d36_a_view_reaches_the_sockets_of_this_process(ann: Client) -> None:
    def view() -> None:
        assert sessions.set_properties({"muted": "yes"}, session_id=ann.id) == 1
        assert sessions.change_roles(add=["host"], session_id=ann.id) == 1
        assert sessions.send("hello", {"n": 1}, filter=f"$SessionId is '{ann.id}'") == 1
        assert sessions.observe_for("standup", ["hand/*"], session_id=ann.id) == 1

    await _in_a_thread(view)
    await ann.until(lambda: len(ann.heard("session.changed")) == 2, "both changes are told")
    assert [told["changed_properties"] for told in ann.heard("session.changed")] == [{"muted": None}, {"$Roles": ""}]
    assert ann.heard("session.changed")[1]["roles"] == ["host"]
    await ann.until(lambda: bool(ann.heard("session.message")), "the message comes")
    (message,) = ann.heard("session.message")
    assert (message["event"], message["data"], message["from"]) == ("hello", {"n": 1}, None)
    await _in_a_thread(lambda: sessions.terminate(session_id=ann.id))
    await ann.until(lambda: ann.closed_with is not None, "the socket is closed")
    assert ann.closed_with == 4011


async def test_d36_a_task_of_the_server_reaches_them_too(ann: Client) -> None:
    assert await sessions.aset_properties({"muted": "yes"}, session_id=ann.id) == 1
    assert await sessions.asend("hello", [1], session_id=ann.id) == 1
    await ann.until(lambda: bool(ann.heard("session.message")), "the message comes")
    assert _told(ann) == ["session.changed", "session.message"]


async def test_p37_sockets_are_told_nothing_of_what_is_rolled_back(ann: Client) -> None:
    def view() -> None:
        with transaction.atomic():
            sessions.set_properties({"muted": "yes"}, session_id=ann.id)
            assert sessions.send("never", session_id=ann.id) == 1
            sessions.observe_for("standup", ["never"], session_id=ann.id)
            sessions.terminate(session_id=ann.id)
            transaction.set_rollback(True)

    before = len(ann.frames)
    await _in_a_thread(view)
    # Behind whatever there might be.
    await sessions.asend("last", session_id=ann.id)
    await ann.until(lambda: bool(ann.heard("session.message")), "the last message comes")
    assert [frame["params"]["event"] for frame in ann.frames[before:]] == ["last"]
    assert ann.closed_with is None
    assert await sync_to_async(_properties)(ann.id) == {}


async def test_p37_sockets_are_told_once_it_is_committed(ann: Client) -> None:
    told: list[int] = []

    def view() -> None:
        with transaction.atomic():
            sessions.set_properties({"muted": "yes"}, session_id=ann.id)
            sessions.send("hello", session_id=ann.id)
            told.append(len(ann.frames))

    before = len(ann.frames)
    await _in_a_thread(view)
    assert told == [before]
    await ann.until(lambda: bool(ann.heard("session.message")), "the message comes")
    assert _told(ann) == ["session.changed", "session.message"]
