/** Reading and writing. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { NotJoined, ValueTooLarge } from "../../sessionstore_app/static/sessionstore_app/sdk/index.js";
import { entry, gone, observing, settle } from "./world.mjs";

test("H26: get gives the value or null, getEntry all that is known", async () => {
  const { world, room } = await observing();
  const reading = Promise.all([room.store.get("a"), room.store.get("b"), room.store.getEntry("a")]);
  const [a, b, full] = world.socket.calls("room.get");
  await world.socket.reply(a, entry("a", 0, 1));
  await world.socket.reply(b, gone("b"));
  await world.socket.reply(full, entry("a", 0, 1));
  assert.deepEqual(await reading, [0, null, entry("a", 0, 1)]);
});

test("snapshot asks for the patterns given", async () => {
  const { world, room } = await observing();
  const reading = room.store.snapshot("hand/*");
  const call = world.socket.last("room.snapshot");
  assert.deepEqual(call.params, { room: "standup", keys: ["hand/*"] });
  await world.socket.reply(call, { epoch: "e1", version: 3, entries: [entry("hand/a", 1, 3)] });
  assert.equal((await reading).version, 3);
});

test("H21: set without a value deletes, as does undefined", async () => {
  const { world, room } = await observing();
  room.store.set("k");
  await settle();
  assert.equal(world.socket.last("room.set").params.value, null);
});

test("a value that JSON would turn into null is refused instead of deleting the key", async () => {
  const { world, room } = await observing();
  for (const value of [NaN, Infinity, () => {}, Symbol("x")])
    await assert.rejects(room.store.set("k", value), TypeError);
  assert.equal(world.socket.calls("room.set").length, 0);
});

test("writes carry their options in the words of the protocol", async () => {
  const { world, room } = await observing();
  const answers = [
    room.store.set("a", 1, { ifVersion: 0, ttlSeconds: 5, lifetime: "session", lock: "slides" }),
    room.store.delete("a", { ifVersion: 3 }),
    room.store.update("a", { do: "append", item: { id: 1 }, cap: 3, unique: "id" }),
    room.store.write([{ key: "a", value: 2 }, { key: "b" }]),
  ];
  for (const method of ["room.set", "room.delete", "room.update", "room.write"]) {
    await settle();
    await world.socket.reply(
      world.socket.last(method),
      method === "room.write" ? { version: 9, entries: [] } : entry("a", 1, 1),
    );
  }
  await Promise.all(answers);
  const params = (method) => world.socket.last(method).params;
  const room_ = { room: "standup" };
  assert.deepEqual(params("room.set"), {
    ...room_,
    key: "a",
    value: 1,
    if_version: 0,
    ttl_seconds: 5,
    lifetime: "session",
    lock: "slides",
    op: 1,
  });
  assert.deepEqual(params("room.delete"), { ...room_, key: "a", if_version: 3, op: 2 });
  assert.deepEqual(params("room.update"), {
    ...room_,
    key: "a",
    do: "append",
    item: { id: 1 },
    cap: 3,
    unique: "id",
    op: 3,
  });
  assert.deepEqual(params("room.write"), {
    ...room_,
    ops: [
      { key: "a", value: 2 },
      { key: "b", value: null },
    ],
    op: 4,
  });
});

test("P33, P34: a value is measured in UTF-8 bytes, at the limit and one beyond, before anything is sent", async () => {
  const { world, room } = await observing();
  const atLimit = "é".repeat(511); // 1022 bytes and two quotes
  room.store.set("k", atLimit);
  await settle();
  assert.equal(world.socket.calls("room.set").length, 1);
  await assert.rejects(room.store.set("k", `${atLimit}x`), (error) => {
    assert.ok(error instanceof ValueTooLarge);
    assert.deepEqual([error.limit, error.actual, error.code], [1024, 1025, undefined]);
    return true;
  });
  await assert.rejects(room.store.write([{ key: "k", value: `${atLimit}x` }]), ValueTooLarge);
  assert.equal(world.socket.calls("room.set").length + world.socket.calls("room.write").length, 1);
});

test("a write says what the value was when it was called", async () => {
  const { world, session, room } = await observing();
  await world.socket.drop();
  const value = { text: "then" };
  room.store.set("k", value);
  value.text = "now";
  await world.redial();
  await world.accept({ resumed: true, rooms: [{ room: "standup", epoch: "e1", version: 10 }] });
  assert.deepEqual(world.socket.last("room.set").params.value, { text: "then" });
  assert.equal(session.pendingWrites, 1);
});

test("H24: value reads what is observed: null where absent, undefined where nobody looks", async () => {
  const { room } = await observing(["hand/*", "pinned"], [entry("hand/a", 0, 2), gone("pinned")]);
  assert.deepEqual(["hand/a", "hand/b", "pinned", "other"].map(room.store.value), [0, null, null, undefined]);
});

test("reads fail at once while there is no connection, and a read under way fails with it", async () => {
  const { world, room } = await observing();
  const underWay = assert.rejects(room.store.get("k"), { reason: "DISCONNECTED" });
  await world.socket.drop();
  await underWay;
  await assert.rejects(room.store.get("k"), { reason: "DISCONNECTED" });
  await assert.rejects(room.store.snapshot(), { reason: "DISCONNECTED" });
  await assert.rejects(room.broadcast("chat", 1), { reason: "DISCONNECTED" });
});

test("H30: after leaving, everything answers NOT_JOINED, and stopping is still safe", async () => {
  const { world, room } = await observing();
  const stop = room.store.observe("a", () => {});
  const leaving = room.leave();
  await settle();
  await world.socket.reply(world.socket.last("room.leave"), { cleared: true });
  await leaving;
  stop();
  await assert.rejects(room.store.get("k"), NotJoined);
  await assert.rejects(room.store.set("k", 1), NotJoined);
  await assert.rejects(room.broadcast("chat", 1), NotJoined);
  assert.throws(() => room.store.observe("k", () => {}), NotJoined);
});
