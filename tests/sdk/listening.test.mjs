/** Listeners of session events: what they are told, over reconnects too, and how they end. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { AccessDenied, InvalidFilter } from "../../sessionstore_app/static/sessionstore_app/sdk/index.js";
import { makeSightings } from "../../sessionstore_app/static/sessionstore_app/sdk/sightings.js";
import { never, World } from "./world.mjs";

const event = (session_id, revision, changes = {}) => ({
  session_id,
  type: "STATE",
  state: "ACTIVE",
  properties: {},
  changed_properties: {},
  close_reason: null,
  matches: true,
  revision,
  ...changes,
});

/** What tests look at: who, what, and how. */
const brief = ({ session_id, type, state, changed_properties, revision }) => [
  session_id,
  type === "STATE" ? state : type,
  revision,
  changed_properties,
];

/** A world with one listener, which is registered as L1 unless `registered` is false. */
async function listening(query = {}, { registered = true, ...options } = {}) {
  const world = new World();
  const session = await world.connect();
  const told = [];
  const stop = session.sessions.listen(query, (news) => told.push(news), options);
  if (registered) await world.answer("session.listen", { listener_id: "L1" });
  const tell = (listener_id, ...events) =>
    world.socket.receive(
      events.map((each) => ({ jsonrpc: "2.0", method: "session.event", params: { listener_id, ...each } })),
    );
  const done = (listener_id, count = 0) => world.socket.notify("session.listening", { listener_id, count });
  return { world, session, told, stop, tell, done };
}

/** That world after a reconnect: what was known, and what comes in the new burst. */
async function returning(before, after, query = {}) {
  const scene = await listening(query);
  await scene.tell("L1", ...before);
  await scene.done("L1", before.length);
  scene.told.length = 0;
  await scene.world.reconnect({ rooms: [] });
  await scene.world.answer("session.listen", { listener_id: "L2" });
  await scene.tell("L2", ...after);
  await scene.done("L2", after.length);
  return scene;
}

test("D50-D53: a listener asks for what it wants", async () => {
  const world = new World();
  const session = await world.connect();
  const query = { filter: "has mood", room: "standup", properties: ["mood"], after: new Date(0) };
  session.sessions.listen(query, () => {});
  const { params } = await world.asked("session.listen");
  assert.deepEqual(params, {
    filter: "has mood",
    room: "standup",
    properties: ["mood"],
    after: "1970-01-01T00:00:00.000Z",
  });
});

test("D54-D57: events are told as they come", async () => {
  const { told, tell } = await listening({ properties: ["mood"] });
  const events = [
    event("a", 1, { properties: { mood: "idle" } }),
    event("a", 2, { type: "PROPERTIES", properties: {}, changed_properties: { mood: "idle" } }),
    event("a", 3, { state: "DISCONNECTED" }),
    event("a", 4, { state: "RECONNECTED" }),
    event("a", 5, { type: "PROPERTIES", changed_properties: { mood: "what the server says" } }),
    event("a", 6, { state: "CLOSED", close_reason: "CLOSED_BY_CONTROLLER" }),
  ];
  await tell("L1", ...events);
  assert.deepEqual(told, events);
});

test("those that were there are announced complete, once", async () => {
  const ready = [];
  const { world, tell, done } = await listening({}, { onReady: (count) => ready.push(count) });
  await tell("L1", event("a", 1), event("b", 1));
  assert.deepEqual(ready, []);
  await done("L1", 2);
  assert.deepEqual(ready, [2]);
  await world.reconnect({ rooms: [] });
  await world.answer("session.listen", { listener_id: "L2" });
  await done("L2", 0);
  assert.deepEqual(ready, [2]);
});

test("P31: repeats and late news are dropped, also of sessions that went", async () => {
  const { told, tell } = await listening();
  const repeated = [
    event("a", 3),
    event("a", 3),
    event("a", 2, { state: "DISCONNECTED" }),
    event("b", 1),
    event("b", 2, { state: "CLOSED" }),
    event("b", 1),
    event("b", 2, { state: "CLOSED" }),
    event("c", 4),
    event("c", 5, { type: "PROPERTIES", matches: false }),
    event("c", 4),
  ];
  await tell("L1", ...repeated);
  assert.deepEqual(told.map(brief), [
    ["a", "ACTIVE", 3, {}],
    ["b", "ACTIVE", 1, {}],
    ["b", "CLOSED", 2, {}],
    ["c", "ACTIVE", 4, {}],
    ["c", "PROPERTIES", 5, {}],
  ]);
});

test("D61: a session that left the filter may come back to it", async () => {
  const { told, tell } = await listening();
  await tell("L1", event("a", 1), event("a", 2, { type: "PROPERTIES", matches: false }), event("a", 5));
  assert.deepEqual(told.map(brief).at(-1), ["a", "ACTIVE", 5, {}]);
});

test("after a reconnect it is registered again, and what is unchanged is not told", async () => {
  const before = [event("a", 1), event("b", 4, { properties: { mood: "idle" } })];
  const { world, told } = await returning(before, before, { filter: "all", properties: ["mood"] });
  assert.deepEqual(world.socket.last("session.listen").params, { filter: "all", properties: ["mood"] });
  assert.deepEqual(told, []);
});

test("sessions that opened while away are told as they come", async () => {
  const { told } = await returning([event("a", 1)], [event("a", 1), event("b", 1)]);
  assert.deepEqual(told.map(brief), [["b", "ACTIVE", 1, {}]]);
});

test("sessions that went while away are told closed, with what they last were", async () => {
  const properties = { mood: "idle" };
  const before = [event("a", 1), event("b", 7, { properties })];
  const { world, told, tell, done } = await returning(before, [event("a", 1)]);
  assert.deepEqual(told, [event("b", 7, { state: "CLOSED", properties })]);
  await tell("L2", event("b", 7, { state: "CLOSED" }));
  await world.reconnect({ rooms: [] });
  await world.answer("session.listen", { listener_id: "L3" });
  await tell("L3", event("a", 1));
  await done("L3", 1);
  assert.equal(told.length, 1);
});

test("properties that changed while away are told with what they were", async () => {
  const { told } = await returning(
    [event("a", 1, { properties: { mood: "idle", old: "1" } })],
    [event("a", 4, { properties: { mood: "busy", new: "2" } })],
  );
  assert.deepEqual(told, [
    event("a", 4, {
      type: "PROPERTIES",
      properties: { mood: "busy", new: "2" },
      changed_properties: { mood: "idle", old: "1", new: null },
    }),
  ]);
});

test("a session that changed only in what nobody asked for is not told, but its revision is known", async () => {
  const { told, tell } = await returning([event("a", 1)], [event("a", 4)]);
  await tell("L2", event("a", 3, { state: "DISCONNECTED" }));
  assert.deepEqual(told, []);
});

test("a session that was lost while away is told so", async () => {
  const { told } = await returning(
    [event("a", 1, { properties: { mood: "idle" } })],
    [event("a", 2, { state: "DISCONNECTED", properties: { mood: "busy" } })],
  );
  assert.deepEqual(told.map(brief), [["a", "DISCONNECTED", 2, { mood: "idle" }]]);
});

test("a session shown as open and then as away is told so, each once", async () => {
  const shown = [event("a", 4), event("a", 5, { state: "DISCONNECTED" })];
  const { told } = await returning([event("a", 4)], shown);
  assert.deepEqual(told.map(brief), [["a", "DISCONNECTED", 5, {}]]);
  const again = await returning(shown, shown);
  assert.deepEqual(again.told, []);
});

test("a session that came back while away is told as that, not as a new one", async () => {
  const { told } = await returning([event("a", 2, { state: "DISCONNECTED" })], [event("a", 3)]);
  assert.deepEqual(told.map(brief), [["a", "RECONNECTED", 3, {}]]);
});

test("a session that is back, as we heard, is unchanged when it is shown as active", async () => {
  const before = [event("a", 1), event("a", 2, { state: "DISCONNECTED" }), event("a", 3, { state: "RECONNECTED" })];
  const { told } = await returning(before, [event("a", 3)]);
  assert.deepEqual(told, []);
});

test("what happens before all are shown is told, and not taken for absence", async () => {
  const before = [event("a", 1), event("b", 1), event("c", 1, { properties: { mood: "idle" } }), event("d", 1)];
  const { told } = await returning(before, [
    event("a", 2, { state: "CLOSED", close_reason: "EXPIRED" }),
    event("b", 3, { state: "FAILED_OVER" }),
    event("c", 3, { type: "PROPERTIES", properties: { mood: "busy" }, changed_properties: { mood: "worried" } }),
    event("c", 2, { properties: { mood: "worried" } }),
    event("d", 2, { type: "PROPERTIES", matches: false }),
  ]);
  assert.deepEqual(told.map(brief), [
    ["a", "CLOSED", 2, {}],
    ["b", "FAILED_OVER", 3, {}],
    ["c", "PROPERTIES", 3, { mood: "idle" }],
    ["d", "PROPERTIES", 2, {}],
  ]);
  assert.equal(told[0].close_reason, "EXPIRED");
});

test("a connection that breaks before all are shown makes nobody absent", async () => {
  const { world, told, tell, done } = await listening();
  await tell("L1", event("a", 1), event("b", 1));
  await world.reconnect({ rooms: [] });
  await world.answer("session.listen", { listener_id: "L2" });
  await tell("L2", event("b", 1));
  await world.reconnect({ rooms: [] });
  await world.answer("session.listen", { listener_id: "L3" });
  await tell("L3", event("b", 1), event("a", 1));
  await done("L3", 2);
  assert.deepEqual(told.map(brief), [
    ["a", "ACTIVE", 1, {}],
    ["b", "ACTIVE", 1, {}],
  ]);
});

test("a fresh session of our own goes on listening", async () => {
  const { world, told, tell, done } = await listening();
  await tell("L1", event("a", 1));
  await world.reconnect({ rooms: [], resumed: false, session_id: "session-9" });
  await world.answer("session.listen", { listener_id: "L1" });
  await done("L1");
  assert.deepEqual(told.map(brief).at(-1), ["a", "CLOSED", 1, {}]);
});

test("D53: with after nobody is shown at first, and yet those who went while away are told", async () => {
  const started = (ms, changes) => event("x", 1, { properties: { $StartTime: String(ms) }, ...changes });
  const { world, told, tell, done } = await listening({ after: 1000, properties: ["mood"] });
  await done("L1");
  await tell("L1", event("a", 1, { properties: { mood: "idle" } }), event("b", 1), event("c", 1));
  told.length = 0;
  await world.reconnect({ rooms: [] });
  const { properties } = await world.answer("session.listen", { listener_id: "L2" });
  assert.deepEqual(properties, ["mood", "$StartTime"], "without after, or those who are still there would not come");
  await tell(
    "L2",
    started(1500, { session_id: "a", revision: 2, properties: { $StartTime: "1500", mood: "busy" } }),
    started(1600, { session_id: "b" }),
    started(900, { session_id: "older" }),
    started(1000, { session_id: "as old" }),
    started(2000, { session_id: "newer" }),
  );
  await done("L2", 5);
  await tell(
    "L2",
    started(900, { session_id: "older", revision: 2, type: "PROPERTIES" }),
    event("b", 2, { state: "CLOSED" }),
  );
  assert.deepEqual(told.map(brief), [
    ["a", "PROPERTIES", 2, { mood: "idle" }],
    ["newer", "ACTIVE", 1, {}],
    ["c", "CLOSED", 1, {}],
    ["b", "CLOSED", 2, {}],
  ]);
  assert.deepEqual(told[0].properties, { mood: "busy" }, "nobody asked for the time");
});

test("the time of the start is shown to whoever asks for it", async () => {
  for (const keys of [["$StartTime"], ["*F"]]) {
    const { told, tell } = await listening({ properties: keys });
    await tell("L1", event("a", 1, { properties: { $StartTime: "5" } }));
    assert.deepEqual(told[0].properties, { $StartTime: "5" });
  }
});

test("events that overtake the answer to the registration are not lost", async () => {
  const { world, told, tell } = await listening({}, { registered: false });
  const call = await world.asked("session.listen");
  await tell("L1", event("a", 1));
  assert.deepEqual(told, []);
  const { id } = call;
  await world.socket.receive([
    { jsonrpc: "2.0", id, result: { listener_id: "L1" } },
    {
      jsonrpc: "2.0",
      method: "session.event",
      params: { listener_id: "L1", ...event("a", 2, { state: "DISCONNECTED" }) },
    },
  ]);
  assert.deepEqual(told.map(brief), [
    ["a", "ACTIVE", 1, {}],
    ["a", "DISCONNECTED", 2, {}],
  ]);
});

test("several listeners hear each their own", async () => {
  const { world, session, told, tell } = await listening();
  const others = [];
  session.sessions.listen({}, (news) => others.push(news.session_id));
  await world.answer("session.listen", { listener_id: "L2" });
  await tell("L1", event("a", 1));
  await tell("L2", event("b", 1));
  await tell("nobody's", event("c", 1));
  assert.deepEqual([told.map(({ session_id }) => session_id), others], [["a"], ["b"]]);
});

test("a stopped listener hears nothing more, not even the rest of a frame", async () => {
  const world = new World();
  const session = await world.connect();
  const told = [];
  const stop = session.sessions.listen({}, (news) => {
    told.push(news);
    stop();
  });
  await world.answer("session.listen", { listener_id: "L1" });
  const params = (id) => ({ listener_id: "L1", ...event(id, 1) });
  await world.socket.receive(["a", "b"].map((id) => ({ jsonrpc: "2.0", method: "session.event", params: params(id) })));
  assert.equal(told.length, 1);
  assert.deepEqual((await world.asked("session.unlisten")).params, { listener_id: "L1" });
  stop();
  await world.reconnect({ rooms: [] });
  assert.equal(world.socket.calls("session.listen").length, 0);
});

test("a listener stopped while absences are told hears of no more of them", async () => {
  const world = new World();
  const session = await world.connect();
  const closed = [];
  const stop = session.sessions.listen({}, ({ session_id, state }) => {
    if (state !== "CLOSED") return;
    closed.push(session_id);
    stop();
  });
  await world.answer("session.listen", { listener_id: "L1" });
  for (const id of ["a", "b"]) await world.socket.notify("session.event", { listener_id: "L1", ...event(id, 1) });
  await world.reconnect({ rooms: [] });
  await world.answer("session.listen", { listener_id: "L2" });
  await world.socket.notify("session.listening", { listener_id: "L2", count: 0 });
  assert.deepEqual(closed, ["a"]);
});

test("what an older connection called a listener means nothing to the next one", async () => {
  const { world, stop, told, tell } = await listening();
  await world.reconnect({ rooms: [] });
  await world.asked("session.listen");
  await tell("L1", event("a", 1));
  assert.deepEqual(told, []);
  await world.socket.drop();
  stop();
  await world.redial();
  await world.accept({ resumed: true });
  assert.deepEqual(
    world.socket.sent.map(({ method }) => method),
    ["session.open"],
  );
});

test("a listener stopped before it was registered is registered for nobody", async () => {
  const { world, stop } = await listening({}, { registered: false });
  const call = await world.asked("session.listen");
  stop();
  await world.socket.reply(call, { listener_id: "L1" });
  assert.deepEqual((await world.asked("session.unlisten")).params, { listener_id: "L1" });

  const another = new World();
  const session = await another.connect();
  session.sessions.listen({}, () => {})();
  session.sessions.count().catch(() => {});
  await another.asked("session.count");
  assert.equal(another.socket.calls("session.listen").length, 0);
});

test("an undo is refused by a server that no longer knows the listener: that is no error", async () => {
  const { world, session, stop } = await listening();
  session.onError(never("nobody cares"));
  stop();
  await world.socket.refuse(await world.asked("session.unlisten"), "NOT_FOUND");
});

test("a listener added offline is registered by the next connection", async () => {
  const world = new World();
  const session = await world.connect();
  await world.socket.drop();
  const told = [];
  session.sessions.listen({ filter: "all" }, (news) => told.push(news));
  await world.redial();
  await world.accept({ resumed: true });
  assert.deepEqual(await world.answer("session.listen", { listener_id: "L1" }), { filter: "all" });
  await world.socket.notify("session.event", { listener_id: "L1", ...event("a", 1) });
  assert.equal(told.length, 1);
});

test("a store that is away for a moment does not make a second registration", async () => {
  const { world } = await listening({}, { registered: false });
  await world.socket.refuse(await world.asked("session.listen"), "UNAVAILABLE", { retry_after_seconds: 1 });
  await world.clock.advance(1_000);
  await world.answer("session.listen", { listener_id: "L1" });
  assert.equal(world.socket.calls("session.listen").length, 2);
});

test("D50: a refused listener is told why, and asks no more", async () => {
  const closed = [];
  const { world, session } = await listening(
    { filter: "(" },
    { registered: false, onClosed: (error) => closed.push(error) },
  );
  session.onError(never("somebody was told"));
  const errors = [{ message: "a clause is expected", line: 1, column: 2 }];
  await world.socket.refuse(await world.asked("session.listen"), "INVALID_FILTER", { errors });
  assert.ok(closed[0] instanceof InvalidFilter);
  assert.deepEqual(closed[0].errors, errors);
  await world.reconnect({ rooms: [] });
  assert.equal(world.socket.calls("session.listen").length, 0);
  assert.equal(closed.length, 1);
});

test("D60: a listener that the server ends is told why, and nothing more", async () => {
  const closed = [];
  const { world, told, tell } = await listening({}, { onClosed: (error) => closed.push(error) });
  await world.socket.notify("session.listener_closed", { listener_id: "L1", reason: "ACCESS_DENIED" });
  assert.ok(closed[0] instanceof AccessDenied);
  await tell("L1", event("a", 1));
  await world.reconnect({ rooms: [] });
  assert.deepEqual([told, world.socket.calls("session.listen").length, closed.length], [[], 0, 1]);
});

test("an end that nobody waits for is an error without a caller", async () => {
  const { world, session } = await listening();
  const errors = [];
  session.onError(({ reason }) => errors.push(reason));
  await world.socket.notify("session.listener_closed", { listener_id: "L1", reason: "ACCESS_DENIED" });
  assert.deepEqual(errors, ["ACCESS_DENIED"]);
});

test("the end of the session ends its listeners: those who asked are told why", async () => {
  const closed = [];
  const { world, session } = await listening({}, { onClosed: ({ reason, code }) => closed.push([reason, code]) });
  session.onError(never("the state says so"));
  session.sessions.listen({}, () => {});
  await world.answer("session.listen", { listener_id: "L2" });
  await world.socket.drop(4011);
  assert.deepEqual(closed, [["CLOSED_BY_CONTROLLER", 4011]]);
  assert.equal(world.clock.pending, 0);
  const late = await new Promise((onClosed) => session.sessions.listen({}, () => {}, { onClosed }));
  assert.equal(late.reason, "DISCONNECTED");
});

test("a listener that throws harms nobody, and is logged", async () => {
  const { world, session, told, tell } = await listening();
  session.sessions.listen({}, () => assert.fail("mine"));
  await world.answer("session.listen", { listener_id: "L2" });
  await tell("L2", event("a", 1));
  await tell("L1", event("a", 1));
  assert.equal(told.length, 1);
  assert.ok(world.log.some(([level]) => level === "error"));
  assert.equal(session.state, "open");
});

test("what is remembered of sessions that went is bounded", () => {
  const told = [];
  const sightings = makeSightings({}, ({ session_id }) => told.push(session_id));
  for (let i = 0; i <= 1000; i++) sightings.see(event(`s${i}`, 2, { state: "CLOSED" }));
  told.length = 0;
  sightings.see(event("s1000", 1));
  sightings.see(event("s0", 1));
  assert.deepEqual(told, ["s0"]);
});
