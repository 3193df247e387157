import assert from "node:assert/strict";
import { test } from "node:test";

import { ending } from "../../static/meeting/endings.js";
import { news } from "../../static/meeting/news.js";
import { freeToneOf, TONES, toneOf } from "../../static/meeting/palette.js";
import { readPerson } from "../../static/meeting/person.js";
import { describe, hostsOf } from "../../static/meeting/scene.js";

const peer = (id, roles = [], state = "ACTIVE") => ({ session_id: id, roles, state });

/** Ana came first, then Ben, then Cleo; this page is Ben's. */
function facts(changes = {}) {
  const names = { ana: "Ana", ben: "Ben", cleo: "Cleo" };
  return {
    me: "ben",
    peers: Object.keys(names).map((id) => peer(id)),
    count: 3,
    persons: new Map(Object.entries(names).map(([id, name]) => [id, { name, color: "teal" }])),
    hands: new Map(),
    spotlight: null,
    pinned: null,
    ...changes,
  };
}

const order = (scene) => scene.people.map((person) => person.id);

test("whoever holds the role is host", () => {
  assert.deepEqual([...hostsOf([peer("ana"), peer("ben", ["host"])])], ["ben"]);
});

test("where nobody holds the role, whoever came first is host", () => {
  assert.deepEqual([...hostsOf([peer("ana"), peer("ben")])], ["ana"]);
  assert.deepEqual([...hostsOf([])], []);
});

test("only the host is offered the stage (H79)", () => {
  assert.equal(describe(facts()).iAmHost, false);
  assert.equal(describe(facts({ me: "ana" })).iAmHost, true);
});

test("tiles stand as people joined", () => {
  assert.deepEqual(order(describe(facts())), ["ana", "ben", "cleo"]);
});

test("the spotlight comes first, then hands in the order the server saw them (H77)", () => {
  const hands = new Map([["ben", 9], ["cleo", 4]]);
  const scene = describe(facts({ hands }));
  assert.deepEqual(order(scene), ["cleo", "ben", "ana"]);
  assert.deepEqual(scene.people.map((person) => person.handPlace), [1, 2, 0]);
  assert.deepEqual(order(describe(facts({ hands, spotlight: "ana" }))), ["ana", "cleo", "ben"]);
});

test("a spotlight on a session that is not here shows no stage (H78)", () => {
  assert.equal(describe(facts({ spotlight: "gone" })).spotlight, null);
  assert.equal(describe(facts({ spotlight: { id: "ana" } })).spotlight, null);
  assert.equal(describe(facts({ spotlight: "cleo" })).spotlight.name, "Cleo");
});

test("a hand whose owner is gone counts for nothing", () => {
  const scene = describe(facts({ hands: new Map([["gone", 1], ["ana", 2]]) }));
  assert.equal(scene.people.find((person) => person.id === "ana").handPlace, 1);
});

test("a peer who has not said a name yet is a guest with a colour", () => {
  const [ana] = describe(facts({ persons: new Map() })).people;
  assert.equal(ana.name, "Guest");
  assert.equal(ana.known, false);
  assert.ok(TONES.includes(ana.color));
});

test("whatever stands in the store, a person has a name that is text and a colour that exists", () => {
  for (const value of [null, 1, "x", [], { name: 1, color: "url(x)" }, { name: { a: 1 }, color: "__proto__" }]) {
    assert.deepEqual(readPerson(value, "ana"), { name: "", color: toneOf("ana") });
  }
  assert.deepEqual(readPerson({ name: " Ana\n", color: "plum" }, "ana"), { name: "Ana", color: "plum" });
});

test("an id has one colour, and ids spread over all colours", () => {
  assert.equal(toneOf("ana"), toneOf("ana"));
  const seen = new Set(Array.from({ length: 200 }, (_, index) => toneOf(`session-${index}`)));
  assert.equal(seen.size, TONES.length);
});

test("who comes takes a colour that nobody has, as long as there is one", () => {
  const taken = [];
  for (const id of TONES.keys()) taken.push(freeToneOf(`session-${id}`, taken));
  assert.deepEqual(taken.toSorted(), TONES.toSorted());
  assert.equal(freeToneOf("late", taken), toneOf("late"));
  assert.equal(freeToneOf("first", []), toneOf("first"));
});

test("the first scene is no news", () => {
  assert.deepEqual(news(null, describe(facts())), []);
});

test("comings, goings and hands are told in words", () => {
  const before = describe(facts({ peers: [peer("ana"), peer("ben")], count: 2 }));
  const after = describe(facts({ hands: new Map([["ana", 3]]) }));
  assert.deepEqual(news(before, after), ["Cleo joined.", "Ana raised a hand."]);
  assert.deepEqual(news(after, before), ["Cleo left.", "Ana lowered the hand."]);
});

test("the person in the spotlight is told so", () => {
  const before = describe(facts());
  assert.deepEqual(news(before, describe(facts({ spotlight: "ben" }))), ["You are in the spotlight."]);
  assert.deepEqual(news(before, describe(facts({ spotlight: "ana" }))), ["Ana is in the spotlight."]);
});

test("whoever becomes host is told so", () => {
  const after = describe(facts({ peers: [peer("ben"), peer("cleo")], count: 2 }));
  assert.deepEqual(news(describe(facts()), after), ["Ana left.", "You are the host now."]);
});

test("a crowd is told as a number", () => {
  const before = describe(facts({ peers: [peer("ben")], count: 1, me: "ben" }));
  const hands = new Map([["ana", 1], ["cleo", 2]]);
  assert.deepEqual(news(before, describe(facts({ hands }))), ["3 people are here now."]);
});

test("every ending has words, and a hint where the server alone knows why", () => {
  assert.equal(ending("CLOSED_BY_CLIENT").title, "You left the meeting");
  assert.equal(ending("NOBODY_KNOWS").title, ending(undefined).title);
  assert.equal(ending("ACCESS_DENIED", "Ask for a link.").text, "Ask for a link.");
  assert.equal(ending("EXPIRED", "the session is closed").text, ending("EXPIRED").text);
});
