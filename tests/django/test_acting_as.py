"""`rooms.*(…, as_session=…)`: server code acts as a session, within that session's rights and no further (T6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction
from django.utils import timezone

from sessionstore_app import Key, errors, rooms
from sessionstore_app.models import Membership, Room, Session
from sessionstore_app.services.roomtypes import declaring
from sessionstore_app.signals import room_changed
from tests.support.kinds import kind
from tests.support.typed import Backstage, Stage

ROOM = "stage/1"
FORMER = "stage/2"
Act = Callable[..., Any]

pytestmark = pytest.mark.django_db(transaction=True)


def make(session_id: str, *roles: str, room: str = ROOM, creator: bool = False, **members: Any) -> str:
    """A session of another process, in a room as a peer of these roles."""
    session = Session.objects.create(id=session_id, **{"revision": 1, "node_id": "elsewhere", **members})
    if room:
        found, _ = Room.objects.get_or_create(name=room, defaults={"epoch": f"epoch-{room}"})
        Membership.objects.create(
            room=found, session=session, roles=list(roles), is_creator=creator, joined_at=timezone.now()
        )
    return session_id


@pytest.fixture(autouse=True)
def _stage() -> Iterator[None]:
    make("host", "host", principal="holly")
    make("guest", "guest", principal="gus")
    make("other", "guest", principal="olga")
    with declaring(Stage, Backstage):
        yield


@pytest.fixture(params=["sync", "async", "atomic"])
def act(request: pytest.FixtureRequest) -> Act:
    """Calls a method of `rooms` by name: in sync code, in async code, within a transaction."""

    def in_sync(method: str, *args: Any, **given: Any) -> Any:
        return getattr(rooms, method)(*args, **given)

    def in_async(method: str, *args: Any, **given: Any) -> Any:
        return async_to_sync(getattr(rooms, f"a{method}"))(*args, **given)

    def in_transaction(method: str, *args: Any, **given: Any) -> Any:
        with transaction.atomic():
            return in_sync(method, *args, **given)

    made: Act = {"sync": in_sync, "async": in_async, "atomic": in_transaction}[request.param]
    return made


# --- rights to write


def test_t6_a_role_in_the_room_lets_a_session_write(act: Act) -> None:
    assert act("set", ROOM, "spotlight", "guest", as_session="host").value == "guest"
    with pytest.raises(errors.AccessDenied) as refused:
        act("set", ROOM, "spotlight", "guest", as_session="guest")
    assert str(refused.value) == "You may not write spotlight in a Stage."
    assert rooms.get(ROOM, "spotlight") == "guest"


def test_others_are_told_that_the_session_wrote(act: Act) -> None:
    heard: list[Any] = []

    def hear(**told: Any) -> None:
        heard.extend(told["entries"])

    room_changed.connect(hear)
    try:
        act("set", ROOM, "count", 1, as_session="guest")
    finally:
        room_changed.disconnect(hear)
    (entry,) = heard
    assert (entry.by.session_id, entry.by.principal) == ("guest", "gus")


def test_t6_every_way_to_write_asks(act: Act) -> None:
    rooms.set(ROOM, "notes", "before")
    for method, given in (
        ("set", {"value": "x"}),
        ("delete", {}),
        ("update", {"do": "merge", "patch": "x"}),
    ):
        with pytest.raises(errors.AccessDenied):
            act(method, ROOM, "notes", **given, as_session="guest")
    items = [{"key": "count", "value": 5}, {"key": "notes", "value": "x"}]
    with pytest.raises(errors.AccessDenied):
        act("write", ROOM, items, as_session="guest")
    assert rooms.snapshot(ROOM) == {"notes": "before"}
    assert [entry.value for entry in act("write", ROOM, items, as_session="host")] == [5, "x"]


def test_t6_what_a_session_wrote_is_its_own_and_its_principals(act: Act) -> None:
    make("guest again", "guest", principal="gus")
    assert act("set", ROOM, "hand/1", 1, as_session="guest").version == 1
    with pytest.raises(errors.AccessDenied):
        act("set", ROOM, "hand/1", 2, as_session="other")
    assert act("set", ROOM, "hand/1", 3, as_session="guest again").by.session_id == "guest again"
    # Hosts may by their role; then it is theirs.
    act("set", ROOM, "hand/1", 4, as_session="host")
    with pytest.raises(errors.AccessDenied):
        act("delete", ROOM, "hand/1", as_session="guest")
    # The server is nobody's owner, and what it wrote is nobody's.
    rooms.set(ROOM, "hand/2", 1)
    with pytest.raises(errors.AccessDenied):
        act("set", ROOM, "hand/2", 2, as_session="guest")


def test_t6_sessions_of_nobody_in_particular_do_not_own_each_others(act: Act) -> None:
    make("one", "guest")
    make("two", "guest")
    act("set", ROOM, "hand/1", 1, as_session="one")
    with pytest.raises(errors.AccessDenied):
        act("set", ROOM, "hand/1", 2, as_session="two")


def test_t6_the_creator_of_the_room_has_its_rights(act: Act) -> None:
    make("creator", "guest", creator=True)
    assert act("set", ROOM, "title", "mine", as_session="creator").value == "mine"
    with pytest.raises(errors.AccessDenied):
        act("set", ROOM, "title", "mine", as_session="guest")


def test_t6_properties_of_the_session_count(act: Act) -> None:
    make("french", "guest", properties={"language": "fr"})
    make("english", "guest", properties={"language": "en"})
    assert act("set", ROOM, "motto", "vite", as_session="french").value == "vite"
    with pytest.raises(errors.AccessDenied):
        act("set", ROOM, "motto", "quick", as_session="english")


def test_t6_permissions_that_the_session_was_opened_with_count(act: Act) -> None:
    make("viewer", "guest", permissions=["view_session"])
    rooms.set(ROOM, "audit", {"joins": 1})
    assert act("get", ROOM, "audit", as_session="viewer") == {"joins": 1}
    with pytest.raises(errors.AccessDenied):
        act("get", ROOM, "audit", as_session="host")


def test_t6_a_role_everywhere_counts_in_the_room(act: Act) -> None:
    make("moderator", "guest", roles=["host"])
    assert act("set", ROOM, "notes", "x", as_session="moderator").value == "x"


def test_t6_a_role_in_another_room_does_not_count(act: Act) -> None:
    make("host of another", "host", room=FORMER)
    with pytest.raises(errors.NotJoined):
        act("set", ROOM, "count", 1, as_session="host of another")


# --- who may act at all


@pytest.mark.parametrize("session_id", ["nobody", "", "guest ", "GUEST", "guest%", "x" * 500, "gu\u00e9st"])
def test_a_session_that_there_is_not_does_nothing(act: Act, session_id: str) -> None:
    for method, *args in (
        ("set", "count", 1),
        ("get", "count"),
        ("snapshot",),
        ("peers",),
        ("clear",),
        ("delete", "count"),
    ):
        with pytest.raises(errors.NoSuchSession):
            act(method, ROOM, *args, as_session=session_id)


def test_a_closed_session_does_nothing(act: Act) -> None:
    make("gone", "host", state="CLOSED")
    for method, *args in (("set", "count", 1), ("get", "count"), ("broadcast", "cheer"), ("clear",)):
        with pytest.raises(errors.NoSuchSession):
            act(method, ROOM, *args, as_session="gone")


def test_a_session_that_waits_to_be_resumed_still_acts(act: Act) -> None:
    make("away", "host", state="DISCONNECTED")
    assert act("set", ROOM, "notes", "x", as_session="away").value == "x"


def test_a_session_that_is_not_in_the_room_does_nothing_there(act: Act) -> None:
    make("outside", room="")
    for room in (ROOM, "stage/new", "backstage/1", "of no type"):
        for method, *args in (
            ("set", "count", 1),
            ("get", "count"),
            ("get_entry", "count"),
            ("delete", "count"),
            ("write", [{"key": "count", "value": 1}]),
            ("snapshot",),
            ("peers",),
            ("broadcast", "cheer"),
        ):
            with pytest.raises(errors.NotJoined):
                act(method, room, *args, as_session="outside")
    assert not Room.objects.exclude(name=ROOM).exists()


def test_a_session_that_left_does_nothing_there(act: Act) -> None:
    Membership.objects.filter(session_id="host").update(left_at=timezone.now())
    with pytest.raises(errors.NotJoined):
        act("set", ROOM, "count", 1, as_session="host")


# --- reading


def test_t6_what_a_session_may_not_read_it_is_not_given(act: Act) -> None:
    rooms.write(ROOM, [{"key": "notes", "value": "secret"}, {"key": "count", "value": 1}])
    assert act("snapshot", ROOM, as_session="host") == {"notes": "secret", "count": 1}
    assert act("snapshot", ROOM, as_session="guest") == {"count": 1}
    assert act("snapshot", ROOM, ["no*"], as_session="guest") == {}
    for method, *args in (("get", "notes"), ("get_entry", "notes"), ("snapshot", ["notes"])):
        with pytest.raises(errors.AccessDenied):
            act(method, ROOM, *args, as_session="guest")


def test_t6_what_is_its_writers_is_given_to_its_writer(act: Act) -> None:
    act("set", ROOM, "question/1", "why?", as_session="guest")
    assert act("get", ROOM, "question/1", as_session="guest") == "why?"
    assert act("get_entry", ROOM, "question/1", as_session="host").value == "why?"
    assert act("snapshot", ROOM, as_session="other") == {}
    with pytest.raises(errors.AccessDenied):
        act("get", ROOM, "question/1", as_session="other")
    assert act("get", ROOM, "question/2", as_session="other") is None


def test_t6_an_answer_to_a_write_tells_nothing_that_may_not_be_read(act: Act) -> None:
    act("set", ROOM, "ballot/1", True, as_session="guest")
    with pytest.raises(errors.VersionConflict) as refused:
        act("set", ROOM, "ballot/1", True, if_version=0, as_session="other")
    assert refused.value.current is None
    with pytest.raises(errors.VersionConflict) as told:
        act("set", ROOM, "ballot/1", True, if_version=0, as_session="host")
    assert told.value.current is not None


def test_what_has_no_value_reads_as_the_types_default_a_new_one_each_time(act: Act) -> None:
    for as_session in (None, "guest"):
        assert act("get", ROOM, "count", as_session=as_session) == 10
        first = act("get", ROOM, "pinned", as_session=as_session)
        assert first == []
        first.append("mine")
        assert act("get", ROOM, "pinned", as_session=as_session) == []
    assert act("get_entry", ROOM, "count").value is None
    assert act("snapshot", ROOM) == {}
    rooms.set(ROOM, "count", 0)
    assert act("get", ROOM, "count") == 0
    rooms.delete(ROOM, "count")
    assert act("get", ROOM, "count") == 10


def test_a_default_is_read_in_a_room_that_there_is_not(act: Act) -> None:
    assert act("get", "stage/never", "title") == "untitled"
    assert act("get", "of no type", "title") is None
    assert not Room.objects.filter(name="stage/never").exists()


def test_a_transaction_reads_what_it_wrote_as_whoever_wrote_it() -> None:
    with transaction.atomic():
        rooms.set(ROOM, "question/1", "why?", as_session="guest")
        assert rooms.get(ROOM, "question/1", as_session="guest") == "why?"
        assert rooms.get(ROOM, "count", as_session="guest") == 10
        make("new", "host")
        assert rooms.update(ROOM, "count", do="increment", as_session="new").value == 11
        with pytest.raises(errors.AccessDenied):
            rooms.set(ROOM, "question/1", "x", as_session="other")
        transaction.set_rollback(True)
    assert rooms.get(ROOM, "question/1") is None
    assert rooms.get(ROOM, "count") == 10
    with pytest.raises(errors.NoSuchSession):
        rooms.get(ROOM, "count", as_session="new")


# --- everything else


def test_t6_only_those_the_type_names_speak_to_all_and_empty_the_store(act: Act) -> None:
    make("speaker", "speaker")
    act("broadcast", ROOM, "cheer", as_session="speaker")
    with pytest.raises(errors.AccessDenied):
        act("broadcast", ROOM, "cheer", as_session="guest")
    rooms.set(ROOM, "count", 1)
    for name in ("speaker", "guest"):
        with pytest.raises(errors.AccessDenied):
            act("clear", ROOM, as_session=name)
    assert act("clear", ROOM, as_session="host")
    assert rooms.snapshot(ROOM) == {}


def test_t6_only_those_the_type_names_see_peers(act: Act) -> None:
    make("viewer", room="backstage/1", permissions=["view_session"])
    make("crew", "crew", room="backstage/1")
    assert [peer.session_id for peer in act("peers", "backstage/1", as_session="crew")] == ["crew", "viewer"]
    with pytest.raises(errors.AccessDenied):
        act("peers", "backstage/1", as_session="viewer")


def test_a_room_of_no_type_is_emptied_by_those_who_manage_rooms(act: Act) -> None:
    make("member", room="plain")
    make("manager", room="", permissions=["manage_room"])
    rooms.set("plain", "k", 1)
    with pytest.raises(errors.AccessDenied):
        act("clear", "plain", as_session="member")
    assert act("clear", "plain", as_session="manager")


def test_t6_who_manages_rooms_passes_over_rights_and_never_over_types_and_limits(act: Act) -> None:
    make("manager", room="", permissions=["manage_room"])
    for as_session in ("manager", None):
        assert act("set", ROOM, "notes", "x", as_session=as_session).value == "x"
        assert act("set", ROOM, "audit", {"n": 1}, as_session=as_session).value == {"n": 1}
        for key, value, error in (
            ("notes", 5, errors.InvalidValue),
            ("motto", "x" * 19, errors.ValueTooLarge),
            ("spotlight", "nobody", errors.InvalidValue),
            ("cuont", 1, errors.InvalidKey),
            ("pinned", [{"id": str(n)} for n in range(4)], errors.InvalidValue),
        ):
            with pytest.raises(error):
                act("set", ROOM, key, value, as_session=as_session)
    for number in range(5):
        rooms.set("backstage/1", f"k{number}", 1)
    for as_session in ("manager", None):
        with pytest.raises(errors.TooManyKeys):
            act("set", "backstage/1", "one more", 1, as_session=as_session)
        with pytest.raises(errors.ValueTooLarge):
            act("set", "backstage/1", "k1", "x" * 199, as_session=as_session)


SIZED = kind("Sized", "sized/*", big=Key(str, value_bytes=5_000), topic=Key(str), log=Key(list[str]))


def test_t10_a_key_that_may_be_large_lets_no_other_of_the_same_write_be_so(act: Act) -> None:
    with declaring(SIZED):
        large = "x" * 2_000
        assert act("set", "sized/1", "big", large).value == large
        for key in ("topic", "log"):
            value = large if key == "topic" else [large]
            with pytest.raises(errors.ValueTooLarge) as refused:
                act("write", "sized/1", [{"key": "big", "value": "x"}, {"key": key, "value": value}])
            assert refused.value.limit == 1_024
        items = [{"key": "big", "value": large}, {"key": "topic", "value": "x"}]
        assert [entry.version for entry in act("write", "sized/1", items)] == [2, 2]


def test_what_a_session_writes_dies_with_it_where_the_key_says_so(act: Act) -> None:
    assert act("set", ROOM, "hand/1", 1, as_session="guest").owner == "guest"
    assert act("set", ROOM, "hand/2", 1).owner is None
    assert act("set", ROOM, "spotlight", "other", as_session="host").owner == "other"
    with pytest.raises(errors.InvalidValue):
        act("update", ROOM, "spotlight", do="merge", patch="other", as_session="host")


BEFORE = kind("Changed", "changed/*", notes=Key(str, read="host", write="host"))
AFTER = kind("Changed", "changed/*", topic=Key(str))


def test_t6_what_an_earlier_type_kept_from_somebody_is_kept_from_it_still(act: Act) -> None:
    make("here", room="changed/1")
    with declaring(BEFORE):
        rooms.set("changed/1", "notes", "secret")
    with declaring(AFTER):
        assert act("snapshot", "changed/1", as_session="here") == {}
        for method, *args in (("get", "notes"), ("delete", "notes"), ("set", "notes", None)):
            with pytest.raises(errors.InvalidKey):
                act(method, "changed/1", *args, as_session="here")
        assert act("get", "changed/1", "notes") == "secret"
        assert act("delete", "changed/1", "notes").value is None
        assert act("snapshot", "changed/1") == {}
