/** Observers: what they are told, and what the server is told about them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { collector, entry, gone, ME, never, observing, seeded, settle } from "./world.mjs";

test("H43: each observer gets the present value, then each change, and absence as null", async () => {
  const { world, room, change } = await observing();
  const [first, listenFirst] = collector();
  room.store.observe(["pinned", "absent"], listenFirst);
  await settle();
  const call = world.socket.last("room.observe");
  assert.deepEqual(call.params, { room: "standup", keys: ["pinned", "absent"] });
  const entries = [entry("pinned", "a", 7), gone("absent")];
  await world.socket.reply(call, { observing: 2, epoch: "e1", version: 10, entries });
  assert.deepEqual(first, [
    ["pinned", "a", true, false],
    ["absent", null, true, false],
  ]);
  await change(entry("pinned", "b", 11, ME));
  assert.deepEqual(first.at(-1), ["pinned", "b", false, true]);
  const [second, listenSecond] = collector();
  room.store.observe("pinned", listenSecond);
  await settle();
  assert.deepEqual(second, [["pinned", "b", true, true]]);
  assert.equal(world.socket.calls("room.observe").length, 1, "what is held is not asked for again");
});

test("P3: the server hears of a pattern's first observer, and of the last one's end", async () => {
  const { world, room, change } = await observing();
  const [kept, listen] = collector();
  const stopFirst = room.store.observe("a", () => {});
  const stopSecond = room.store.observe("a", listen);
  await settle();
  await world.socket.reply(world.socket.last("room.observe"), {
    observing: 1,
    epoch: "e1",
    version: 10,
    entries: [gone("a")],
  });
  stopFirst();
  stopFirst();
  await settle();
  assert.equal(world.socket.calls("room.unobserve").length, 0);
  await change(entry("a", 1, 11));
  assert.deepEqual(kept.at(-1), ["a", 1, false, false]);
  stopSecond();
  await settle();
  assert.deepEqual(world.socket.last("room.unobserve").params, { room: "standup", keys: ["a"] });
  await change(entry("a", 2, 12));
  assert.equal(kept.length, 2, "H34: nothing after the end");
});

test("observers added in one go share one request", async () => {
  const { world, room } = await observing();
  for (const pattern of ["a", "b/*", "*/c"]) room.store.observe(pattern, () => {});
  await settle();
  assert.deepEqual(
    world.socket.calls("room.observe").map(({ params }) => params.keys),
    [["a", "b/*", "*/c"]],
  );
});

test("overlapping patterns both fire, each once a change", async () => {
  const { world, room, change } = await observing();
  const observers = ["hand/*", "*/a", "*", ["hand/*", "hand/a", "*"]].map((patterns) => {
    const [told, listen] = collector();
    room.store.observe(patterns, listen);
    return told;
  });
  await settle();
  const entries = [entry("hand/a", 1, 3)];
  await world.socket.reply(world.socket.last("room.observe"), { observing: 4, epoch: "e1", version: 10, entries });
  await change(entry("hand/a", 2, 11));
  for (const told of observers)
    assert.deepEqual(told, [
      ["hand/a", 1, true, false],
      ["hand/a", 2, false, false],
    ]);
});

test("patterns are prefixes, suffixes, exact or all", async () => {
  const { world, room, change } = await observing();
  const told = {};
  for (const pattern of ["hand/*", "*/vote", "*", "hand/a"]) {
    told[pattern] = [];
    room.store.observe(pattern, ({ key }, { initial }) => initial || told[pattern].push(key));
  }
  await settle();
  await world.socket.reply(world.socket.last("room.observe"), {
    observing: 4,
    epoch: "e1",
    version: 10,
    entries: [gone("hand/a")],
  });
  await change(entry("hand/a", 1, 11), entry("hand/vote", 1, 12), entry("ada/vote", 1, 13), entry("other", 1, 14));
  assert.deepEqual(told, {
    "hand/*": ["hand/a", "hand/vote"],
    "*/vote": ["hand/vote", "ada/vote"],
    "*": ["hand/a", "hand/vote", "ada/vote", "other"],
    "hand/a": ["hand/a"],
  });
});

test("P6: every JSON value is a value, the falsy ones too", async () => {
  const { room, change } = await observing(["*"]);
  const [told, listen] = collector();
  room.store.observe("*", listen);
  await settle();
  const values = [0, false, "", [], {}, -0.5, "null", [null]];
  for (const [i, value] of values.entries()) {
    await change(entry("k", value, 11 + i));
    assert.deepEqual(room.store.value("k"), value);
  }
  assert.deepEqual(
    told.map(([, value]) => value),
    values,
  );
});

test("H41: a refused pattern is reported once, and does not take others with it", async () => {
  const { world, session, room } = await observing();
  const errors = [];
  session.onError((error) => errors.push(error.reason));
  const [told, listen] = collector();
  room.store.observe("secret", never("never"));
  room.store.observe("open", listen);
  await settle();
  await world.socket.refuse(world.socket.last("room.observe"), "ACCESS_DENIED");
  await world.socket.refuse(world.socket.last("room.observe"), "ACCESS_DENIED");
  const call = world.socket.last("room.observe");
  assert.deepEqual(call.params.keys, ["open"]);
  await world.socket.reply(call, { observing: 1, epoch: "e1", version: 10, entries: [gone("open")] });
  assert.deepEqual([errors, told], [["ACCESS_DENIED"], [["open", null, true, false]]]);
  assert.equal(world.socket.calls("room.observe").length, 3);
});

test("P43: an entry is applied only if it is newer", async () => {
  const { world, room, change } = await observing(["k"], [gone("k")]);
  const [told, listen] = collector();
  room.store.observe("k", listen);
  await settle();
  const writing = room.store.set("k", "mine");
  await settle();
  await world.socket.reply(world.socket.last("room.set"), entry("k", "mine", 11, ME));
  assert.equal((await writing).version, 11);
  assert.equal(room.store.value("k"), "mine", "H20: known when set resolves, without waiting for the notification");
  await change(entry("k", "mine", 11, ME));
  await change(entry("k", "older", 9));
  assert.deepEqual(told.slice(1), [["k", "mine", false, true]]);
});

test("P43: changes shuffled and repeated end with the newest value, and never step back", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seeded(seed);
    const { room, change } = await observing(["*"]);
    const seen = new Map();
    room.store.observe("*", ({ key, version }) => {
      assert.ok(version > (seen.get(key) ?? 0), `seed ${seed}`);
      seen.set(key, version);
    });
    await settle();
    const changes = Array.from({ length: 30 }, (_, i) => entry(`k${i % 4}`, i, 11 + i));
    const noisy = [...changes, ...changes].sort(() => random() - 0.5);
    await change(...noisy);
    assert.deepEqual(
      [0, 1, 2, 3].map((k) => room.store.value(`k${k}`)),
      [28, 29, 26, 27],
      `seed ${seed}`,
    );
  }
});
