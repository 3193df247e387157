/** One socket: JSON-RPC, typed errors, acks, heartbeats. */

import assert from "node:assert/strict";
import { test } from "node:test";
import * as sdk from "../../sessionstore_app/static/sessionstore_app/sdk/index.js";
import { entry, opened, settle, World } from "./world.mjs";

test("session.open is the first request, and says what this client understands", async () => {
  const world = new World();
  await world.connect({ token: "secret", properties: { Color: "red" }, client: { name: "me", version: "1" } });
  const [first] = world.socket.sent;
  assert.equal(first.method, "session.open");
  assert.deepEqual(first.params, {
    token: "secret",
    properties: { Color: "red" },
    client: { name: "me", version: "1" },
    heartbeat: true,
    batch: true,
  });
});

test("the session shows what the server answered", async () => {
  const session = await new World().connect({}, { roles: ["host"], permissions: ["manage_room"] });
  assert.equal(session.id, "session-1");
  assert.equal(session.principal, "ada");
  assert.deepEqual(session.roles, ["host"]);
  assert.deepEqual(session.permissions, ["manage_room"]);
  assert.equal(session.limits.value_bytes, 1024);
  assert.equal(session.resumed, false);
  assert.equal(session.state, "open");
  assert.ok(!Object.values(session).includes("token-1"), "the resume token is nobody's business");
});

test("replies find their request in any order, also several in one frame", async () => {
  const world = new World();
  const session = await world.connect();
  const room = await world.join(session);
  const reads = Promise.all(["a", "b", "c"].map((key) => room.store.get(key)));
  const [a, b, c] = world.socket.calls("room.get");
  const reply = ({ id, params }) => ({ jsonrpc: "2.0", id, result: entry(params.key, params.key.toUpperCase(), 1) });
  await world.socket.receive([reply(c), reply(a)]);
  await world.socket.receive(reply(b));
  assert.deepEqual(await reads, ["A", "B", "C"]);
});

test("each reason of the protocol has its own class", async () => {
  const world = new World();
  const session = await world.connect();
  const room = await world.join(session);
  const codes = [-32700, -32600, -32601, -32602, -32603, ...Array.from({ length: 19 }, (_, i) => -32001 - i)];
  for (const [i, [reason, Class]] of [...sdk.ERRORS].slice(0, codes.length).entries()) {
    const code = codes[i];
    const name = reason.toLowerCase().replace(/(^|_)[a-z]/g, (part) => part.at(-1).toUpperCase());
    assert.equal(sdk[name], Class, reason);
    if (["UNAVAILABLE", "RATE_LIMITED"].includes(reason)) continue; // these are asked again
    const reading = assert.rejects(room.store.get("k"), (error) => {
      assert.ok(error instanceof Class && error instanceof sdk.SessionStoreError, reason);
      assert.deepEqual([error.reason, error.hint, error.code], [reason, "mind this", code]);
      return true;
    });
    await settle();
    await world.socket.refuse(world.socket.last("room.get"), reason, { hint: "mind this" }, code);
    await reading;
  }
});

test("the reasons are those of the protocol, and two of our own", () => {
  assert.deepEqual(
    [...sdk.ERRORS.keys()],
    [
      ...["PARSE_ERROR", "INVALID_REQUEST", "METHOD_NOT_FOUND", "INVALID_PARAMS", "INTERNAL_ERROR", "NOT_OPEN"],
      ...["ACCESS_DENIED", "NO_SUCH_SESSION", "NOT_JOINED", "VERSION_CONFLICT", "VALUE_TOO_LARGE", "TOO_MANY_KEYS"],
      ...["STORE_TOO_LARGE", "INVALID_KEY", "INVALID_FILTER", "UNAVAILABLE", "RATE_LIMITED", "LIMIT_EXCEEDED"],
      ...["INVALID_VALUE", "LOCK_NOT_HELD", "LOCK_TIMEOUT", "WRONG_TRANSPORT", "NOT_FOUND", "STORE_DESTROYED"],
      ...["DISCONNECTED", "OUTCOME_UNKNOWN"],
    ],
  );
});

test("an error carries what helps to act", async () => {
  const world = new World();
  const session = await world.connect();
  const room = await world.join(session);
  const current = entry("k", 1, 7);
  const writing = assert.rejects(room.store.set("k", 2, { ifVersion: 6 }), (error) => {
    assert.ok(error instanceof sdk.VersionConflict);
    assert.deepEqual([error.current, error.limit, error.actual], [current, 5, 6]);
    return true;
  });
  await settle();
  await world.socket.refuse(world.socket.last("room.set"), "VERSION_CONFLICT", { current, limit: 5, actual: 6 });
  await writing;
});

test("a reason this client does not know is still a SessionStoreError", async () => {
  const world = new World();
  const session = await world.connect();
  const room = await world.join(session);
  const reading = assert.rejects(room.store.get("k"), { reason: "__proto__", code: -32099 });
  await world.socket.refuse(world.socket.last("room.get"), "__proto__", {}, -32099);
  await reading;
});

test("each heartbeat is answered with the bytes of all text frames so far, counted as UTF-8", async () => {
  const world = new World();
  await world.connect();
  const reply = JSON.stringify({ jsonrpc: "2.0", id: 1, result: opened() });
  const noise = JSON.stringify({ jsonrpc: "2.0", method: "room.message", params: { room: "x", data: "grüße 👋" } });
  const beat = JSON.stringify({ jsonrpc: "2.0", method: "session.heartbeat", params: { server_time: "now" } });
  await world.socket.receive(noise);
  await world.socket.receive(beat);
  const { id, params } = world.socket.last("session.ack");
  assert.equal(id, undefined, "a notification");
  assert.equal(params.bytes, Buffer.byteLength(reply) + Buffer.byteLength(noise) + Buffer.byteLength(beat));
});

test("64 KiB are acknowledged without a heartbeat", async () => {
  const world = new World();
  await world.connect();
  const chunk = { jsonrpc: "2.0", method: "room.message", params: { room: "x", data: "x".repeat(20_000) } };
  for (let i = 0; i < 3; i++) await world.socket.receive(chunk);
  assert.equal(world.socket.calls("session.ack").length, 0);
  await world.socket.receive(chunk);
  assert.equal(world.socket.calls("session.ack").length, 1);
  assert.ok(world.socket.last("session.ack").params.bytes > 65_536);
});

test("bytes are counted anew on each socket", async () => {
  const world = new World();
  await world.connect();
  await world.socket.receive({ jsonrpc: "2.0", method: "room.message", params: { data: "x".repeat(5_000) } });
  await world.reconnect({ rooms: [] });
  await world.socket.notify("session.heartbeat", {});
  assert.ok(world.socket.last("session.ack").params.bytes < 1_500);
});

test("no heartbeat for two and a half intervals: the client reconnects", async () => {
  const world = new World();
  const session = await world.connect();
  await world.clock.advance(24_000);
  await world.socket.notify("session.heartbeat", {});
  await world.clock.advance(24_999);
  assert.equal(session.state, "open");
  const [old] = world.sockets;
  await world.clock.advance(1);
  assert.equal(session.state, "reconnecting");
  assert.notEqual(old.closedWith, null);
});

test("a server that accepts the socket and never answers is dialled again", async () => {
  const world = new World();
  world.dial();
  await settle();
  world.socket.onopen({});
  await world.clock.advance(10_000 + 1_500);
  assert.equal(world.sockets.length, 2);
});

test("a frame that is not JSON is a broken connection", async () => {
  const world = new World();
  const session = await world.connect();
  await world.socket.receive("{nonsense");
  assert.equal(session.state, "reconnecting");
  assert.ok(world.log.some(([level]) => level === "error"));
});

test("the round trip is measured", async () => {
  const world = new World();
  const session = await world.connect();
  const room = await world.join(session);
  const reading = room.store.get("k");
  await world.clock.advance(42);
  await world.socket.reply(world.socket.last("room.get"), entry("k", 1, 1));
  await reading;
  assert.equal(session.latencyMs, 42);
});

test("a reply that cannot be used breaks the connection instead of leaving its caller waiting", async () => {
  const world = new World();
  const session = await world.connect();
  const room = await world.join(session);
  const writing = room.store.set("k", 1);
  await settle();
  await world.socket.reply(world.socket.last("room.set"), null);
  assert.equal(session.state, "reconnecting");
  await world.redial();
  await world.accept({ resumed: true, rooms: [{ room: "standup", epoch: "e1", version: 0 }] });
  await world.socket.reply(world.socket.last("room.set"), entry("k", 1, 1));
  assert.equal((await writing).version, 1);
});

test("a frame that the server would close the session for is never sent", async () => {
  const world = new World();
  const session = await world.connect();
  const room = await world.join(session);
  const sent = world.socket.sent.length;
  await assert.rejects(room.broadcast("chat", "x".repeat(65_536)), sdk.LimitExceeded);
  assert.equal(world.socket.sent.length, sent);
});
