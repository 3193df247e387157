"""Each check passes a history in which all went well, and fails each kind of history that it is there to find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.driver.final import Lag, RoomView, Standing, Stay
from tests.chaos.driver.history import FaultRecord, Measured, Opened, Operation, Seen
from tests.chaos.driver.invariants import CHECKS, check
from tests.chaos.driver.invariants.epochs import Epochs
from tests.chaos.driver.invariants.sessions import i10_rooms_are_cleared_once
from tests.chaos.driver.invariants.stores import Call, is_linearizable
from tests.chaos.driver.invariants.violation import Check
from tests.chaos.driver.staff import STAFF_ROOM
from tests.chaos.stories import ANN, BO, EPOCH, HALL, Story, session_row

Spoil = Callable[[Story], object]


@pytest.fixture
def story() -> Story:
    return Story()


def test_there_is_a_check_for_each_invariant() -> None:
    assert [each.__name__.split("_")[0] for each in CHECKS] == [f"i{number}" for number in range(1, 17)]


@pytest.mark.parametrize("invariant", CHECKS, ids=lambda each: each.__name__)
def test_a_good_history_passes(invariant: Check, story: Story) -> None:
    assert invariant(story.history, story.final) == []


# --- how a story is spoilt


def _hold(story: Story, key: str, value: Any, version: int) -> None:
    """At the end a key holds this; at version 0, nothing."""
    room = story.final.rooms[HALL]
    others = tuple(entry for entry in room.entries if entry.key != key)
    room.entries = (*others, Seen(key=key, value=value, version=version, by=ANN)) if version else others


def _count(story: Story, value: int) -> None:
    _hold(story, "count", value, 4)


def _refuse(story: Story) -> None:
    (operation,) = [each for each in story.history.operations if each.values == {"k": "b1"}]
    operation.outcome = "refused"


def _again(story: Story, epoch: str) -> None:
    story.tell("bo", "cleared", epoch="e0")
    story.tell("bo", "changed", epoch=epoch)


def _earlier(story: Story, version: int) -> None:
    """A last write that is answered with an earlier version."""
    story.operation("bo", "room.set", room=HALL, key="new", values={"new": "n"}, entries=(_new(version),))


def _new(version: int) -> Seen:
    return Seen(key="new", value="n", version=version, by=BO)


def _guard(story: Story, if_version: int, version: int) -> None:
    entry = Seen(key="k", value="late", version=version, by=BO)
    story.operation("bo", "room.set", room=HALL, key="k", values={"k": "late"}, if_version=if_version, entries=(entry,))


def _skip(story: Story) -> None:
    """Bo is told of a later version, and never of one in between."""
    told = story.history.told
    told.remove(next(each for each in told if each.client == "bo" and each.version == 5))


def _join_without(story: Story, key: str) -> None:
    entries = [entry for entry in story.held.values() if entry.key != key]
    story.tell("bo", "joined", *entries, whole=True, asked=story.at)


def _see_else(story: Story, who: str) -> None:
    room = story.final.rooms[HALL]
    other = RoomView(epoch=EPOCH, version=1, values={})
    (room.clients if who in room.clients else room.http)[who] = other
    del story.history.marks["converged"]


def _row(story: Story, *states: tuple[str, float], **what: Any) -> None:
    story.final.sessions[0] = session_row(ANN, *states, **what)


def _leave_between(story: Story) -> None:
    """Both leave and come back; the room is not cleared."""
    story.final.stays = [
        Stay(room=HALL, session=ANN, joined_at=0.9, left_at=2),
        Stay(room=HALL, session=BO, joined_at=3, left_at=None),
    ]
    story.tell("bo", "joined", at=3.1, asked=3.0)


def _private(story: Story, method: str, **what: Any) -> None:
    story.operation("v", method, room=ANN, key="cart", **what)


def _staff(story: Story, **what: Any) -> None:
    """Bo writes where the role that was taken from it lets one."""
    taken = next(each for each in story.history.operations if each.do == "remove")
    story.operation("bo", "room.set", room=STAFF_ROOM, key="m", **{"start": taken.finished + 1.4, **what})
    story.history.operations[-1].end = story.history.operations[-1].start + 0.1


def _told_of_staff(story: Story) -> None:
    taken = next(each for each in story.history.operations if each.do == "remove")
    story.tell("bo", "changed", room=STAFF_ROOM, epoch="s1", at=taken.finished + 1.4)


def _load(story: Story, at: float, result: Any) -> None:
    made = next(each for each in story.history.operations if each.method == "site.create")
    story.operation("office", "site.load", key="u", start=made.start + at, end=made.start + at + 0.01, result=result)


_BAD: dict[str, tuple[str, Spoil]] = {
    "I1 a key is gone": ("there is none", lambda story: _hold(story, "k", None, 0)),
    "I1 a key is old": ("it holds 1", lambda story: _hold(story, "k", "a1", 1)),
    "I1 a version has another value": ("another value", lambda story: _hold(story, "k", "else", 2)),
    "I1 a version is nobody's": ("nobody", lambda story: _hold(story, "k", "ghost", 99)),
    "I1 an increment is lost": ("increments", lambda story: _count(story, 1)),
    "I1 an increment counted twice": ("increments", lambda story: _count(story, 3)),
    "I1 an item is lost": ("lacks x", lambda story: _hold(story, "list", [], 5)),
    "I1 an item is there twice": ("twice", lambda story: _hold(story, "list", [{"id": "x"}] * 2, 5)),
    "I1 a member is lost": ("doc", lambda story: _hold(story, "doc", {}, 6)),
    "I1 a refused write is there": ("refused", _refuse),
    "I2 a key goes back": (
        "back from 2",
        lambda story: story.tell("bo", "changed", Seen(key="k", value="a1", version=1)),
    ),
    "I2 an epoch comes back": ("again", lambda story: _again(story, EPOCH)),
    "I2 a version has two values": (
        "two values",
        lambda story: story.tell("bo", "changed", Seen(key="k", value="else", version=2)),
    ),
    "I3 a write is before an earlier one": ("came after", lambda story: _earlier(story, 3)),
    "I3 a read is older than a write": (
        "came after",
        lambda story: story.operation(
            "bo", "room.get", room=HALL, key="k", entries=(Seen(key="k", value="a1", version=1, by=ANN),)
        ),
    ),
    "I4 two succeed one version": ("two guarded", lambda story: _guard(story, 1, 3)),
    "I4 something lay between": ("lay between", lambda story: _guard(story, 1, 20)),
    "I4 there was a value": ("there was one", lambda story: _guard(story, 0, 20)),
    "I4 two hold a lock": ("one sequence", lambda story: story.operation("bo", "lock.acquire", key=HALL, fence=1)),
    "I4 a lock's sequence goes back": (
        "came after",
        lambda story: story.operation("ann", "lock.acquire", key=HALL, fence=1),
    ),
    "I4 a fence does not hold": ("earlier lock", lambda story: story.set("ann", "locked", "late", fence=1)),
    "I5 an increment did not count": (
        "did not count",
        lambda story: story.write("ann", "room.update", "count", 2, do="increment"),
    ),
    "I5 a read is old": ("private store", lambda story: _private(story, "private.get", result=None)),
    "I6 somebody is not back": ("not back", lambda story: story.history.marks.pop("connected")),
    "I6 a client sees something else": ("ann sees", lambda story: _see_else(story, "ann")),
    "I6 HTTP shows something else": ("server 0 sees", lambda story: _see_else(story, "server 0")),
    "I6 it takes too long": ("it took", lambda story: story.history.marks.update(converged=story.at)),
    "I6 somebody connected is behind": (
        "ann was behind in hall",
        lambda story: setattr(story.final, "lag", Lag(2.1, HALL, "ann")),
    ),
    "I6 somebody goes again": ("not all stayed", lambda story: story.history.marks.pop("converged")),
    "I7 a change is left out": ("not of list", _skip),
    "I7 a joiner is not told a key": ("without k", lambda story: _join_without(story, "k")),
    "I8 too many keys": (
        "11 keys",
        lambda story: story.history.measured.append(Measured(at=3, room=HALL, keys=11, size_bytes=9)),
    ),
    "I8 too many bytes": (
        "1001 bytes",
        lambda story: story.history.measured.append(Measured(at=3, room=HALL, keys=1, size_bytes=1_001)),
    ),
    "I8 somebody is told too many keys": (
        "was told 11",
        lambda story: story.tell(
            "bo", "joined", *(Seen(key=f"f{number}", value=1, version=1) for number in range(11)), whole=True
        ),
    ),
    "I9 it does not close": ("did not close", lambda story: _row(story, ("ACTIVE", 0.5))),
    "I9 it closes twice": (
        "did not close once",
        lambda story: _row(story, ("ACTIVE", 0.5), ("CLOSED", 3), ("CLOSED", 4)),
    ),
    "I9 it goes on after its end": (
        "did not close once",
        lambda story: _row(story, ("ACTIVE", 0.5), ("CLOSED", 3), ("RECONNECTED", 4)),
    ),
    "I9 it opens twice": ("did not open once", lambda story: _row(story, ("ACTIVE", 0), ("ACTIVE", 1), ("CLOSED", 2))),
    "I9 it has no reason": ("reason", lambda story: _row(story, ("ACTIVE", 0.5), ("CLOSED", 3), reason="")),
    "I9 it is not recorded": ("not recorded", lambda story: story.final.sessions.pop()),
    "I9 a revision is missing": (
        "revisions",
        lambda story: story.final.sessions.append(replace(session_row("s", ("ACTIVE", 0), ("CLOSED", 1)), revision=3)),
    ),
    "I9 a listener hears an end twice": ("this order", lambda story: story.hear(ANN, "CLOSED", 2)),
    "I9 a listener hears an end that is none": ("not recorded", lambda story: story.hear(ANN, "CLOSED", 9)),
    "I9 a listener misses something": (
        "not told",
        lambda story: _row(story, ("ACTIVE", 0.5), ("DISCONNECTED", 3), ("CLOSED", 4)),
    ),
    "I10 a room is cleared under somebody": (
        "while somebody",
        lambda story: story.tell("bo", "joined", epoch="e3", asked=story.at - 5, at=story.at - 5),
    ),
    "I10 a room that was left is not cleared": ("not cleared", _leave_between),
    "I10 a room is not cleared at the end": (
        "not cleared",
        lambda story: story.final.emptied.update({HALL: (EPOCH, EPOCH, 16.0)}),
    ),
    "I10 a write is in two epochs": (
        "two epochs",
        lambda story: story.tell("bo", "changed", Seen(key="k", value="b1", version=1), epoch="e3"),
    ),
    "I11 somebody is a ghost": ("not connected", lambda story: story.final.rooms[HALL].live.discard(ANN)),
    "I11 somebody goes again": ("not all stayed", lambda story: story.history.marks.pop("rosters")),
    "I11 somebody is not shown": ("does not show", lambda story: story.final.rooms[HALL].roster.pop(ANN)),
    "I12 a store shows another's": (
        "shows",
        lambda story: _private(story, "private.get", result=f"canary-{BO}-1"),
    ),
    "I12 a store shows another's seed": (
        "shows",
        lambda story: _private(story, "private.items", result={"seed": "canary-bo"}),
    ),
    "I12 a store outlives its session": (
        "has ended",
        lambda story: story.final.left_stores.update({ANN: "that it holds 1"}),
    ),
    "I13 it writes without its role": ("wrote", _staff),
    "I13 it is told without its role": ("was told", _told_of_staff),
    "I14 it is read after its end": ("after its end", lambda story: _load(story, 3.2, {"u": {}})),
    "I14 it is gone before its end": ("before its end", lambda story: _load(story, 2.5, {})),
    "I15 files stay open": (
        "files",
        lambda story: setattr(story.final, "after", {"server 0": Standing(files=60, threads=5)}),
    ),
    "I15 threads stay": (
        "threads",
        lambda story: setattr(story.final, "after", {"server 0": Standing(files=20, threads=50)}),
    ),
    "I16 a traceback": (
        "traceback",
        lambda story: story.final.logs.update(a="Traceback (most recent call last):\n  File 1\nKeyError: 1\n"),
    ),
    "I16 a value in a log": ("shows a value", lambda story: story.final.logs.update(a="refused: canary-bo-7")),
}


@pytest.mark.parametrize("what", _BAD)
def test_a_bad_history_fails(what: str, story: Story) -> None:
    text, spoil = _BAD[what]
    spoil(story)
    found = [(violation.invariant, violation.text) for violation in check(story.history, story.final)]
    invariant = what.split()[0]
    assert any(name == invariant and text in said for name, said in found), found


# --- what excuses something


def test_a_write_of_which_nobody_knows_may_be_there(story: Story) -> None:
    story.operation("bo", "room.set", room=HALL, key="k", values={"k": "late"}, outcome="unknown")
    _hold(story, "k", "late", 20)
    assert not [each for each in check(story.history, story.final) if each.invariant == "I1"]


def test_what_redis_was_told_to_forget_is_no_loss(story: Story) -> None:
    story.history.faults.append(FaultRecord(kind="RedisFlush", target="redis", start=1.05, end=1.1))
    _hold(story, "k", None, 0)
    assert not [each for each in check(story.history, story.final) if each.invariant == "I1"]


def test_a_room_must_not_go_on_under_what_redis_has_forgotten(story: Story) -> None:
    story.history.faults.append(FaultRecord(kind="RedisFlush", target="redis", start=story.at, end=story.at + 0.1))
    (found,) = [each for each in check(story.history, story.final) if each.invariant == "I1"]
    assert "goes on under an epoch" in found.text


def test_in_the_database_nothing_is_excused_by_redis(story: Story) -> None:
    story.final.is_durable = True
    story.history.faults.append(FaultRecord(kind="RedisFlush", target="redis", start=1.05, end=1.1))
    _hold(story, "k", None, 0)
    assert [each for each in check(story.history, story.final) if each.invariant == "I1"]


def test_a_revoked_right_may_last_as_long_as_a_fault(story: Story) -> None:
    taken = next(each for each in story.history.operations if each.do == "remove")
    story.history.faults.append(
        FaultRecord(kind="RedisPause", target="redis", start=taken.start, end=taken.finished + 1)
    )
    _staff(story)
    assert not [each for each in check(story.history, story.final) if each.invariant == "I13"]


def test_who_came_back_as_somebody_else_may_have_asked_twice(story: Story) -> None:
    (operation,) = [each for each in story.history.operations if each.values == {"k": "b1"}]
    at = operation.start + 0.05
    story.history.opened.append(Opened(at=at, client="bo", socket=2, session=BO, is_resumed=False, server="n"))
    story.tell("bo", "changed", Seen(key="k", value="b1", version=1), epoch="e3")
    assert not [each for each in check(story.history, story.final) if "two epochs" in each.text]


# --- the search for an order


def _calls(*calls: tuple[float, float, str, Any]) -> list[Call]:
    return [Call(start, end, what == "set", value) for start, end, what, value in calls]


def test_calls_at_once_may_have_been_in_any_order() -> None:
    assert is_linearizable(_calls((0, 9, "set", 1), (0, 9, "set", 2), (10, 11, "get", 1)))
    assert is_linearizable(_calls((0, 9, "set", 1), (1, 2, "get", None), (3, 4, "get", 1)))


def test_calls_one_after_the_other_may_not() -> None:
    assert not is_linearizable(_calls((0, 1, "set", 1), (2, 3, "set", 2), (4, 5, "get", 1)))
    assert not is_linearizable(_calls((0, 9, "set", 1), (1, 2, "get", 1), (3, 4, "get", None)))


def test_a_call_without_an_answer_may_happen_late_or_never() -> None:
    unsure = Call(0, float("inf"), True, 1, must_happen=False)
    assert is_linearizable([unsure, *_calls((1, 2, "get", None), (3, 4, "get", 1))])
    assert is_linearizable([unsure, *_calls((1, 2, "get", None))])
    assert not is_linearizable([unsure, *_calls((1, 2, "get", 1), (3, 4, "get", None))])


# --- in which epoch


def test_the_same_entry_of_an_earlier_epoch_is_not_taken_for_a_write(story: Story) -> None:
    """A counter begins anew in each epoch: its first step looks the same in all of them."""
    story.tell("ann", "changed", Seen(key="count", value=1, version=1, by=BO), epoch="e0", at=0.7)
    entry = Seen(key="count", value=1, version=1, by=BO)
    again = story.operation("bo", "room.update", room=HALL, key="count", do="increment", entries=(entry,))
    again.start, again.end = 0.4, 0.6
    assert Epochs(story.history, story.final).of(again) == "e0"
    again.start, again.end = 0.8, 0.85
    assert Epochs(story.history, story.final).of(again) == ""


def test_the_same_entry_of_a_later_epoch_is_not_taken_for_a_write(story: Story) -> None:
    """One that nobody was told of, as in a store that Redis lost; between it and the one that looks the same lies
    another epoch, which outlasted it.
    """
    entry = Seen(key="count", value=1, version=2, by=BO)
    lost = story.operation("bo", "room.update", room=HALL, key="count", do="increment", entries=(entry,))
    lost.start, lost.end = 100.0, 100.1
    story.tell("ann", "changed", entry, epoch="e-later", at=102.0)
    assert Epochs(story.history, story.final).of(lost) == "e-later"
    story.tell("ann", "joined", epoch="e-between", at=101.0, asked=100.9)
    assert Epochs(story.history, story.final).of(lost) != "e-later"


# --- in two epochs


def _asked_in_two_epochs(story: Story) -> Operation:
    """Bo's write is told in a later epoch too."""
    story.tell("bo", "changed", Seen(key="k", value="b1", version=1), epoch="e3")
    (asked,) = [each for each in story.history.operations if each.values == {"k": "b1"}]
    return asked


def _visit(story: Story, at: float, room: str = HALL, session: str = BO) -> None:
    """A session leaves a room and enters it again."""
    stays = [each for each in story.final.stays if (each.room, each.session) == (room, session)]
    for stay in stays:
        story.final.stays.remove(stay)
        story.final.stays.append(replace(stay, left_at=at - 0.001))
    story.final.stays.append(Stay(room=room, session=session, joined_at=at, left_at=None))


def test_who_came_back_to_a_room_may_ask_again_for_what_was_not_answered(story: Story) -> None:
    """The room was cleared in between, and has forgotten the number of the write."""
    asked = _asked_in_two_epochs(story)
    _visit(story, asked.start + 0.05)
    assert i10_rooms_are_cleared_once(story.history, story.final) == []


@pytest.mark.parametrize(
    ("late", "where"),
    [(0.05, {"room": "desk"}), (0.05, {"session": ANN}), (0.15, {}), (-0.05, {})],
    ids=["another room", "another session", "once it is answered", "before it is asked"],
)
def test_no_other_return_excuses_a_write_in_two_epochs(story: Story, late: float, where: dict[str, str]) -> None:
    asked = _asked_in_two_epochs(story)
    _visit(story, asked.start + late, **where)
    (found,) = i10_rooms_are_cleared_once(story.history, story.final)
    assert "two epochs" in found.text


def test_leaving_alone_does_not_excuse_a_write_in_two_epochs(story: Story) -> None:
    asked = _asked_in_two_epochs(story)
    story.final.stays = [
        replace(stay, left_at=asked.start + 0.05) if stay.session == BO else stay for stay in story.final.stays
    ]
    assert [each.text for each in i10_rooms_are_cleared_once(story.history, story.final) if "two" in each.text]
