/** Epochs and reconnects: observers end with what the server holds. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { changed, collector, entry, gone, joined, ME, observing, settle } from "./world.mjs";

test("a reply from before a clear does not outlive it", async () => {
  const { world, room } = await observing(["k"], [gone("k")]);
  const writing = room.store.set("k", "old");
  await settle();
  await world.socket.notify("room.cleared", { room: "standup", epoch: "e2", reason: "CLEARED" });
  await world.socket.reply(world.socket.last("room.set"), entry("k", "old", 11, ME));
  await writing;
  await world.socket.notify("room.changed", changed([entry("k", "new", 1)], 1, "e2"));
  assert.equal(room.store.value("k"), "new");
});

test("P4: clearing tells null for every key that had a value, and starts versions anew", async () => {
  const { world, room } = await observing(["*"], [entry("a", 1, 5), entry("b", 0, 6)]);
  const [told, listen] = collector();
  const cleared = [];
  room.store.observe("*", listen);
  room.onCleared((news) => cleared.push(news));
  await settle();
  told.length = 0;
  await world.socket.notify("room.cleared", { room: "standup", epoch: "e2", reason: "LAST_PEER_LEFT" });
  assert.deepEqual(told, [
    ["a", null, false, false],
    ["b", null, false, false],
  ]);
  assert.deepEqual(cleared, [{ reason: "LAST_PEER_LEFT", epoch: "e2" }]);
  await world.socket.notify("room.changed", changed([entry("a", "again", 1)], 1, "e2"));
  assert.deepEqual(told.at(-1), ["a", "again", false, false]);
  assert.deepEqual([room.epoch, room.version], ["e2", 1]);
});

test("a snapshot replaces what is held, and tells only differences", async () => {
  const { world, room } = await observing(["*"], [entry("same", 1, 5), entry("other", 1, 6), entry("vanished", 1, 7)]);
  const [told, listen] = collector();
  room.store.observe("*", listen);
  await settle();
  told.length = 0;
  const entries = [entry("same", 1, 5), entry("other", 2, 19), entry("new", 3, 20)];
  await world.socket.notify("room.snapshot", { room: "standup", epoch: "e1", version: 20, entries, reason: "behind" });
  assert.deepEqual(
    told.map(([key, value]) => [key, value]),
    [
      ["other", 2],
      ["new", 3],
      ["vanished", null],
    ],
  );
  assert.equal(room.version, 20);
});

test("changes of an epoch we never heard of make us ask again, losing nothing", async () => {
  const { world, room } = await observing(["*"], [entry("a", 1, 5)]);
  const [told, listen] = collector();
  room.store.observe("*", listen);
  await settle();
  told.length = 0;
  await world.socket.notify("room.changed", changed([entry("b", 2, 2)], 2, "e2"));
  const call = world.socket.last("room.join");
  assert.deepEqual(call.params, { room: "standup", observe: ["*"] });
  await world.socket.notify("room.changed", changed([entry("b", 3, 3)], 3, "e2"));
  await world.socket.reply(call, joined({ epoch: "e2", version: 2, entries: [entry("b", 2, 2)] }));
  assert.deepEqual(
    told.map(([key, value]) => [key, value]),
    [
      ["b", 2],
      ["a", null],
      ["b", 3],
    ],
  );
  assert.equal(world.socket.calls("room.join").length, 2);
});

test("P4: after a resume, observers hear what they missed, and nothing twice", async () => {
  const { world, room, change } = await observing(["a"], [entry("a", 1, 5)]);
  const [told, listen] = collector();
  room.store.observe("a", listen);
  await settle();
  await world.reconnect();
  await change(entry("a", 2, 12));
  const call = world.socket.last("room.join");
  assert.deepEqual(call.params, { room: "standup", observe: ["a"], since: { epoch: "e1", version: 10 } });
  await world.socket.reply(call, joined({ version: 12, entries: [entry("a", 2, 12)] }));
  assert.deepEqual(told, [
    ["a", 1, true, false],
    ["a", 2, false, false],
  ]);
});

test("P4: a fresh session joins anew from where it was, and tells what changed and what vanished", async () => {
  const { world, session, room } = await observing(["*"], [entry("a", 1, 5), entry("b", 1, 6)]);
  const [told, listen] = collector();
  room.store.observe("*", listen);
  await settle();
  told.length = 0;
  await world.reconnect({ resumed: false, session_id: "session-9", rooms: [] });
  assert.equal(room.joined, false);
  const call = world.socket.last("room.join");
  assert.deepEqual(call.params.since, { epoch: "e1", version: 10 });
  await world.socket.reply(call, joined({ version: 12, entries: [entry("a", 2, 11), { ...entry("b", null, 12) }] }));
  assert.deepEqual(told, [
    ["a", 2, false, false],
    ["b", null, false, false],
  ]);
  assert.deepEqual([room.joined, session.id, session.resumed], [true, "session-9", false]);
});

test("P4: where the server no longer knows, everything comes, and what is missing has vanished", async () => {
  const { world, room } = await observing(["*"], [entry("a", 1, 5), entry("b", 1, 6)]);
  const [told, listen] = collector();
  room.store.observe("*", listen);
  await settle();
  told.length = 0;
  await world.reconnect({ resumed: false, rooms: [] });
  await world.socket.reply(
    world.socket.last("room.join"),
    joined({ version: 90, entries: [entry("a", 1, 5)], complete: true }),
  );
  assert.deepEqual(told, [["b", null, false, false]]);
});

test("P8: a room that was cleared meanwhile is followed in its new epoch, and that is told", async () => {
  const { world, room, change } = await observing(["*"], [entry("a", 1, 5), entry("b", 1, 6)]);
  const [told, listen] = collector();
  const cleared = [];
  room.store.observe("*", listen);
  room.onCleared((news) => cleared.push(news));
  await settle();
  told.length = 0;
  await world.reconnect({ resumed: false, rooms: [] });
  await world.socket.reply(
    world.socket.last("room.join"),
    joined({ epoch: "e2", version: 2, entries: [entry("a", "new", 2)] }),
  );
  assert.deepEqual(told, [
    ["a", "new", false, false],
    ["b", null, false, false],
  ]);
  assert.deepEqual(cleared, [{ reason: "UNKNOWN", epoch: "e2" }]);
  await change(entry("a", "old epoch", 50));
  assert.equal(room.store.value("a"), "new");
});

test("an observer added offline is armed on return", async () => {
  const { world, room } = await observing();
  await world.socket.drop();
  const [told, listen] = collector();
  room.store.observe("late", listen);
  await world.redial();
  world.socket.onopen({});
  const { resume } = world.socket.last("session.open").params;
  assert.deepEqual(resume.rooms, {}, "not everything is held, so no position is claimed");
  await world.accept({ resumed: true, rooms: [{ room: "standup", epoch: "e1", version: 10 }] });
  assert.deepEqual(world.socket.last("room.join").params, { room: "standup", observe: ["late"] });
  await world.socket.reply(world.socket.last("room.join"), joined({ version: 10, entries: [entry("late", 1, 3)] }));
  assert.deepEqual(told, [["late", 1, true, false]]);
});

test("an observer stopped offline is unobserved on return", async () => {
  const { world, room } = await observing();
  const stop = room.store.observe("a", () => {});
  await settle();
  await world.socket.reply(world.socket.last("room.observe"), {
    observing: 1,
    epoch: "e1",
    version: 10,
    entries: [gone("a")],
  });
  await world.socket.drop();
  stop();
  await world.redial();
  await world.accept({ resumed: true, rooms: [{ room: "standup", epoch: "e1", version: 10 }] });
  await world.socket.reply(world.socket.last("room.join"), joined({ version: 10 }));
  assert.deepEqual(world.socket.last("room.unobserve").params.keys, ["a"]);
});
