/** What is read off the frames is what the page was told. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { ANN, BO, entry, peer, World } from "./world.mjs";

/** Ann in the room "standup", which has one key. */
function joined() {
  const world = new World();
  world.open();
  world.join([entry("topic", "retro", 9)]);
  return world;
}

/** A page that watches the room "standup". */
function watching(entries) {
  const world = new World();
  world.open();
  const told = { room: "standup", epoch: "e1", version: 3, peers: [peer("bo")], count: 1, entries, values: true };
  world.call("room.watch", { room: "standup" }, told);
  return world;
}

test("a connection is opened, and a session in it, and it closes for a reason", () => {
  const { picture } = new World();
  assert.equal(picture.state, "idle");
  const world = new World();
  world.picture.connecting();
  assert.equal(world.picture.state, "connecting");
  world.open();
  assert.equal(world.picture.state, "open");
  world.picture.closed(4002);
  assert.deepEqual([world.picture.state, world.picture.ending], ["closed", { code: 4002, reason: "CLIENT_UNRESPONSIVE" }]);
  world.picture.connecting();
  assert.deepEqual([world.picture.state, world.picture.ending], ["connecting", null]);
});

test("the session is as it was opened, then as it was changed", () => {
  const world = new World();
  world.open();
  const { session } = world.picture;
  assert.deepEqual([session.id, session.roles, session.properties, session.server], ["ann", ["client"], { name: "Ann" }, "s1"]);
  world.tell("session.changed", { properties: { muted: "yes" }, roles: ["client", "speaker"], permissions: ["view_session"] });
  const changed = world.picture.session;
  assert.notEqual(changed, session);
  assert.deepEqual([changed.roles, changed.permissions], [["client", "speaker"], ["view_session"]]);
  assert.deepEqual(changed.properties, { muted: "yes" });
});

test("the latency is the last round trip; a lock's wait is none", () => {
  const world = new World();
  world.open();
  assert.equal(world.picture.latencyMs, 1);
  const lock = world.ask("lock.acquire", { name: "slides" });
  const ping = world.ask("session.ping");
  world.now += 30;
  world.answer(ping, {});
  assert.equal(world.picture.latencyMs, 31);
  world.now += 5000;
  world.answer(lock, { name: "slides", sequence: 1 });
  assert.equal(world.picture.latencyMs, 31);
});

test("joining gives a room with its epoch, version, keys and peers", () => {
  const { room } = joined();
  assert.deepEqual([room.epoch, room.version, room.count, [...room.peers.keys()]], ["e1", 10, 1, ["ann"]]);
  assert.deepEqual([...room.entries.values()], [entry("topic", "retro", 9)]);
});

test("an absent key is none", () => {
  const world = new World();
  world.open();
  world.join([{ key: "pinned", value: null, version: 0, by: null, at: null }]);
  assert.equal(world.room.entries.size, 0);
});

test("changes raise versions, delete keys, and never go back", () => {
  const world = joined();
  world.change(12, entry("topic", "planning", 11, BO), entry("hand", 1, 12));
  assert.deepEqual(world.values, { topic: "planning", hand: 1 });
  assert.deepEqual([world.room.version, world.room.entries.get("topic").by], [12, BO]);
  world.change(10, entry("topic", "old", 10));
  world.change(13, entry("hand", null, 13));
  world.change(12, entry("hand", 1, 12));
  assert.deepEqual(world.values, { topic: "planning" });
  assert.equal(world.room.version, 13);
});

test("answers to writes and reads are seen too, also a conflict's present entry", () => {
  const world = joined();
  world.call("room.set", { room: "standup", key: "topic", value: "a" }, entry("topic", "a", 11));
  world.call("room.get", { room: "standup", key: "other" }, entry("other", 7, 3));
  world.call("room.write", { room: "standup", ops: [] }, { version: 13, entries: [entry("b", 1, 13), entry("c", 2, 13)] });
  assert.deepEqual(world.values, { topic: "a", other: 7, b: 1, c: 2 });
  const refused = world.ask("room.set", { room: "standup", key: "topic", value: "b", if_version: 0 });
  world.refuse(refused, { reason: "VERSION_CONFLICT", current: entry("topic", "theirs", 14, BO) });
  assert.deepEqual([world.values.topic, world.room.version], ["theirs", 14]);
});

test("the answer to a write before the clearing is not of the room after it", () => {
  const world = joined();
  const late = world.ask("room.set", { room: "standup", key: "topic", value: "a" });
  world.tell("room.cleared", { room: "standup", epoch: "e2", reason: "CLEARED" });
  world.answer(late, entry("topic", "a", 11));
  assert.deepEqual([world.values, world.room.epoch, world.room.version], [{}, "e2", 0]);
});

test("a change of another epoch says that a clearing was missed", () => {
  const world = joined();
  world.tell("room.changed", { room: "standup", epoch: "e2", version: 1, changes: [entry("new", 1, 1)] });
  assert.deepEqual([world.values, world.room.version], [{ new: 1 }, 1]);
});

test("a snapshot replaces all but what is newer", () => {
  const world = joined();
  world.change(13, entry("newer", 1, 13));
  world.tell("room.snapshot", { room: "standup", epoch: "e1", version: 12, entries: [entry("a", 1, 11)], reason: "BEHIND" });
  assert.deepEqual(world.values, { newer: 1, a: 1 });
  world.call("room.snapshot", { room: "standup" }, { epoch: "e1", version: 14, entries: [entry("b", 1, 14)] });
  assert.deepEqual(world.values, { b: 1 });
  world.call("room.snapshot", { room: "standup", keys: ["c/*"] }, { epoch: "e1", version: 15, entries: [entry("c/1", 1, 15)] });
  assert.deepEqual(world.values, { b: 1, "c/1": 1 });
});

test("observing adds keys, and tells which are gone; unobserving forgets them", () => {
  const world = new World();
  world.open();
  world.join([entry("topic", "retro", 9)], { params: { observe: ["topic"] } });
  const hands = { observing: ["hand/*", "topic"], epoch: "e1", version: 11, entries: [entry("hand/1", 1, 8)] };
  world.call("room.observe", { room: "standup", keys: ["hand/*"] }, hands);
  assert.deepEqual(world.values, { topic: "retro", "hand/1": 1 });
  world.call("room.observe", { room: "standup", keys: ["hand/*"] }, { ...hands, version: 12, entries: [] });
  assert.deepEqual(world.values, { topic: "retro" });
  world.call("room.get", { room: "standup", key: "other" }, entry("other", 7, 3));
  assert.deepEqual([world.room.isFollowed("topic"), world.room.isFollowed("other")], [true, false]);
  world.call("room.unobserve", { room: "standup", keys: ["topic"] }, { observing: ["hand/*"] });
  assert.deepEqual(world.values, { other: 7 });
});

test("a key that others made the page observe is followed", () => {
  const world = new World();
  world.open();
  world.join([], { params: { observe: [] } });
  world.change(11, entry("slide", 4, 11));
  assert.equal(world.room.isFollowed("slide"), true);
});

test("peers come, change and go", () => {
  const world = joined();
  const away = { ...peer("bo"), state: "DISCONNECTED" };
  world.tell("room.peers", { room: "standup", count: 2, joined: [peer("bo")], left: [], updated: [] });
  world.tell("room.peers", { room: "standup", count: 2, joined: [], left: [], updated: [away] });
  assert.deepEqual([world.room.count, world.room.peers.get("bo")], [2, away]);
  world.tell("room.peers", { room: "standup", count: 1, joined: [], left: [{ session_id: "bo", reason: "LEFT" }], updated: [] });
  assert.deepEqual([...world.room.peers.keys()], ["ann"]);
  world.call("room.peers", { room: "standup", after: "ann" }, { peers: [peer("zoe")], count: 2 });
  assert.deepEqual([...world.room.peers.keys()], ["ann", "zoe"]);
});

test("a room that was left is gone, also where the server took the page out of it", () => {
  const world = joined();
  world.call("room.leave", { room: "standup" }, { cleared: false });
  assert.equal(world.picture.rooms.size, 0);
  world.change(12, entry("topic", "late", 12));
  assert.equal(world.picture.rooms.size, 0);
  world.join();
  world.tell("room.peers", { room: "standup", count: 0, joined: [], left: [{ session_id: "ann", reason: "ACCESS_DENIED" }] });
  assert.equal(world.picture.rooms.size, 0);
});

test("news that come before the answer to the join are kept until then", () => {
  const world = new World();
  world.open();
  const id = world.ask("room.join", { room: "standup", observe: ["*"] });
  world.change(11, entry("topic", "new", 11));
  world.tell("room.peers", { room: "standup", count: 2, joined: [peer("bo")], left: [], updated: [] });
  assert.equal(world.picture.rooms.size, 0);
  const told = { room: "standup", epoch: "e1", version: 10, peers: [peer("ann")], count: 1, entries: [entry("topic", "old", 9)] };
  world.answer(id, told);
  assert.deepEqual([world.values, world.room.count], [{ topic: "new" }, 2]);
});

test("a resumed session goes on with its rooms", () => {
  const world = joined();
  world.picture.closed(1006);
  assert.deepEqual(world.values, { topic: "retro" });
  world.open({ resumed: true, rooms: [{ room: "standup", epoch: "e1", version: 12 }] });
  world.change(12, entry("hand", 1, 12));
  assert.deepEqual(world.values, { topic: "retro", hand: 1 });
});

test("a reloaded page is told by a snapshot, before it joins again", () => {
  const world = new World();
  world.open({ resumed: true, rooms: [{ room: "standup", epoch: "e1", version: 12 }] });
  world.tell("room.snapshot", { room: "standup", epoch: "e1", version: 12, entries: [entry("a", 1, 12)], reason: "RESUMED" });
  assert.deepEqual([world.values, world.room.version], [{ a: 1 }, 12]);
});

test("after a session was lost, a join with a position adds to what was known", () => {
  const world = joined();
  world.open({ session_id: "ann2" });
  assert.equal(world.picture.rooms.size, 0);
  world.join([entry("hand", 1, 12)], { version: 12, params: { since: { epoch: "e1", version: 10 } } });
  assert.deepEqual(world.values, { topic: "retro", hand: 1 });
  world.open({ session_id: "ann3" });
  world.join([entry("hand", 2, 13)], { version: 13, complete: true, params: { since: { epoch: "e1", version: 12 } } });
  assert.deepEqual(world.values, { hand: 2 });
});

test("a room that is watched shows masked entries without a value", () => {
  const masked = { key: "secret", masked: true, bytes: 12, version: 3, by: ANN, at: null };
  const world = watching([masked, entry("topic", "retro", 2), entry("deleted", null, 1)]);
  assert.deepEqual([world.room.watched, world.room.isFollowed("any")], [true, true]);
  assert.deepEqual(world.room.entries.get("secret"), masked);
  world.change(4, { ...masked, value: "slipped through", version: 4 });
  assert.equal("value" in world.room.entries.get("secret"), false);
  world.change(5, { key: "secret", value: null, version: 5, by: ANN, at: null });
  assert.deepEqual(world.values, { topic: "retro" });
  world.call("room.unwatch", { room: "standup" }, {});
  assert.equal(world.picture.rooms.size, 0);
});

test("who comes into a room watches it no longer", () => {
  const world = watching([entry("topic", "retro", 2)]);
  world.join([entry("topic", "retro", 2)], { params: { observe: ["topic"] } });
  assert.equal(world.room.watched, false);
  world.call("room.unwatch", { room: "standup" }, {});
  assert.deepEqual([world.values, world.room.isFollowed("other")], [{ topic: "retro" }, false]);
});

test("who watches with fewer rights than before sees none of the former values", () => {
  const world = watching([entry("topic", "retro", 2)]);
  world.tell("room.unwatched", { room: "standup", reason: "ACCESS_DENIED" });
  assert.equal(world.room, undefined);
  world.open({ session_id: "again" });
  const masked = { key: "topic", masked: true, bytes: 7, version: 2, by: ANN, at: null };
  const told = { room: "standup", epoch: "e1", version: 2, peers: [], count: 0, entries: [masked], values: false };
  world.call("room.watch", { room: "standup" }, told);
  assert.deepEqual([...world.room.entries.values()], [masked]);
});

test("frames of a socket that the session has left are listed and change nothing", () => {
  const world = joined();
  const change = { method: "room.changed", params: { room: "standup", epoch: "e1", version: 11, changes: [entry("x", 1, 11)] } };
  world.picture.feed("in", JSON.stringify(change), 1, { stranger: true });
  assert.equal(world.notes[0].method, "room.changed");
  assert.deepEqual(world.values, { topic: "retro" });
});

test("a frame that holds many is read in order", () => {
  const world = joined();
  const change = (version) => ({
    jsonrpc: "2.0",
    method: "room.changed",
    params: { room: "standup", epoch: "e1", version, changes: [entry("topic", version, version)] },
  });
  const id = world.ask("room.get", { room: "standup", key: "k" });
  world.feed("in", [change(11), { jsonrpc: "2.0", id, result: entry("k", 1, 5) }, change(12)]);
  assert.deepEqual(world.values, { topic: 12, k: 1 });
  assert.equal(world.picture.frames[0].form, "batch");
  assert.deepEqual(world.notes.map(({ kind, method }) => [kind, method]), [
    ["notification", "room.changed"],
    ["result", "room.get"],
    ["notification", "room.changed"],
  ]);
});

test("what no server would send harms nothing", () => {
  const world = joined();
  const before = world.picture.frames.length;
  const odd = [
    "null", "7", '"text"', "[]", "{}", "[[1]]", "[null]", '{"method":7}', '{"id":1,"result":null}', '{"id":null,"error":{}}',
    '{"method":"room.changed"}', '{"method":"room.changed","params":null}', '{"method":"room.changed","params":[1]}',
    '{"method":"room.changed","params":{"room":"standup","changes":7}}',
    '{"method":"room.changed","params":{"room":"standup","epoch":"e1","changes":[null]}}',
    '{"method":"room.peers","params":{"room":"standup","joined":[null],"left":7}}',
    '{"method":"session.changed"}', '{"method":"__proto__","params":{"room":"__proto__"}}', '{"__proto__":{"method":"x"}}',
  ];
  for (const text of odd) world.feed("in", text);
  for (const text of odd) world.feed("out", text);
  assert.equal(world.picture.frames.length, before + 2 * odd.length);
  assert.deepEqual(world.values, { topic: "retro" });
  assert.equal(Object.prototype.method, undefined);
});

test("names that objects have are names of rooms and keys", () => {
  const world = new World();
  world.open();
  for (const name of ["__proto__", "constructor", "toString"]) {
    world.call("room.join", { room: name }, { room: name, epoch: "e", version: 1, peers: [], count: 1, entries: [] });
    world.tell("room.changed", { room: name, epoch: "e", version: 2, changes: [entry(name, { a: 1 }, 2)] });
    assert.deepEqual(world.picture.rooms.get(name).entries.get(name).value, { a: 1 });
  }
});

test("memory is bounded, whatever comes", () => {
  const world = joined();
  for (let i = 0; i < 3000; i++) {
    world.change(20 + i, entry(`key/${i}`, i, 20 + i));
    world.tell("room.peers", { room: "standup", count: i, joined: [peer(`p${i}`)], left: [], updated: [] });
    world.ask("session.ping");
  }
  assert.equal(world.picture.frames.length, 200);
  assert.ok(world.room.entries.size <= 1000 && world.room.peers.size <= 1000);
  assert.equal(world.room.entries.has("key/2999"), true);
});
