"""One socket from the server's side: order, and what a peer that cannot keep up is spared."""

from __future__ import annotations

import asyncio

import pytest

from sessionstore_app.core.close import CloseReason
from sessionstore_app.services.connection import HOPELESS, Connection
from tests.unit.services.conftest import LIMIT
from tests.unit.services.fakes import FakeHub, FakeSend, change, told


def fall_behind(bo: Connection, hub: FakeHub) -> int:
    """Send more than may be unacknowledged; returns how many bytes were sent."""
    bo.put("x" * (LIMIT + 1))
    hub.tick()
    assert bo.is_behind
    return LIMIT + 1


# --- order


def test_frames_leave_in_order_at_the_end_of_the_tick(bo: Connection, hub: FakeHub, send: FakeSend) -> None:
    bo.put("1")
    bo.put("2")
    assert send.sent == []
    assert hub.touched == [bo]
    hub.tick()
    assert send.sent == ["1", "2"]


def test_a_client_that_understands_it_is_sent_one_frame_a_tick(bo: Connection, hub: FakeHub, send: FakeSend) -> None:
    bo.batches = True
    bo.put('{"a":1}')
    hub.tick()
    bo.put('{"b":1}')
    bo.put('{"c":1}')
    hub.tick()
    assert send.sent == ['{"a":1}', '[{"b":1},{"c":1}]']


async def test_frames_put_while_a_send_waits_leave_after_it_in_order(
    bo: Connection, hub: FakeHub, send: FakeSend
) -> None:
    gate = send.hold()
    for text in ("1", "2"):
        bo.put(text)
    hub.tick()
    bo.put("3")
    hub.tick()
    assert send.sent == ["1"]
    gate.set()
    await hub.settle()
    assert send.sent == ["1", "2", "3"]


def test_what_is_put_while_corked_leaves_behind_the_first_frame(bo: Connection, hub: FakeHub, send: FakeSend) -> None:
    bo.cork()
    bo.put("pushed")
    hub.tick()
    assert send.sent == []
    bo.uncork("reply")
    hub.tick()
    assert send.sent == ["reply", "pushed"]


def test_uncorking_without_a_first_frame_sends_what_waits(bo: Connection, hub: FakeHub, send: FakeSend) -> None:
    bo.cork()
    bo.put("pushed")
    bo.uncork(None)
    hub.tick()
    assert send.sent == ["pushed"]


# --- conflation


async def test_p32_while_a_send_waits_only_the_newest_of_each_key_is_kept(
    bo: Connection, hub: FakeHub, send: FakeSend
) -> None:
    gate = send.hold()
    change(bo, 1)
    hub.tick()
    for version in range(2, 6):
        change(bo, version)
    change(bo, 6, "b")
    change(bo, 7, "c", room="other")
    gate.set()
    await hub.settle()
    assert told(send.sent) == [("r", 1, [("a", 1)]), ("r", 6, [("a", 5), ("b", 6)]), ("other", 7, [("c", 7)])]
    assert not bo.is_behind


async def test_t13_what_a_stalled_peer_waits_for_does_not_grow_with_changes(
    bo: Connection, hub: FakeHub, send: FakeSend
) -> None:
    gate = send.hold()
    change(bo, 1)
    hub.tick()
    for version in range(2, 2_000):
        change(bo, version)
    assert not bo.is_crowded
    gate.set()
    await hub.settle()
    assert len(send.sent) == 2


def test_t13_beyond_the_unacknowledged_limit_changes_are_kept_back(
    bo: Connection, hub: FakeHub, send: FakeSend
) -> None:
    fall_behind(bo, hub)
    change(bo, 1)
    change(bo, 2)
    hub.tick()
    assert told(send.sent) == []


def test_exactly_the_limit_unacknowledged_is_not_too_much(bo: Connection, hub: FakeHub, send: FakeSend) -> None:
    bo.put("é" * (LIMIT // 2))
    hub.tick()
    assert not bo.is_behind
    bo.put("x")
    hub.tick()
    assert bo.is_behind


def test_an_ack_drains_the_newest_of_each_key(bo: Connection, hub: FakeHub, send: FakeSend) -> None:
    sent_bytes = fall_behind(bo, hub)
    for version, key in enumerate("aba", start=1):
        change(bo, version, key)
    bo.ack(sent_bytes)
    hub.tick()
    assert told(send.sent) == [("r", 3, [("a", 3), ("b", 2)])]
    change(bo, 4)
    hub.tick()
    assert told(send.sent)[-1] == ("r", 4, [("a", 4)])


def test_an_ack_that_leaves_too_much_drains_nothing(bo: Connection, hub: FakeHub, send: FakeSend) -> None:
    bo.put("x" * 3 * LIMIT)
    hub.tick()
    change(bo, 1)
    bo.ack(LIMIT)
    hub.tick()
    assert told(send.sent) == []


def test_replies_and_heartbeats_pass_a_peer_that_is_behind(bo: Connection, hub: FakeHub, send: FakeSend) -> None:
    fall_behind(bo, hub)
    change(bo, 1)
    bo.put("reply")
    bo.beat("beat")
    hub.tick()
    assert send.sent[1:] == ["reply", "beat"]


@pytest.mark.parametrize("claimed", [10**9, -5, 0])
def test_an_ack_cannot_lie_to_its_advantage(bo: Connection, hub: FakeHub, send: FakeSend, claimed: int) -> None:
    bo.ack(claimed)
    fall_behind(bo, hub)
    bo.ack(0)
    assert bo.is_behind


def test_an_ack_does_not_go_back(bo: Connection, hub: FakeHub) -> None:
    sent_bytes = fall_behind(bo, hub)
    bo.ack(sent_bytes)
    bo.ack(1)
    assert not bo.is_behind


def test_a_client_that_cannot_ack_is_never_behind_for_lack_of_acks(
    bo: Connection, hub: FakeHub, send: FakeSend
) -> None:
    bo.wants_heartbeat = False
    bo.put("x" * 10 * LIMIT)
    hub.tick()
    change(bo, 1)
    bo.beat("beat")
    hub.tick()
    assert told(send.sent) == [("r", 1, [("a", 1)])]
    assert "beat" not in send.sent
    assert bo.unanswered == 0


def test_what_was_noted_of_a_cleared_room_is_not_told(bo: Connection, hub: FakeHub, send: FakeSend) -> None:
    sent_bytes = fall_behind(bo, hub)
    change(bo, 1)
    change(bo, 1, "b", room="other")
    bo.forget_behind("r")
    bo.forget_behind("unknown")
    bo.ack(sent_bytes)
    hub.tick()
    assert told(send.sent) == [("other", 1, [("b", 1)])]


def test_forgetting_without_anything_noted_is_harmless(bo: Connection) -> None:
    bo.forget_behind("r")
    assert not bo.is_behind


def test_p8_a_new_epoch_replaces_what_was_noted_of_the_old(bo: Connection, hub: FakeHub, send: FakeSend) -> None:
    sent_bytes = fall_behind(bo, hub)
    change(bo, 9, "old")
    change(bo, 1, "new", epoch="e2")
    bo.ack(sent_bytes)
    hub.tick()
    assert told(send.sent) == [("r", 1, [("new", 1)])]


def test_a_peer_with_nothing_noted_any_more_is_told_at_once(bo: Connection, hub: FakeHub, send: FakeSend) -> None:
    sent_bytes = fall_behind(bo, hub)
    change(bo, 1)
    bo.forget_behind("r")
    bo.put_unstored("snapshot")
    hub.tick()
    bo.ack(sent_bytes + len("snapshot"))
    change(bo, 2)
    hub.tick()
    assert send.sent[1] == "snapshot"
    assert told(send.sent) == [("r", 2, [("a", 2)])]


# --- how long it is behind


async def test_a_stall_is_measured_from_its_beginning(bo: Connection, hub: FakeHub, send: FakeSend) -> None:
    assert bo.stalled_for(hub.now()) == 0
    gate = send.hold()
    bo.put("1")
    hub.tick()
    hub.time += 7
    change(bo, 1)
    assert bo.stalled_for(hub.now()) == 7
    gate.set()
    await hub.settle()
    assert bo.stalled_for(hub.now()) == 0


def test_lack_of_acks_is_a_stall_once_a_change_is_kept_back(bo: Connection, hub: FakeHub) -> None:
    sent_bytes = fall_behind(bo, hub)
    assert bo.stalled_for(hub.now()) == 0
    change(bo, 1)
    hub.time += 3
    assert bo.stalled_for(hub.now()) == 3
    bo.ack(sent_bytes)
    hub.tick()
    assert bo.stalled_for(hub.now()) == 0


def test_heartbeats_are_counted_until_an_ack(bo: Connection) -> None:
    bo.beat("1")
    bo.beat("2")
    assert bo.unanswered == 2
    bo.ack(0)
    assert bo.unanswered == 0


# --- too much that cannot be conflated


async def test_p32_too_many_messages_behind_a_waiting_send_close_the_connection(
    bo: Connection, hub: FakeHub, send: FakeSend
) -> None:
    gate = send.hold()
    bo.put("1")
    hub.tick()
    bo.put_unstored("x" * 2 * LIMIT)
    assert bo.close_reason is None
    bo.put_unstored("x")
    assert bo.close_reason is CloseReason.MESSAGE_QUEUE_LIMIT_REACHED
    gate.set()
    await hub.settle()
    assert send.codes == [4003]


async def test_t13_too_many_unacknowledged_messages_in_one_tick_close_the_connection(
    bo: Connection, hub: FakeHub, send: FakeSend
) -> None:
    fall_behind(bo, hub)
    bo.put_unstored("x" * 2 * LIMIT)
    assert bo.close_reason is None
    bo.put_unstored("x")
    await hub.settle()
    assert send.codes == [4003]


async def test_t13_too_many_unacknowledged_messages_over_many_ticks_close_the_connection(
    bo: Connection, hub: FakeHub, send: FakeSend
) -> None:
    # A server that takes every frame at once holds them in memory for a peer that reads none.
    fall_behind(bo, hub)
    for _ in range(21):
        bo.put_unstored("x" * (LIMIT // 10))
        hub.tick()
    await hub.settle()
    assert send.codes == [4003]


async def test_t13_no_talker_can_end_a_connection_that_is_behind(bo: Connection, hub: FakeHub, send: FakeSend) -> None:
    fall_behind(bo, hub)
    before = len(send.sent)
    for _ in range(100):
        bo.put_message("x" * (LIMIT // 10))
        hub.tick()
    await hub.settle()
    assert send.codes == []
    assert len(send.sent) - before == 10


async def test_t13_who_asks_on_and_takes_no_answer_is_closed(bo: Connection, hub: FakeHub, send: FakeSend) -> None:
    for _ in range(HOPELESS + 1):
        bo.put("x" * LIMIT)
        hub.tick()
    await hub.settle()
    assert send.codes == [4003]
    assert sum(map(len, send.sent)) <= HOPELESS * LIMIT


def test_messages_are_sent_to_a_peer_that_keeps_up(bo: Connection, hub: FakeHub, send: FakeSend) -> None:
    for _ in range(20):
        bo.put_unstored("x" * LIMIT)
        hub.tick()
        bo.ack(10**9)
    assert bo.close_reason is None
    assert len(send.sent) == 20


async def test_replies_crowd_the_reader_out_until_they_drain(bo: Connection, hub: FakeHub, send: FakeSend) -> None:
    gate = send.hold()
    bo.put("1")
    hub.tick()
    bo.put("x" * (LIMIT + 1))
    assert bo.is_crowded
    reader = asyncio.create_task(bo.wait())
    await asyncio.sleep(0)
    assert not reader.done()
    gate.set()
    await asyncio.wait_for(reader, 5)
    assert not bo.is_crowded


async def test_frames_that_were_cut_off_by_a_waiting_send_count(bo: Connection, hub: FakeHub, send: FakeSend) -> None:
    gate = send.hold()
    bo.put("1")
    bo.put("x" * (LIMIT + 1))
    hub.tick()
    assert bo.is_crowded
    gate.set()
    await hub.settle()
    assert not bo.is_crowded
