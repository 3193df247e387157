/** Writes: their order, their retries, and what becomes of them when the connection breaks. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { OutcomeUnknown, RateLimited } from "../../sessionstore_app/static/sessionstore_app/sdk/index.js";
import { entry, joined, settle, World } from "./world.mjs";

const ROOMS = [{ room: "standup", epoch: "e1", version: 0 }];

async function inRoom(options = {}) {
  const world = new World();
  const session = await world.connect(options);
  const room = await world.join(session);
  const errors = [];
  session.onError((error) => errors.push(error.reason));
  return { world, session, room, errors };
}

/** Answers each write as it comes, and says which came: [method, key, op]. */
async function answerAll(world) {
  const came = [];
  for (let seen = null; ;) {
    const write = world.socket.sent.filter(({ params }) => params?.op !== undefined).at(-1);
    if (!write || write === seen) return came;
    seen = write;
    came.push([write.method, write.params.key, write.params.op]);
    await world.socket.reply(write, entry(write.params.key, 1, came.length));
  }
}

const outcome = (promise) =>
  promise.then(
    ({ value }) => value,
    ({ reason }) => reason,
  );

/** One write under way and one that waits in a room, and one in another. */
async function writingInTwoRooms() {
  const { world, session, room } = await inRoom();
  const joining = session.join("retro");
  await settle();
  await world.socket.reply(world.socket.last("room.join"), joined({ room: "retro" }));
  const retro = await joining;
  const results = [room.store.set("a", 1), room.store.set("b", 2), retro.store.set("c", 3)].map(outcome);
  await settle();
  return { world, session, room, results };
}

test("writes take effect in the order of the calls, with a growing op", async () => {
  const { world, session, room } = await inRoom();
  const results = [room.store.set("a", 1), room.store.update("b", { do: "increment" }), room.store.delete("a")];
  await settle();
  assert.equal(session.pendingWrites, 3);
  assert.equal(world.socket.sent.filter(({ params }) => params?.op).length, 1, "one under way at a time");
  assert.deepEqual(await answerAll(world), [
    ["room.set", "a", 1],
    ["room.update", "b", 2],
    ["room.delete", "a", 3],
  ]);
  await Promise.all(results);
  assert.equal(session.pendingWrites, 0);
});

test("of the sets of one key that wait, only the newest is sent, and answers all", async () => {
  const { world, room } = await inRoom();
  const results = [1, 2, 3, 4].map((value) => room.store.set("slider", value));
  await settle();
  await answerAll(world);
  assert.deepEqual(
    world.socket.calls("room.set").map(({ params }) => params.value),
    [1, 4],
  );
  const entries = await Promise.all(results);
  assert.equal(entries[1], entries[3]);
});

test("a guarded set is never left out, nor is one with another write between", async () => {
  const { world, room } = await inRoom();
  const results = [
    room.store.set("first", 0),
    room.store.set("k", 1),
    room.store.set("k", 2, { ifVersion: 1 }),
    room.store.set("k", 3, { ifVersion: 2 }),
    room.store.set("k", 4, { lock: "slides" }),
    room.store.set("k", 5),
    room.store.set("other", 6),
    room.store.set("k", 7),
  ];
  await settle();
  await answerAll(world);
  await Promise.all(results);
  assert.deepEqual(
    world.socket.calls("room.set").map(({ params }) => params.value),
    [0, 1, 2, 3, 4, 5, 6, 7],
  );
});

test("writes made offline wait, and are replayed in order", async () => {
  const { world, session, room } = await inRoom();
  await world.socket.drop();
  const results = [room.store.set("a", 1), room.store.update("n", { do: "increment" }), room.store.set("b", 2)];
  await settle();
  assert.equal(session.pendingWrites, 3);
  await world.redial();
  await world.accept({ resumed: true, rooms: ROOMS });
  assert.deepEqual(await answerAll(world), [
    ["room.set", "a", 1],
    ["room.update", "n", 2],
    ["room.set", "b", 3],
  ]);
  await Promise.all(results);
});

test("an unanswered write is sent again with the same op, also one that must not count twice", async () => {
  const { world, room } = await inRoom();
  const counting = room.store.update("n", { do: "increment" });
  await settle();
  const { op } = world.socket.last("room.update").params;
  await world.reconnect();
  const again = world.socket.last("room.update");
  assert.equal(again.params.op, op);
  await world.socket.reply(again, { ...entry("n", 1, 4), duplicate: true });
  assert.equal((await counting).duplicate, true);
});

test("a fresh session knows no op: what may be repeated is, the rest has an unknown outcome", async () => {
  const writes = [
    [(store) => store.set("k", 1), true],
    [(store) => store.delete("k"), true],
    [(store) => store.write([{ key: "k", value: 1 }]), true],
    [(store) => store.update("k", { do: "append", item: { id: 1 }, unique: "id" }), true],
    [(store) => store.update("k", { do: "remove", where: { id: 1 } }), true],
    [(store) => store.update("k", { do: "merge", patch: { a: 1 } }), true],
    [(store) => store.update("k", { do: "append", item: 1 }), false],
    [(store) => store.update("k", { do: "increment" }), false],
  ];
  for (const [write, repeated] of writes) {
    const { world, room, errors } = await inRoom();
    const result = outcome(write(room.store));
    await settle();
    await world.reconnect({ resumed: false, rooms: [] });
    await world.socket.reply(world.socket.last("room.join"), joined());
    assert.equal((await answerAll(world)).length, repeated ? 1 : 0, String(write));
    assert.equal(await result, repeated ? 1 : "OUTCOME_UNKNOWN");
    assert.deepEqual(errors, repeated ? [] : ["OUTCOME_UNKNOWN"]);
  }
});

test("an increment that was never sent is sent in a fresh session", async () => {
  const { world, room } = await inRoom();
  await world.socket.drop();
  const counting = outcome(room.store.update("n", { do: "increment" }));
  await world.redial();
  await world.accept({ resumed: false, rooms: [] });
  assert.equal(world.socket.calls("room.update").length, 0, "not before the room is joined again");
  await world.socket.reply(world.socket.last("room.join"), joined());
  await answerAll(world);
  assert.equal(await counting, 1);
});

test("P33: a write refused after it waited is dropped, and reported once", async () => {
  const { world, session, room, errors } = await inRoom();
  await world.socket.drop();
  const refused = outcome(room.store.set("k", 1));
  room.store.set("forgotten by its caller", 1);
  await world.redial();
  await world.accept({ resumed: true, rooms: ROOMS });
  await world.socket.refuse(world.socket.last("room.set"), "TOO_MANY_KEYS");
  await world.socket.refuse(world.socket.last("room.set"), "TOO_MANY_KEYS");
  assert.equal(await refused, "TOO_MANY_KEYS");
  assert.deepEqual(errors, ["TOO_MANY_KEYS", "TOO_MANY_KEYS"]);
  await world.reconnect();
  assert.equal(world.socket.calls("room.set").length, 0);
  assert.equal(session.pendingWrites, 0);
});

test("a write refused on a live connection is its caller's, and does not stop the next", async () => {
  const { world, room, errors } = await inRoom();
  const results = [outcome(room.store.set("a", 1)), outcome(room.store.set("b", 2))];
  await settle();
  await world.socket.refuse(world.socket.last("room.set"), "ACCESS_DENIED");
  await answerAll(world);
  assert.deepEqual(await Promise.all(results), ["ACCESS_DENIED", 1]);
  assert.deepEqual(errors, []);
});

test("RATE_LIMITED waits as long as the server says, and nothing overtakes", async () => {
  const { world, room } = await inRoom();
  const results = [room.store.set("a", 1), room.store.set("b", 2)];
  await settle();
  await world.socket.refuse(world.socket.last("room.set"), "RATE_LIMITED", { retry_after_seconds: 3 });
  await world.clock.advance(2_999);
  assert.equal(world.socket.calls("room.set").length, 1);
  await world.clock.advance(1);
  assert.deepEqual(await answerAll(world), [
    ["room.set", "a", 1],
    ["room.set", "b", 2],
  ]);
  await Promise.all(results);
});

test("retries are bounded", async () => {
  const { world, room } = await inRoom();
  const failing = assert.rejects(room.store.set("a", 1), RateLimited);
  await settle();
  for (let tries = 0; tries < 9; tries++) {
    assert.equal(world.socket.calls("room.set").length, tries + 1);
    await world.socket.notify("session.heartbeat", {});
    await world.socket.refuse(world.socket.last("room.set"), "RATE_LIMITED");
    await world.clock.advance(10_000);
  }
  await failing;
});

test("UNAVAILABLE is shown as degraded until the store answers again", async () => {
  const { world, session, room } = await inRoom();
  const seen = [];
  session.onState((state, { degraded }) => seen.push([state, degraded]));
  const writing = room.store.set("a", 1);
  await settle();
  await world.socket.refuse(world.socket.last("room.set"), "UNAVAILABLE", { retry_after_seconds: 1 });
  await world.clock.advance(1_000);
  const [first, second] = world.socket.calls("room.set");
  assert.equal(second.params.op, first.params.op, "it may have been applied");
  await answerAll(world);
  await writing;
  assert.deepEqual(seen, [
    ["open", undefined],
    ["open", true],
    ["open", false],
  ]);
});

test("a connection that breaks during a wait does not leave the write waiting", async () => {
  const { world, room } = await inRoom();
  const writing = room.store.set("a", 1);
  await settle();
  await world.socket.refuse(world.socket.last("room.set"), "UNAVAILABLE", { retry_after_seconds: 9_000 });
  await world.reconnect();
  assert.equal((await answerAll(world)).length, 1);
  assert.equal((await writing).value, 1);
});

test("without a queue, writes fail while there is no connection, and say so if they were under way", async () => {
  const { world, room } = await inRoom({ queue: false });
  const results = [outcome(room.store.set("a", 1)), outcome(room.store.set("b", 1))];
  await settle();
  await world.socket.drop();
  assert.deepEqual(await Promise.all(results), ["OUTCOME_UNKNOWN", "DISCONNECTED"]);
  assert.equal(await outcome(room.store.set("c", 1)), "DISCONNECTED");
});

test("the end of the session settles every write", async () => {
  const { world, session, room } = await inRoom();
  const underWay = assert.rejects(room.store.set("a", 1), OutcomeUnknown);
  const waiting = outcome(room.store.set("b", 1));
  await settle();
  await world.socket.drop(4014);
  await underWay;
  assert.equal(await waiting, "REVOKED");
  assert.equal(session.pendingWrites, 0);
  assert.equal(await outcome(room.store.set("c", 1)), "REVOKED", "why there is no room any more");
});

test("leaving a room gives up its waiting writes, and no others", async () => {
  const { world, room, results } = await writingInTwoRooms();
  const leaving = room.leave();
  await settle();
  await world.socket.reply(world.socket.last("room.leave"), { cleared: false });
  await leaving;
  await answerAll(world);
  assert.deepEqual(await Promise.all(results), [1, "NOT_JOINED", 1]);
});

test("a write that was under way when its room was lost holds up no other", async () => {
  const { world, session, results } = await writingInTwoRooms();
  await world.reconnect({ resumed: false, rooms: [] });
  const [standup, other] = world.socket.calls("room.join");
  await world.socket.refuse(standup, "ACCESS_DENIED");
  await world.socket.reply(other, joined({ room: "retro" }));
  await answerAll(world);
  assert.deepEqual(await Promise.all(results), ["OUTCOME_UNKNOWN", "ACCESS_DENIED", 1]);
  assert.equal(session.pendingWrites, 0);
});

test("a room that is left while its write is under way, and then the connection, leaves no write behind", async () => {
  const { world, session, room } = await inRoom();
  const result = outcome(room.store.set("a", 1));
  await settle();
  room.leave().catch(() => {});
  await world.socket.drop();
  assert.equal(await result, "OUTCOME_UNKNOWN");
  assert.equal(session.pendingWrites, 0);
});

test("warnUnsaved asks before a page with unacknowledged writes is left", async () => {
  const { world, session, room } = await inRoom({ warnUnsaved: true });
  const leave = () => {
    const event = new Event("beforeunload", { cancelable: true });
    world.page.dispatchEvent(event);
    return event.defaultPrevented;
  };
  assert.equal(leave(), false);
  room.store.set("a", 1);
  await settle();
  assert.equal(leave(), true);
  await answerAll(world);
  assert.equal(leave(), false);
  room.store.set("a", 2).catch(() => {});
  await settle();
  await world.socket.drop(4013);
  assert.equal(session.state, "closed");
  assert.equal(leave(), false);
});
