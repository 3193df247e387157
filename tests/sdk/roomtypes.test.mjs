/** Rooms that have a type: what may not be read any more, what may again, and asking beforehand. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { AccessDenied, InvalidParams, NotJoined } from "../../sessionstore_app/static/sessionstore_app/sdk/index.js";
import { changed, entry, gone, joined, ME, observing, outcome, settle, World } from "./world.mjs";

const REASON = "ACCESS_DENIED";

/** An entry that this session may not read, or not any more. */
const withdrawn = (key, version) => ({ ...gone(key, version), reason: REASON });

/** What an observer of these patterns is told: [key, value, reason]. */
async function watching(room, patterns) {
  const told = [];
  room.store.observe(patterns, ({ key, value, reason }) => told.push([key, value, reason]));
  await settle();
  return told;
}

const VALUE = ["notes", "secret", undefined];
const NOTHING = ["notes", null, undefined];
const DENIED = ["notes", null, REASON];

test("T6: what may not be read any more is told as null with the reason, though its version is the same", async () => {
  const { room, change } = await observing(["*"], [entry("notes", "secret", 5), entry("open", 1, 6)]);
  const told = await watching(room, "*");
  await change(withdrawn("notes", 5));
  assert.deepEqual(told, [VALUE, ["open", 1, undefined], DENIED]);
  assert.deepEqual([room.store.value("notes"), room.store.value("open")], [null, 1]);
});

test("T6: what may be read again is told under the version that it had, as often as that changes", async () => {
  const { room, change } = await observing(["*"], [entry("notes", "secret", 5)]);
  const told = await watching(room, "*");
  for (let round = 0; round < 3; round++) {
    await change(withdrawn("notes", 5));
    await change(entry("notes", "secret", 5));
  }
  assert.deepEqual(told, [VALUE, DENIED, VALUE, DENIED, VALUE, DENIED, VALUE]);
});

test("T6: who begins to observe a withdrawn key is told why it has no value", async () => {
  const { room, change } = await observing(["*", "notes"], [entry("notes", "secret", 5)]);
  await change(withdrawn("notes", 5));
  assert.deepEqual(await watching(room, "notes"), [DENIED]);
  assert.deepEqual(await watching(room, "*"), [], "a pattern shows what has a value");
});

test("a key that was named when joining and may not be read is told with the reason", async () => {
  const { room, change } = await observing(["notes", "absent"], [withdrawn("notes", 0), gone("absent")]);
  const told = await watching(room, ["notes", "absent"]);
  assert.deepEqual(told, [DENIED, ["absent", null, undefined]]);
  await change(entry("notes", "secret", 5));
  assert.deepEqual(told.at(-1), VALUE);
});

test("a repeat of a withdrawal, or of what was deleted before, is no news", async () => {
  const { room, change } = await observing(["*"], [entry("notes", "secret", 5)]);
  const told = await watching(room, "*");
  for (let round = 0; round < 2; round++) await change(withdrawn("notes", 5));
  await change(withdrawn("notes", 6));
  await change(gone("notes", 7));
  assert.deepEqual(told, [VALUE, DENIED]);
});

test("T6: an answer that was under way does not bring back what was withdrawn meanwhile", async () => {
  const { world, room, change } = await observing(["*"]);
  const told = await watching(room, "*");
  const writing = room.store.set("notes", "secret");
  await settle();
  await change(entry("notes", "secret", 11, ME));
  await change(withdrawn("notes", 11));
  await world.socket.reply(world.socket.last("room.set"), entry("notes", "secret", 11, ME));
  await writing;
  assert.deepEqual([told, room.store.value("notes")], [[VALUE, DENIED], null]);
});

test("T6: who comes back without the right keeps nothing of what it showed, not the last change either", async () => {
  const { world, room } = await observing(["*"], [entry("notes", "secret", 10)]);
  const told = await watching(room, "*");
  await world.reconnect({ resumed: false, rooms: [] });
  await world.socket.reply(world.socket.last("room.join"), joined({ version: 10, complete: true }));
  assert.deepEqual([told, room.store.value("notes")], [[VALUE, NOTHING], null]);
});

for (const [how, bring] of [
  [
    "a rejoin",
    async (world, entries) => {
      await world.reconnect({ resumed: false, rooms: [] });
      await world.socket.reply(world.socket.last("room.join"), joined({ version: 20, complete: true, entries }));
    },
  ],
  [
    "a snapshot",
    (world, entries) =>
      world.socket.notify("room.snapshot", { room: "standup", epoch: "e1", version: 20, entries, reason: "resync" }),
  ],
]) {
  test(`T6: what ${how} left out is told once it may be read, however old it is`, async () => {
    const { world, room } = await observing(["*"], [entry("notes", "secret", 5)]);
    const told = await watching(room, "*");
    await bring(world, []);
    await world.socket.notify("room.changed", changed([entry("notes", "secret", 5)], 20));
    assert.deepEqual(told, [VALUE, NOTHING, VALUE]);
  });

  test(`T6: what was withdrawn and may be read again is told by ${how}`, async () => {
    const { world, room, change } = await observing(["*"], [entry("notes", "secret", 5)]);
    const told = await watching(room, "*");
    await change(withdrawn("notes", 5));
    await bring(world, [entry("notes", "secret", 5)]);
    assert.deepEqual(told, [VALUE, DENIED, VALUE]);
  });
}

test("what is older than a deletion stays deleted, whatever brings it", async () => {
  const { world, room, change } = await observing(["*"], [entry("notes", "secret", 5)]);
  await change(gone("notes", 12));
  await change(entry("notes", "secret", 5));
  const writing = room.store.set("notes", "mine");
  await settle();
  await world.socket.reply(world.socket.last("room.set"), entry("notes", "mine", 11, ME));
  await writing;
  assert.equal(room.store.value("notes"), null);
});

test("a room that is cleared forgets what was withdrawn", async () => {
  const { world, room, change } = await observing(["*"], [entry("notes", "secret", 5)]);
  const told = await watching(room, "*");
  await change(withdrawn("notes", 5));
  await world.socket.notify("room.cleared", { room: "standup", epoch: "e2", reason: "CLEARED" });
  await world.socket.notify("room.changed", changed([entry("notes", "secret", 1)], 1, "e2"));
  assert.deepEqual(told, [VALUE, DENIED, VALUE]);
});

test("T9: a reason of a strange kind does no harm", async () => {
  const { room, change } = await observing(["*"], [entry("notes", "secret", 5)]);
  const told = await watching(room, "*");
  const reasons = [null, 0, "", true, { then: 1 }, ["ACCESS_DENIED"], "__proto__"];
  for (const reason of reasons) {
    await change({ ...entry("notes", "stale", 5), reason });
    await change({ ...entry("notes", "older", 4), reason });
    await change({ ...gone("notes", 4), reason });
  }
  assert.deepEqual([told, room.store.value("notes")], [[VALUE], "secret"]);
  for (const [i, reason] of reasons.entries()) await change({ ...entry("notes", i, 6 + i), reason });
  assert.deepEqual(
    told.slice(1),
    reasons.map((reason, i) => ["notes", i, reason]),
  );
});

test("a room tells its type, null where it has none, and another where it has become one", async () => {
  const { world, room } = await observing();
  assert.equal(room.type, null);
  await world.reconnect();
  await world.socket.reply(world.socket.last("room.join"), joined({ type: "Meeting" }));
  assert.equal(room.type, "Meeting");
  await world.reconnect();
  await world.socket.reply(world.socket.last("room.join"), joined());
  assert.equal(room.type, null);
});

test("can asks the server, and is true or false", async () => {
  const { world, room } = await observing();
  const asking = [room.can("write", "pinned"), room.can("clear")];
  const [write, clear] = world.socket.calls("room.can");
  assert.deepEqual(
    [write.params, clear.params],
    [
      { room: "standup", action: "write", key: "pinned" },
      { room: "standup", action: "clear" },
    ],
  );
  await world.socket.reply(write, { allowed: true });
  await world.socket.reply(clear, { allowed: false, reason: REASON, hint: "It takes role host; your roles: none." });
  assert.deepEqual(await Promise.all(asking), [true, false]);
});

test("can is refused where there is no answer: a wrong question, no connection, a room that was left", async () => {
  const { world, room } = await observing();
  const wrong = assert.rejects(room.can("write"), InvalidParams);
  await world.socket.refuse(world.socket.last("room.can"), "INVALID_PARAMS", {}, -32602);
  await wrong;
  const underWay = outcome(room.can("clear"));
  await world.socket.drop();
  assert.deepEqual(await Promise.all([underWay, outcome(room.can("clear"))]), ["DISCONNECTED", "DISCONNECTED"]);
  room.leave();
  await assert.rejects(room.can("clear"), NotJoined);
});

test("a refusal says all that the server said, and what the console shows says what helps", async () => {
  const { world, room } = await observing();
  const writing = room.store.set("spotlight", ME).catch((error) => error);
  await settle();
  const rule = { room_type: "Stage", action: "write", who: ["role host"], key: "spotlight", allowed: ["hand/*"] };
  const hint = "It takes role host; your roles: guest.";
  await world.socket.refuse(world.socket.last("room.set"), REASON, { hint, rule, more: 1 }, -32002);
  const error = await writing;
  assert.ok(error instanceof AccessDenied);
  assert.deepEqual([error.rule, error.hint, error.more, error.code], [rule, hint, 1, -32002]);
  assert.equal(String(error), `SessionStoreError: ACCESS_DENIED: ${hint}`);
});

test("a key that observe may not name is not asked for again by itself, but by observing it again", async () => {
  const world = new World();
  const session = await world.connect();
  const room = await world.join(session);
  const errors = [];
  session.onError(({ reason, rule }) => errors.push([reason, rule.action]));
  await watching(room, "notes");
  await world.socket.refuse(world.socket.last("room.observe"), REASON, { rule: { action: "read" } });
  const roles = { revision: 2, properties: {}, changed_properties: {}, roles: ["host"], permissions: [] };
  await world.socket.notify("session.changed", roles);
  assert.equal(world.socket.calls("room.observe").length, 1);
  const told = await watching(room, "notes");
  const call = world.socket.last("room.observe");
  const entries = [entry("notes", "secret", 5)];
  await world.socket.reply(call, { observing: ["notes"], epoch: "e1", version: 5, entries });
  assert.deepEqual([errors, told], [[[REASON, "read"]], [VALUE]]);
});
