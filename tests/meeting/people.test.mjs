import assert from "node:assert/strict";
import { test } from "node:test";

import { attendees } from "../../static/meeting/attendees.js";
import { filterFault } from "../../static/meeting/filterfault.js";
import { PeopleKept } from "../../static/meeting/peoplekept.js";
import { PeopleWatch } from "../../static/meeting/peoplewatch.js";
import { rolesIn } from "../../static/meeting/roles.js";
import { Roster } from "../../static/meeting/roster.js";
import { describe } from "../../static/meeting/scene.js";
import { storageFor } from "../../static/meeting/tabstorage.js";

const event = (id, changes = {}) => ({ session_id: id, state: "ACTIVE", properties: {}, matches: true, ...changes });

test("roles are read from the property as the server writes it", () => {
  assert.deepEqual(rolesIn('"speaker"'), ["speaker"]);
  assert.deepEqual(rolesIn('"client","oper\\"ator","a\\\\b"'), ["client", 'oper"ator', "a\\b"]);
  for (const text of ["", "speaker", '"', null, undefined, 7, {}]) assert.deepEqual(rolesIn(text), []);
});

test("a roster holds who matches, as last seen", () => {
  const roster = new Roster();
  roster.see(event("ana"));
  roster.see(event("ben"));
  roster.see(event("ana", { state: "DISCONNECTED", properties: { muted: "yes" } }));
  roster.see(event("ben", { matches: false }));
  roster.see(event("cleo"));
  roster.see(event("cleo", { state: "CLOSED" }));
  assert.deepEqual(roster.list, [{ id: "ana", state: "DISCONNECTED", properties: { muted: "yes" } }]);
});

/** The page of Ben, guest or host of Ana and Cleo. */
function scene() {
  const peer = (id, name) => ({ session_id: id, roles: [], state: "ACTIVE", properties: { name } });
  return describe({
    me: "ben",
    roles: [],
    properties: {},
    may: { spotlight: false, pin: false, notes: false },
    peers: [peer("cleo", "Cleo"), peer("ben", "Ben"), peer("ana", "Ana")],
    count: 3,
    persons: new Map([["ana", { name: "Ana", color: "plum" }]]),
    hands: new Map(),
    spotlight: "ana",
    pinned: null,
    notes: null,
  });
}

test("a guest's list is the room's, oneself first, then by name", () => {
  assert.deepEqual(attendees(scene(), null).map(({ name }) => name), ["Ben", "Ana", "Cleo"]);
});

test("a host's list is the listener's, with what the room knows beside it", () => {
  const properties = { name: "Ana", muted: "yes", $Roles: '"speaker"' };
  const [ana, ...others] = attendees(scene(), [{ id: "ana", state: "DISCONNECTED", properties }]);
  assert.deepEqual(others, []);
  assert.deepEqual([ana.name, ana.muted, ana.isSpeaker, ana.state], ["Ana", true, true, "DISCONNECTED"]);
  assert.deepEqual([ana.color, ana.inSpotlight], ["plum", true]);
});

test("a listener may know somebody before the room has told of it", () => {
  const [dora, nobody] = attendees(scene(), [
    { id: "dora", state: "ACTIVE", properties: { name: "Dora" } },
    { id: "x", state: "ACTIVE", properties: {} },
  ]);
  assert.deepEqual([dora.name, dora.isMe, dora.isHost], ["Dora", false, false]);
  assert.equal(nobody.name, "Guest");
});

test("a fault in a filter is shown where the server found it, counted as the server counts", () => {
  const error = (column) => ({ errors: [{ message: "Expected a string.", line: 1, column }] });
  assert.deepEqual(filterFault("muted is yes", error(10)), {
    text: "Column 10: Expected a string.",
    parts: { before: "muted is ", at: "y", behind: "es" },
  });
  assert.deepEqual(filterFault("🚀 is yes", error(6)).parts, { before: "🚀 is ", at: "y", behind: "es" });
  assert.deepEqual(filterFault("muted is", error(9)).parts, { before: "muted is", at: "", behind: "" });
});

test("what the server writes as code is quoted", () => {
  const errors = [{ message: "Expected `and`, `or` or `)`.", line: 1, column: 3 }];
  assert.equal(filterFault("(all", { errors }).text, "Column 3: Expected “and”, “or” or “)”.");
});

test("a refusal without a place is told in the server's words", () => {
  const hint = "Leave out $ClientIP.";
  const denied = { reason: "ACCESS_DENIED", message: `ACCESS_DENIED: ${hint}`, hint };
  assert.deepEqual(filterFault('$ClientIP is ""', denied), { text: hint, parts: null });
  assert.deepEqual(filterFault("all", { errors: "x" }), { text: "The server refused this filter.", parts: null });
  assert.match(filterFault("all", { reason: "DISCONNECTED", hint: "CONNECTION_LOST" }).text, /no connection/u);
});

/** A watch on listeners that the test answers for. */
function watched() {
  const asked = [];
  const told = [];
  const listen = (filter, ears) => {
    const listener = { filter, ...ears, stopped: false };
    asked.push(listener);
    return () => {
      listener.stopped = true;
    };
  };
  const watch = new PeopleWatch(listen, {
    changed: () => told.push(watch.sightings.map(({ id }) => id)),
    refused: (filter, error) => told.push([filter, error.reason]),
  });
  return { watch, asked, told };
}

test("a list is shown once its first part is complete, and lives from then on", () => {
  const { watch, asked, told } = watched();
  watch.try("all");
  asked[0].see(event("ana"));
  assert.deepEqual([watch.active, watch.sightings, told], [true, null, []]);
  asked[0].ready();
  asked[0].see(event("ben"));
  asked[0].see(event("ana", { matches: false }));
  assert.deepEqual(told, [["ana"], ["ana", "ben"], ["ben"]]);
});

test("a wrong filter leaves the list that is there, and it stays live", () => {
  const { watch, asked, told } = watched();
  watch.try("all");
  asked[0].ready();
  watch.try("nonsense");
  asked[1].closed({ reason: "INVALID_FILTER" });
  asked[0].see(event("ana"));
  assert.deepEqual(told, [[], ["nonsense", "INVALID_FILTER"], ["ana"]]);
  assert.equal(watch.filter, "all");
  assert.equal(asked[0].stopped, false);
});

test("a good filter takes the place of the one before", () => {
  const { watch, asked } = watched();
  watch.try("all");
  asked[0].ready();
  watch.try("has muted");
  assert.deepEqual([watch.filter, asked[0].stopped], ["all", false]);
  asked[1].ready();
  assert.deepEqual([watch.filter, asked[0].stopped, asked[1].stopped], ["has muted", true, false]);
});

test("of two filters that were tried the later one counts", () => {
  const { watch, asked, told } = watched();
  watch.try("one");
  watch.try("two");
  assert.equal(asked[0].stopped, true);
  asked[0].ready();
  asked[0].closed({ reason: "INVALID_FILTER" });
  assert.deepEqual([watch.sightings, told], [null, []]);
  asked[1].ready();
  assert.equal(watch.filter, "two");
});

test("a listener that the server ends is told, and nothing is left of it", () => {
  const { watch, asked, told } = watched();
  watch.try("all");
  asked[0].ready();
  asked[0].closed({ reason: "ACCESS_DENIED" });
  assert.deepEqual([watch.active, watch.sightings, watch.filter], [false, null, ""]);
  assert.deepEqual(told.at(-1), ["all", "ACCESS_DENIED"]);
});

test("whoever stops watching hears no more", () => {
  const { watch, asked, told } = watched();
  watch.try("all");
  asked[0].ready();
  watch.try("one");
  watch.stop();
  asked[0].see(event("ana"));
  asked[1].ready();
  assert.deepEqual(asked.map(({ stopped }) => stopped), [true, true]);
  assert.deepEqual([watch.active, told], [false, [[]]]);
});

test("the panel is found as it was, for each room", () => {
  const kept = new Map();
  const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
  new PeopleKept(storage, "one").write({ open: true, filter: "has muted" });
  assert.deepEqual(new PeopleKept(storage, "one").read(), { open: true, filter: "has muted" });
  assert.deepEqual(new PeopleKept(storage, "two").read(), { open: false, filter: "" });
});

test("storage that is broken, forbidden or absent is a closed panel", () => {
  const forbidden = () => {
    throw new Error("forbidden");
  };
  for (const text of ["{", "7", '{"open":1,"filter":{}}', null]) {
    assert.deepEqual(new PeopleKept({ getItem: () => text }, "one").read(), { open: false, filter: "" });
  }
  for (const storage of [null, { getItem: forbidden, setItem: forbidden }]) {
    const kept = new PeopleKept(storage, "one");
    kept.write({ open: true, filter: "all" });
    assert.deepEqual(kept.read(), { open: false, filter: "" });
  }
});

test("a tab finds the session of this meeting again, not that of another", () => {
  const kept = new Map();
  const storage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  };
  const [one, two] = ["one", "two"].map((room) => storageFor(storage, room));
  one.setItem("ticket", "1");
  two.setItem("ticket", "2");
  two.removeItem("ticket");
  assert.deepEqual([one.getItem("ticket"), two.getItem("ticket")], ["1", null]);
  assert.equal(storageFor(null, "one"), null);
});
