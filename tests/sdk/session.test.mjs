/** Opening, losing, resuming and ending a session. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { AccessDenied, connect, SessionStoreError } from "../../sessionstore_app/static/sessionstore_app/sdk/index.js";
import { backoff, makeRetryTimer } from "../../sessionstore_app/static/sessionstore_app/sdk/timer.js";
import { FakeStorage, joined, seeded, settle, World } from "./world.mjs";

const KEY = "sessionstore:ws://example.test/ws/sessionstore/";

test("backoff is full jitter within a window that doubles up to a limit", () => {
  const delay = backoff(seeded(7), 3000, 10_000);
  for (let tries = 0; tries < 40; tries++) {
    const ms = delay(tries);
    assert.ok(ms >= 0 && ms <= Math.min(10_000, 3000 * 2 ** tries), `${tries}: ${ms}`);
  }
  assert.notEqual(delay(3), delay(3));
});

test("the retry timer counts its tries, and starts over when told", async () => {
  const { clock } = new World();
  let runs = 0;
  const timer = makeRetryTimer(
    clock,
    (tries) => tries * 100,
    () => runs++,
  );
  assert.deepEqual([timer.start(), timer.start(), timer.start()], [0, 100, 200]);
  await clock.advance(200);
  assert.equal(runs, 1, "starting again replaces what waited");
  timer.reset();
  assert.equal(timer.start(), 0);
  assert.equal(timer.start(5), 5000, "the server's word counts where it is longer");
  timer.stop();
  await clock.advance(10_000);
  assert.equal(runs, 1);
});

test("listeners of the state hear the present one at once, then each change", async () => {
  const world = new World();
  const session = await world.connect();
  const states = [];
  const stop = session.onState((state, detail) => states.push([state, detail]));
  await world.socket.drop(1012);
  assert.deepEqual(states, [
    ["open", {}],
    ["reconnecting", { code: 1012, reason: "SERVER_SHUTDOWN", retryInMs: 1500 }],
  ]);
  stop();
  await world.clock.advance(1500);
  await world.accept({ resumed: true });
  assert.equal(states.length, 2);
  assert.equal(session.state, "open");
});

test("after these close codes the client comes back", async () => {
  for (const code of [1001, 1006, 1011, 1012, 4000, 4001, 4002, 4006, 4102]) {
    const world = new World();
    const session = await world.connect();
    await world.socket.drop(code);
    assert.equal(session.state, "reconnecting", String(code));
    await world.clock.advance(10_000);
    assert.ok(world.sockets.length > 1);
  }
});

test("after others it stays away, and says why", async () => {
  const reasons = {
    4003: "MESSAGE_QUEUE_LIMIT_REACHED",
    4008: "ABORTED",
    4009: "LOST_MESSAGES",
    4011: "CLOSED_BY_CONTROLLER",
    4012: "FAILED_OVER",
    4013: "EXPIRED",
    4014: "REVOKED",
  };
  for (const [code, reason] of Object.entries(reasons)) {
    const world = new World();
    const session = await world.connect();
    await world.socket.drop(Number(code));
    assert.equal(session.state, "closed");
    session.onState((state, detail) => assert.deepEqual([state, detail], ["closed", { code: Number(code), reason }]));
    assert.equal(world.clock.pending, 0, "nothing is left behind");
  }
});

test("D4: connect keeps trying while the network fails, with growing windows", async () => {
  const world = new World();
  const connecting = world.dial();
  await settle();
  const waits = [];
  for (let tries = 0; tries < 4; tries++) {
    await world.socket.drop();
    waits.push(await world.redial());
  }
  assert.deepEqual(waits, [1500, 3000, 5000, 5000]);
  await world.accept();
  assert.equal((await connecting).state, "open");
});

test("a socket that opens and dies young is not dialled again in haste", async () => {
  const world = new World();
  const session = await world.connect();
  const waits = [];
  session.onState((state, { retryInMs }) => retryInMs !== undefined && waits.push(retryInMs));
  for (let i = 0; i < 3; i++) await world.reconnect({ rooms: [] });
  await world.socket.notify("session.heartbeat", {});
  await world.socket.drop();
  assert.deepEqual(waits, [1500, 3000, 5000, 1500]);
});

test("connect gives up after connectTimeoutMs", async () => {
  const world = new World();
  const failing = assert.rejects(world.dial({ connectTimeoutMs: 5000 }), { reason: "CONNECT_TIMEOUT" });
  await world.clock.advance(5000);
  await failing;
  assert.equal(world.clock.pending, 0);
});

test("a refused token rejects connect", async () => {
  const world = new World();
  const failing = assert.rejects(world.dial({ token: "bad" }), AccessDenied);
  await settle();
  world.socket.onopen({});
  await world.socket.refuse(world.socket.last("session.open"), "ACCESS_DENIED", {}, -32002);
  await failing;
  assert.equal(world.clock.pending, 0);
});

test("a server that is not ready is asked again when it said", async () => {
  const world = new World();
  const connecting = world.dial();
  await settle();
  world.socket.onopen({});
  await world.socket.refuse(world.socket.last("session.open"), "UNAVAILABLE", { retry_after_seconds: 9 });
  await world.clock.advance(8_999);
  assert.equal(world.sockets.length, 1);
  await world.clock.advance(1);
  await world.accept();
  assert.equal((await connecting).state, "open");
});

test("a token function is asked before each attempt, and may fail for a while", async () => {
  const world = new World();
  const tokens = ["first", null, "second"];
  const token = async () => tokens.shift() ?? assert.fail("the token service is away");
  await world.connect({ token });
  await world.socket.drop();
  await world.clock.advance(1500);
  assert.equal(world.sockets.length, 1, "without a token nothing is dialled");
  await world.clock.advance(3000);
  world.socket.onopen({});
  assert.equal(world.socket.last("session.open").params.token, "second");
});

test("an address that is none rejects connect", async () => {
  await assert.rejects(connect({ url: "no address", WebSocket: class {} }), TypeError);
});

test("without any WebSocket the error says what to do", async () => {
  await assert.rejects(connect({ url: "ws://example.test/" }), /options\.WebSocket/);
});

test("a reconnect resumes with the newest token and with the position of each room", async () => {
  const world = new World();
  const session = await world.connect();
  const room = await world.join(session, { version: 3 });
  await world.socket.notify("room.changed", { room: "standup", epoch: "e1", version: 5, changes: [] });
  await world.socket.drop();
  await world.clock.advance(1500);
  world.socket.onopen({});
  const { resume } = world.socket.last("session.open").params;
  assert.deepEqual(resume, {
    session_id: "session-1",
    resume_token: "token-1",
    rooms: { standup: { epoch: "e1", version: 5 } },
  });
  assert.equal(room.joined, true);
});

test("T16: the server's warning, or any other news that this version does not know, does no harm", async () => {
  const world = new World();
  const session = await world.connect();
  const room = await world.join(session);
  const errors = [];
  session.onError((error) => errors.push(error));
  const warning = { reason: "RATE_LIMITED", retry_after_seconds: 2, refused: 51, closes_after: 101, hint: "Wait." };
  await world.socket.notify("session.warning", warning);
  await world.socket.notify("session.to_come", { listener_id: "l1" });
  await world.socket.receive({ jsonrpc: "2.0", method: "room.to_come" });
  assert.deepEqual(errors, []);
  assert.deepEqual([session.state, room.joined], ["open", true]);
  assert.equal(world.sockets.length, 1);
});

test("coming online dials at once", async () => {
  const world = new World();
  await world.connect();
  await world.socket.drop();
  assert.equal(world.sockets.length, 1);
  world.page.dispatchEvent(new Event("online"));
  await settle();
  assert.equal(world.sockets.length, 2);
});

test("going offline verifies the connection instead of believing the browser", async () => {
  const world = new World();
  const session = await world.connect();
  world.page.dispatchEvent(new Event("offline"));
  await world.socket.reply(world.socket.last("session.ping"), { server_time: "now" });
  await world.clock.advance(6_000);
  assert.equal(session.state, "open", "an answer came, so the link works");
  world.page.dispatchEvent(new Event("offline"));
  await world.clock.advance(5_000);
  assert.equal(session.state, "reconnecting");
});

test("a page that reloads resumes its session, and does not use an op twice", async () => {
  const world = new World();
  const session = await world.connect();
  const room = await world.join(session);
  room.store.set("k", 1);
  await settle();
  const { op } = world.socket.last("room.set").params;
  world.page.dispatchEvent(new Event("pagehide"));

  const reloaded = new World();
  reloaded.storage = world.storage;
  const again = await reloaded.connect({}, { resumed: true, rooms: [{ room: "standup", epoch: "e1", version: 1 }] });
  const { resume } = reloaded.socket.calls("session.open")[0].params;
  assert.deepEqual(resume, { session_id: "session-1", resume_token: "token-1", rooms: {} });
  assert.equal(again.resumed, true);
  const rejoined = await reloaded.join(again);
  rejoined.store.set("k", 2);
  await settle();
  assert.ok(reloaded.socket.last("room.set").params.op > op);
});

test("P18: a duplicated tab finds no resume token while the first one lives", async () => {
  const world = new World();
  await world.connect();
  assert.equal(world.storage.size, 0);
  world.page.dispatchEvent(new Event("pagehide"));
  assert.equal(world.storage.size, 1);
  world.page.dispatchEvent(new Event("pageshow"));
  assert.equal(world.storage.size, 0, "back from the cache of the browser, the page lives again");
});

test("P18: a session that was taken over does not fight back", async () => {
  const world = new World();
  const session = await world.connect();
  await world.socket.drop(4015);
  await world.clock.advance(120_000);
  assert.equal(world.sockets.length, 1);
  session.onState((state, { reason }) => assert.deepEqual([state, reason], ["closed", "SESSION_TAKEN_OVER"]));
  world.page.dispatchEvent(new Event("pagehide"));
  assert.equal(world.storage.size, 0);
});

test("without a page the ticket is kept up to date in the storage given", async () => {
  const world = new World();
  const session = await world.connect({ page: null });
  const room = await world.join(session);
  room.store.set("k", 1);
  await settle();
  assert.deepEqual(JSON.parse(world.storage.get(KEY)), { id: "session-1", token: "token-1", op: 1 });
});

test("a damaged or forbidden storage costs only the resume", async () => {
  const world = new World();
  world.storage.set(KEY, "{damaged");
  await world.connect();
  assert.equal(world.socket.last("session.open").params.resume, undefined);
  const forbidden = { getItem: () => assert.fail(), setItem: () => assert.fail(), removeItem: () => assert.fail() };
  const session = await new World().connect({ storage: forbidden, page: null });
  assert.equal(session.state, "open");
});

test("a reloaded page leaves the resumed rooms that it does not join again, after a while", async () => {
  const world = new World();
  const rooms = ["standup", "retro"].map((room) => ({ room, epoch: "e", version: 1 }));
  const session = await world.connect({}, { resumed: true, rooms, heartbeat_seconds: 1000 });
  await world.join(session);
  await world.clock.advance(29_999);
  assert.equal(world.socket.calls("room.leave").length, 0);
  await world.clock.advance(1);
  assert.deepEqual(
    world.socket.calls("room.leave").map(({ params }) => params.room),
    ["retro"],
  );
});

test("close says goodbye, and leaves no timer and no ticket behind", async () => {
  const world = new World();
  const session = await world.connect();
  await world.join(session);
  const closing = session.close();
  await settle();
  await world.socket.reply(world.socket.last("session.close"), {});
  await closing;
  assert.equal(session.state, "closed");
  assert.equal(world.clock.pending, 0);
  world.page.dispatchEvent(new Event("pagehide"));
  assert.equal(world.storage.size, 0);
  await session.close();
  await assert.rejects(session.join("standup"), { reason: "DISCONNECTED" });
});

test("close does not wait for a server that is silent, nor for one that is away", async () => {
  const silent = new World();
  const closing = (await silent.connect()).close();
  await silent.clock.advance(2_000);
  await closing;
  const away = new World();
  const session = await away.connect();
  await away.socket.drop();
  await session.close();
  assert.deepEqual([away.clock.pending, session.state], [0, "closed"]);
});

test("closing while the first attempt is under way rejects connect", async () => {
  const world = new World();
  const failing = assert.rejects(world.dial({ storage: new FakeStorage() }), SessionStoreError);
  await settle();
  await world.socket.drop(4103);
  await failing;
});

test("a listener that throws harms nobody, and is logged", async () => {
  const world = new World();
  const session = await world.connect();
  const heard = [];
  session.onState(() => assert.fail("mine"));
  session.onState((state) => heard.push(state));
  assert.deepEqual(heard, ["open"]);
  assert.ok(world.log.some(([level]) => level === "error"));
});

test("H3: a room is announced when its store becomes usable, to late listeners at once", async () => {
  const world = new World();
  const session = await world.connect();
  const early = [];
  session.onSessionStoreAvailable((room) => early.push(room));
  const joining = session.join("standup");
  await settle();
  assert.deepEqual(early, []);
  await world.socket.reply(world.socket.last("room.join"), joined());
  const room = await joining;
  const late = [];
  session.onSessionStoreAvailable((available) => late.push(available));
  assert.deepEqual([early, late], [[room], [room]]);
  await world.reconnect();
  await world.socket.reply(world.socket.last("room.join"), joined());
  assert.equal(early.length, 1, "once a room");
});
