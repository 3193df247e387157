/** What can be done to sessions: what is asked, what comes of it, what is refused. */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AccessDenied,
  InvalidFilter,
  InvalidParams,
  NoSuchSession,
  quote,
  Unavailable,
} from "../../sessionstore_app/static/sessionstore_app/sdk/index.js";
import { never, outcome, settle, World } from "./world.mjs";

async function connected(changes = {}) {
  const world = new World();
  const session = await world.connect({}, changes);
  return { world, session, sessions: session.sessions };
}

/** What one call asks, and what it gives for that answer. */
async function exchange(act, method, result) {
  const { world, sessions } = await connected();
  const acting = act(sessions);
  const params = await world.answer(method, result);
  return [params, await acting];
}

test("D30: properties of a session, all or those that are named", async () => {
  const properties = { $Country: "FR" };
  assert.deepEqual(await exchange((sessions) => sessions.get("s1"), "session.get_properties", { properties }), [
    { session_id: "s1", properties: ["*F", "*U"] },
    properties,
  ]);
  for (const keys of ["$Country", ["$Country"]]) {
    const act = (sessions) => sessions.get({ sessionId: "s1", room: "standup" }, keys);
    const [asked] = await exchange(act, "session.get_properties", { properties });
    assert.deepEqual(asked, { session_id: "s1", room: "standup", properties: ["$Country"] });
  }
});

test("D31, D32: setting properties of one session says what they were and what was ignored", async () => {
  const result = { changed: { mood: "idle", old: "1" }, ignored: ["$Principal"] };
  const act = (sessions) => sessions.set("s1", { mood: "busy", old: null });
  assert.deepEqual(await exchange(act, "session.set_properties", result), [
    { session_id: "s1", properties: { mood: "busy", old: null } },
    result,
  ]);
  const inRoom = (sessions) => sessions.set({ sessionId: "s1", room: "standup" }, { mood: "busy" });
  const [asked] = await exchange(inRoom, "session.set_properties", result);
  assert.deepEqual(asked, { session_id: "s1", room: "standup", properties: { mood: "busy" } });
});

test("D33: setting properties of all that match says how many they are", async () => {
  const act = (sessions) => sessions.set({ filter: "all", room: "standup" }, { muted: "yes" });
  assert.deepEqual(await exchange(act, "session.set_properties_by_filter", { count: 3 }), [
    { filter: "all", room: "standup", properties: { muted: "yes" } },
    3,
  ]);
});

test("D34: terminating one session, or all that match", async () => {
  const terminate = (target) => exchange((sessions) => sessions.terminate(target), "session.terminate", { count: 2 });
  assert.deepEqual(await terminate("s1"), [{ session_id: "s1" }, 2]);
  assert.deepEqual(await terminate({ sessionId: "s1" }), [{ session_id: "s1" }, 2]);
  assert.deepEqual(await terminate({ filter: "all", room: "standup" }), [{ filter: "all", room: "standup" }, 2]);
});

test("P26: a text is a session's id, whatever it looks like", async () => {
  const [asked] = await exchange((sessions) => sessions.terminate("all"), "session.terminate", { count: 1 });
  assert.deepEqual(asked, { session_id: "all" });
});

test("a target that names nobody is refused before it could mean everybody, or oneself", async () => {
  const { world, sessions } = await connected();
  for (const target of [{}, { room: "standup" }, { sessionId: undefined }, { filter: undefined }]) {
    await assert.rejects(sessions.terminate(target), InvalidParams);
    await assert.rejects(sessions.set(target, { mood: "busy" }), InvalidParams);
    await assert.rejects(sessions.get(target), InvalidParams);
  }
  await assert.rejects(sessions.set(undefined, {}), TypeError);
  assert.equal(world.socket.sent.length, 1, "only session.open");
});

test("D40: changing roles", async () => {
  const act = (sessions) => sessions.changeRoles("s1", { add: ["host"] });
  assert.deepEqual(await exchange(act, "session.change_roles", { count: 1 }), [
    { session_id: "s1", add: ["host"], remove: [] },
    1,
  ]);
});

test("D36: sending a message says how many got it", async () => {
  const act = (sessions) => sessions.send({ filter: "all" }, "notice", { text: "hello" });
  assert.deepEqual(await exchange(act, "session.send", { count: 5 }), [
    { filter: "all", event: "notice", data: { text: "hello" } },
    5,
  ]);
  const [bare] = await exchange((sessions) => sessions.send("s1", "wave"), "session.send", { count: 1 });
  assert.deepEqual(bare, { session_id: "s1", event: "wave", data: null });
});

test("D35: making peers observe", async () => {
  for (const keys of ["agenda", ["agenda"]]) {
    const act = (sessions) => sessions.observeFor({ filter: "all" }, "standup", keys);
    assert.deepEqual(await exchange(act, "session.observe_for", { count: 2 }), [
      { filter: "all", room: "standup", keys: ["agenda"] },
      2,
    ]);
  }
});

test("D37: a page of sessions", async () => {
  const page = { sessions: [{ session_id: "s1", state: "ACTIVE", properties: {} }], total: 7, more: true };
  const query = { filter: "has $Country", room: "standup", properties: ["$Country"], limit: 1, after: "s0" };
  assert.deepEqual(await exchange((sessions) => sessions.list(query), "session.list", page), [query, page]);
  const [bare] = await exchange((sessions) => sessions.list(), "session.list", page);
  assert.deepEqual(bare, {});
});

const page = (more, ...ids) => ({
  sessions: ids.map((session_id) => ({ session_id, state: "ACTIVE", properties: {} })),
  total: 3,
  more,
});

test("D37: all sessions come page by page, and no page is asked for that nobody wants", async () => {
  const { world, sessions } = await connected();
  const came = [];
  const reading = (async () => {
    for await (const { session_id } of sessions.all({ filter: "all", limit: 2 })) came.push(session_id);
  })();
  assert.deepEqual(await world.answer("session.list", page(true, "a", "b")), { filter: "all", limit: 2 });
  assert.deepEqual(await world.answer("session.list", page(false, "c")), { filter: "all", limit: 2, after: "b" });
  await reading;
  assert.deepEqual(came, ["a", "b", "c"]);

  const first = sessions.all().next();
  await world.answer("session.list", page(true, "a", "b"));
  assert.equal((await first).value.session_id, "a");
  await settle();
  assert.equal(world.socket.calls("session.list").length, 3);
});

test("a page that says there is more and holds nothing ends the reading", async () => {
  const { world, sessions } = await connected();
  const reading = sessions.all().next();
  await world.answer("session.list", page(true));
  assert.deepEqual(await reading, { value: undefined, done: true });
});

test("D42: counting, by people and by properties", async () => {
  const result = {
    total: 3,
    people: 2,
    groups: [{ properties: { $Country: "FR" }, count: 3, people: 2 }],
  };
  const act = (sessions) => sessions.count({ filter: "all", by: ["$Country"] });
  assert.deepEqual(await exchange(act, "session.count", result), [{ filter: "all", by: ["$Country"] }, result]);
});

test("refusals are errors of the class of their reason", async () => {
  const { world, sessions } = await connected();
  for (const [reason, Class] of [
    ["ACCESS_DENIED", AccessDenied],
    ["NO_SUCH_SESSION", NoSuchSession],
  ]) {
    const refused = assert.rejects(sessions.terminate("s1"), Class);
    await world.socket.refuse(await world.asked("session.terminate"), reason);
    await refused;
  }
});

test("a refused filter says what is wrong, and where", async () => {
  const { world, sessions } = await connected();
  const errors = [{ message: "an operator is expected", line: 1, column: 5 }];
  const refused = assert.rejects(sessions.list({ filter: "mood" }), (error) => {
    assert.ok(error instanceof InvalidFilter);
    assert.deepEqual([error.reason, error.hint, error.errors], ["INVALID_FILTER", "see the manual", errors]);
    return true;
  });
  const call = await world.asked("session.list");
  await world.socket.refuse(call, "INVALID_FILTER", { hint: "see the manual", errors }, -32010);
  await refused;
});

test("what may be repeated is, while the server says later; a message is not", async () => {
  const { world, sessions } = await connected();
  const counting = sessions.count();
  await world.socket.refuse(await world.asked("session.count"), "UNAVAILABLE", { retry_after_seconds: 2 });
  await world.clock.advance(2_000);
  await world.answer("session.count", { total: 0, people: 0, groups: [] });
  assert.equal((await counting).total, 0);
  const sending = assert.rejects(sessions.send("s1", "wave"), Unavailable);
  await world.socket.refuse(await world.asked("session.send"), "UNAVAILABLE", { retry_after_seconds: 2 });
  await sending;
});

test("without a connection they fail at once", async () => {
  const { world, sessions } = await connected();
  await world.socket.drop();
  assert.equal(await outcome(sessions.list()), "DISCONNECTED");
  assert.equal(await outcome(sessions.send("s1", "wave")), "DISCONNECTED");
});

test("calls start in their order", async () => {
  const { world, sessions } = await connected();
  sessions.set("s1", { step: "1" }).catch(() => {});
  sessions.set({ filter: "all" }, { step: "2" }).catch(() => {});
  sessions.terminate("s1").catch(() => {});
  await world.asked("session.terminate");
  assert.deepEqual(
    world.socket.sent.slice(1).map(({ method }) => method),
    ["session.set_properties", "session.set_properties_by_filter", "session.terminate"],
  );
});

test("two sessions of one page have nothing in common", async () => {
  const [one, other] = [await connected(), await connected()];
  const counting = one.sessions.count();
  await one.world.answer("session.count", { total: 1, people: 1, groups: [] });
  assert.equal((await counting).total, 1);
  assert.equal(other.world.socket.calls("session.count").length, 0);
});

test("quote spells any text as a filter's string", () => {
  assert.equal(quote("FR"), '"FR"');
  assert.equal(quote('a"b\\c'), String.raw`"a\"b\\c"`);
  assert.equal(quote("it's (ok)\n"), '"it\'s (ok)\n"');
});

const change = (revision, properties, changed_properties = {}, more = {}) => ({
  revision,
  properties,
  changed_properties,
  roles: [],
  permissions: [],
  ...more,
});

test("one's own properties are there, and stay up to date", async () => {
  const { world, session } = await connected({ properties: { $Country: "FR", mood: "idle" } });
  assert.deepEqual(session.properties, { $Country: "FR", mood: "idle" });
  const told = [];
  const stop = session.onProperties((...news) => told.push(news));
  assert.deepEqual(told, []);
  const properties = { $Country: "FR", tag: "x" };
  await world.socket.notify("session.changed", change(2, properties, { mood: "idle", tag: null }));
  assert.equal(session.properties, told[0][0]);
  assert.deepEqual(told, [[properties, { mood: "idle", tag: null }]]);
  stop();
  await world.socket.notify("session.changed", change(3, {}, { $Country: "FR", tag: "x" }));
  assert.equal(told.length, 1);
  assert.deepEqual(session.properties, {});
});

test("P47: roles and permissions that change are seen at once", async () => {
  const { world, session } = await connected();
  const changes = { roles: ["host"], permissions: ["view_session"] };
  await world.socket.notify("session.changed", change(2, { $Roles: '"host"' }, { $Roles: "" }, changes));
  assert.deepEqual([session.roles, session.permissions], [["host"], ["view_session"]]);
});

test("late and repeated news of oneself change nothing", async () => {
  const { world, session } = await connected();
  const told = [];
  session.onProperties((properties) => told.push(properties));
  await world.socket.notify("session.changed", change(5, { mood: "new" }));
  await world.socket.notify("session.changed", change(4, { mood: "old" }));
  await world.socket.notify("session.changed", change(5, { mood: "new" }));
  assert.deepEqual([told, session.properties], [[{ mood: "new" }], { mood: "new" }]);
});

test("what changed of oneself while away is told on return, and nothing is where nothing did", async () => {
  const { world, session } = await connected({ properties: { mood: "idle", old: "1" } });
  const told = [];
  session.onProperties((...news) => told.push(news));
  await world.reconnect({ rooms: [], properties: { mood: "busy", new: "2" } });
  assert.deepEqual(told, [
    [
      { mood: "busy", new: "2" },
      { mood: "idle", old: "1", new: null },
    ],
  ]);
  await world.reconnect({ rooms: [], properties: { mood: "busy", new: "2" } });
  assert.equal(told.length, 1);
  await world.socket.notify("session.changed", change(2, { mood: "idle" }));
  assert.equal(session.properties.mood, "idle", "a fresh session counts its revisions anew");
});

test("D38: setting one's own properties", async () => {
  const { world, session } = await connected();
  const setting = session.setProperties({ mood: "busy", old: null });
  const result = { changed: { mood: null }, ignored: ["old"] };
  assert.deepEqual(await world.answer("session.set_properties", result), { properties: { mood: "busy", old: null } });
  assert.deepEqual(await setting, result);
});

test("messages to the session reach the listeners of their event, and no room's", async () => {
  const { world, session } = await connected();
  const room = await world.join(session);
  const heard = [];
  const stop = session.onMessage("notice", ({ data, from }) => heard.push([data, from]));
  session.onMessage("other", never("another event"));
  room.onMessage("notice", never("not said in the room"));
  await world.socket.notify("session.message", { event: "notice", data: 1, from: null, at: "now" });
  const from = { session_id: "b", principal: "bo" };
  await world.socket.notify("session.message", { event: "notice", data: 2, from, at: "now" });
  stop();
  await world.socket.notify("session.message", { event: "notice", data: 3, from, at: "now" });
  assert.deepEqual(heard, [
    [1, null],
    [2, from],
  ]);
});
