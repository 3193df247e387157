/** Joining, peers, messages, leaving. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { AccessDenied } from "../../sessionstore_app/static/sessionstore_app/sdk/index.js";
import { entry, joined, ME, never, outcome, peer, settle, World } from "./world.mjs";

async function inRoom(changes = {}, options = {}) {
  const world = new World();
  const session = await world.connect();
  return { world, session, room: await world.join(session, changes, options) };
}

const ids = (peers) => peers.map(({ session_id }) => session_id);

test("joining twice gives the same room, and asks once", async () => {
  const { world, session, room } = await inRoom();
  assert.equal(await session.join("standup"), room);
  assert.equal(world.socket.calls("room.join").length, 1);
});

test("joining again may add to what is observed, and waits for the values", async () => {
  const { world, session } = await inRoom();
  const joining = session.join("standup", { observe: ["pinned"] });
  await settle();
  const call = world.socket.last("room.observe");
  await world.socket.reply(call, { observing: 1, epoch: "e1", version: 1, entries: [entry("pinned", "a", 1)] });
  assert.equal((await joining).store.value("pinned"), "a");
});

test("what a join observes stays observed without observers", async () => {
  const { world, room } = await inRoom({ entries: [entry("pinned", "a", 1)], version: 1 }, { observe: ["pinned"] });
  const stop = room.store.observe("pinned", () => {});
  await settle();
  stop();
  await settle();
  assert.equal(room.store.value("pinned"), "a");
  assert.equal(world.socket.calls("room.unobserve").length, 0);
});

test("the room shows where it is and what we are in it", async () => {
  const { room } = await inRoom({ version: 4, roles: ["host"] });
  assert.deepEqual(
    [room.name, room.epoch, room.version, room.roles, room.joined],
    ["standup", "e1", 4, ["host"], true],
  );
});

test("a refused join rejects, is not reported as well, and may be tried again", async () => {
  const world = new World();
  const session = await world.connect();
  session.onError(never("its caller knows"));
  const refused = assert.rejects(session.join("standup"), AccessDenied);
  await settle();
  await world.socket.refuse(world.socket.last("room.join"), "ACCESS_DENIED", {}, -32002);
  await refused;
  assert.equal((await world.join(session)).joined, true);
  assert.equal(world.socket.calls("room.join").length, 2);
});

test("a join called offline, or cut off, is done by the next connection", async () => {
  const world = new World();
  const session = await world.connect();
  const joining = session.join("standup");
  await settle();
  await world.socket.drop();
  await world.redial();
  await world.accept({ resumed: true });
  await world.socket.reply(world.socket.last("room.join"), joined());
  assert.equal((await joining).joined, true);
});

test("P17: a room that we may not come back to is given up, and reported once", async () => {
  const { world, session, room } = await inRoom();
  const errors = [];
  session.onError(({ reason }) => errors.push(reason));
  await world.reconnect({ resumed: false, rooms: [] });
  await world.socket.refuse(world.socket.last("room.join"), "ACCESS_DENIED");
  assert.deepEqual([errors, room.joined], [["ACCESS_DENIED"], false]);
  await world.reconnect({ resumed: false, rooms: [] });
  assert.equal(world.socket.calls("room.join").length, 0);
});

test("a live change right behind the reply to the join, in one frame, is not lost", async () => {
  const world = new World();
  const session = await world.connect();
  const joining = session.join("standup", { observe: ["k"] });
  await settle();
  const { id } = world.socket.last("room.join");
  const params = { room: "standup", epoch: "e1", version: 2, changes: [entry("k", "new", 2)] };
  await world.socket.receive([
    { jsonrpc: "2.0", id, result: joined({ version: 1, entries: [entry("k", "old", 1)] }) },
    { jsonrpc: "2.0", method: "room.changed", params },
  ]);
  assert.equal((await joining).store.value("k"), "new");
});

test("a change that overtakes the reply to the join is not lost", async () => {
  const world = new World();
  const session = await world.connect();
  const joining = session.join("standup", { observe: ["k"] });
  await settle();
  await world.socket.notify("room.changed", {
    room: "standup",
    epoch: "e1",
    version: 2,
    changes: [entry("k", "new", 2)],
  });
  const entries = [entry("k", "old", 1)];
  await world.socket.reply(world.socket.last("room.join"), joined({ version: 1, entries }));
  assert.equal((await joining).store.value("k"), "new");
});

test("peers are told at once, then as they come, change and go, the first to join first", async () => {
  const peers = [
    peer("late", "2030-01-01T00:00:02Z"),
    peer("b", "2030-01-01T00:00:01.5Z"),
    peer("a", "2030-01-01T00:00:01.500Z"),
  ];
  const { world, room } = await inRoom({ peers, count: 3 });
  const news = [];
  const stop = room.peers.observe((each) => news.push(each));
  assert.deepEqual([ids(news[0].peers), news[0].count, news[0].joined], [["a", "b", "late"], 3, []]);
  const updated = { ...peer("b", "2030-01-01T00:00:01.5Z"), state: "DISCONNECTED" };
  const left = [{ session_id: "late", reason: "LEFT" }];
  await world.socket.notify("room.peers", {
    room: "standup",
    count: 3,
    joined: [peer("new", "2030-01-02T00:00:00Z")],
    left,
    updated: [updated],
  });
  assert.deepEqual(ids(news[1].peers), ["a", "b", "new"]);
  assert.deepEqual([ids(news[1].joined), news[1].left, ids(news[1].updated)], [["new"], left, ["b"]]);
  assert.equal(room.peers.list[1].state, "DISCONNECTED");
  assert.equal(room.peers.count, 3);
  stop();
  await world.socket.notify("room.peers", {
    room: "standup",
    count: 2,
    joined: [],
    left: [{ session_id: "new", reason: "LEFT" }],
    updated: [],
  });
  assert.equal(news.length, 2);
});

test("peers who came and went while we were away are told on return", async () => {
  const { world, room } = await inRoom({ peers: [peer(ME), peer("gone")], count: 2 });
  const news = [];
  room.peers.observe((each) => news.push(each));
  await world.reconnect();
  await world.socket.reply(world.socket.last("room.join"), joined({ peers: [peer(ME), peer("new")], count: 2 }));
  const { joined: came, left } = news.at(-1);
  assert.deepEqual([ids(came), ids(left), ids(room.peers.list)], [["new"], ["gone"], ["new", ME].sort()]);
});

test("in a large room, those beyond the first page are not taken to have left", async () => {
  const { world, room } = await inRoom({ peers: [peer(ME), peer("b")], count: 2 });
  await world.socket.notify("room.peers", { room: "standup", count: 3, joined: [peer("c")], left: [], updated: [] });
  await world.reconnect();
  await world.socket.reply(world.socket.last("room.join"), joined({ peers: [peer(ME), peer("b")], count: 3 }));
  assert.deepEqual(ids(room.peers.list).sort(), ["b", "c", ME].sort());
});

const taken = (reason, joined = []) => ({
  room: "standup",
  count: 1,
  joined,
  left: [{ session_id: ME, reason }],
  updated: [],
});

test("a room that the server takes this session out of has ended, and that is told", async () => {
  const { world, session, room } = await inRoom({ peers: [peer(ME), peer("b")], count: 2 });
  const errors = [];
  session.onError((error) => errors.push(error));
  const waiting = Promise.all([outcome(room.store.set("a", 1)), outcome(room.store.set("b", 2))]);
  await settle();
  await world.socket.notify("room.peers", taken("ACCESS_DENIED"));
  assert.equal(room.joined, false);
  assert.equal(errors.length, 1);
  assert.ok(errors[0] instanceof AccessDenied);
  await assert.rejects(room.store.get("a"), AccessDenied);
  await world.socket.refuse(world.socket.last("room.set"), "NOT_JOINED");
  assert.deepEqual(await waiting, ["NOT_JOINED", "ACCESS_DENIED"]);
  await world.reconnect({ rooms: [] });
  assert.equal(world.socket.calls("room.join").length, 0);
});

test("a session that is about to be closed is taken out of its rooms first: the state says so, no error", async () => {
  const { world, session, room } = await inRoom();
  session.onError(never("the state says so"));
  await world.socket.notify("room.peers", taken("CLOSED_BY_CONTROLLER"));
  await assert.rejects(room.broadcast("chat"), { reason: "CLOSED_BY_CONTROLLER" });
  await world.socket.drop(4011);
  assert.equal(session.state, "closed");
});

test("joining after one was taken out gives another room", async () => {
  const { world, session, room } = await inRoom();
  await world.socket.notify("room.peers", taken("LEFT"));
  assert.equal(room.joined, false);
  assert.notEqual(await world.join(session), room);
});

test("being taken out overtakes the answer to the join: the room was entered, and has ended", async () => {
  const world = new World();
  const session = await world.connect();
  const joining = session.join("standup");
  await settle();
  await world.socket.notify("room.peers", taken("ACCESS_DENIED"));
  await world.socket.reply(world.socket.last("room.join"), joined());
  assert.equal((await joining).joined, false);
});

test("messages reach the listeners of their event", async () => {
  const { world, room } = await inRoom();
  const heard = [];
  const stop = room.onMessage("chat", ({ data, from, at }) => heard.push([data, from.session_id, at]));
  room.onMessage("other", never("another event"));
  const message = {
    room: "standup",
    event: "chat",
    data: { text: "hi" },
    from: { session_id: "b", principal: "b" },
    at: "now",
  };
  await world.socket.notify("room.message", message);
  stop();
  await world.socket.notify("room.message", message);
  assert.deepEqual(heard, [[{ text: "hi" }, "b", "now"]]);
});

test("a broadcast resolves to the number of receivers", async () => {
  const { world, room } = await inRoom();
  const sending = room.broadcast("chat", { text: "hi" });
  await settle();
  const call = world.socket.last("room.broadcast");
  assert.deepEqual(call.params, { room: "standup", event: "chat", data: { text: "hi" } });
  await world.socket.reply(call, { count: 3 });
  assert.equal(await sending, 3);
});

test("leaving ends every listener, and joining afterwards gives another room", async () => {
  const { world, session, room } = await inRoom({}, { observe: ["k"] });
  room.store.observe("k", (_, { initial }) => assert.ok(initial, "no change after leaving"));
  room.peers.observe(({ joined: came }) => assert.equal(came.length, 0, "nor peers"));
  await settle();
  const leaving = room.leave();
  await settle();
  await world.socket.reply(world.socket.last("room.leave"), { cleared: true });
  await leaving;
  assert.equal(room.joined, false);
  await world.socket.notify("room.changed", { room: "standup", epoch: "e1", version: 5, changes: [entry("k", 1, 5)] });
  await world.socket.notify("room.peers", { room: "standup", count: 2, joined: [peer("x")], left: [], updated: [] });
  const again = await world.join(session);
  assert.notEqual(again, room);
});

test("a room left while offline is left on return", async () => {
  const { world, room } = await inRoom();
  await world.socket.drop();
  await room.leave();
  await world.redial();
  await world.accept({ resumed: true, rooms: [{ room: "standup", epoch: "e1", version: 0 }] });
  assert.equal(world.socket.calls("room.join").length, 0);
  assert.deepEqual(world.socket.last("room.leave").params, { room: "standup" });
});

test("leaving while the connection breaks is no error", async () => {
  const { world, room } = await inRoom();
  const leaving = room.leave();
  await settle();
  await world.socket.drop();
  await leaving;
  await world.redial();
  await world.accept({ resumed: true, rooms: [{ room: "standup", epoch: "e1", version: 0 }] });
  assert.equal(world.socket.calls("room.leave").length, 1);
});

test("a session that ends before the join was answered rejects the join", async () => {
  const world = new World();
  const session = await world.connect();
  const joining = assert.rejects(session.join("standup"), { reason: "REVOKED" });
  await settle();
  await world.socket.drop(4014);
  await joining;
});
