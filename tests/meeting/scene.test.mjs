import assert from "node:assert/strict";
import { test } from "node:test";

import { ending } from "../../static/meeting/endings.js";
import { news } from "../../static/meeting/news.js";
import { notices } from "../../static/meeting/notices.js";
import { freeToneOf, TONES, toneOf } from "../../static/meeting/palette.js";
import { readPerson } from "../../static/meeting/person.js";
import { describe } from "../../static/meeting/scene.js";

const peer = (id, roles = [], properties = {}) => ({ session_id: id, roles, state: "ACTIVE", properties });

/** Ana came first, then Ben, then Cleo; this page is Ben's. */
function facts(changes = {}) {
  const names = { ana: "Ana", ben: "Ben", cleo: "Cleo" };
  return {
    me: "ben",
    roles: ["guest"],
    properties: {},
    may: { spotlight: false, pin: false, notes: false },
    peers: Object.keys(names).map((id) => peer(id)),
    count: 3,
    persons: new Map(Object.entries(names).map(([id, name]) => [id, { name, color: "teal" }])),
    hands: new Map(),
    spotlight: null,
    pinned: null,
    notes: null,
    ...changes,
  };
}

const order = (scene) => scene.people.map((person) => person.id);

test("whoever holds the role is host, and nobody who only came first", () => {
  const hosts = (peers) => describe(facts({ peers })).people.filter((person) => person.isHost).map(({ id }) => id);
  assert.deepEqual(hosts([peer("ana"), peer("ben", ["host"])]), ["ben"]);
  assert.deepEqual(hosts([peer("ana"), peer("ben")]), []);
});

test("one is a host or guest by the room's roles, and a speaker by one's own", () => {
  const role = (roles, properties = {}) => describe(facts({ roles, properties })).role;
  assert.equal(role(["guest"]), "guest");
  assert.equal(role([]), "guest");
  assert.equal(role(["guest"], { $Roles: '"speaker"' }), "speaker");
  assert.equal(role(["guest", "speaker"]), "speaker");
  assert.equal(role(["host"], { $Roles: '"speaker"' }), "host");
  assert.equal(role(["guest"], { name: '"host"' }), "guest");
});

test("rights over others come with the role alone, not with having come first", () => {
  assert.equal(describe(facts({ me: "ana" })).manages, false);
  assert.equal(describe(facts({ roles: ["host"] })).manages, true);
});

test("what the server vouches for comes before what anybody can store", () => {
  const ana = peer("ana", [], { name: "Anabel", muted: "yes", $Roles: '"speaker"' });
  const { name, known, muted, isSpeaker } = describe(facts({ peers: [ana] })).people[0];
  assert.deepEqual([name, known, muted, isSpeaker], ["Anabel", true, true, true]);
  for (const properties of [undefined, {}, { name: "", muted: "no", $Roles: "" }]) {
    const plain = describe(facts({ peers: [{ ...ana, properties }] })).people[0];
    assert.deepEqual([plain.name, plain.muted, plain.isSpeaker], ["Ana", false, false]);
  }
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

test("the spotlight on others is news, on oneself a notice", () => {
  const before = describe(facts());
  const [mine, hers] = ["ben", "ana"].map((spotlight) => describe(facts({ spotlight })));
  const told = (one, other) => [news(one, other), notices(one, other).map(({ text }) => text)];
  assert.deepEqual(told(before, hers), [["Ana is in the spotlight."], []]);
  assert.deepEqual(told(hers, before), [["Nobody is in the spotlight now."], []]);
  assert.deepEqual(told(before, mine), [[], ["You are in the spotlight."]]);
  assert.deepEqual(told(mine, before), [[], ["You are no longer in the spotlight."]]);
  assert.deepEqual(told(mine, hers), [["Ana is in the spotlight."], ["You are no longer in the spotlight."]]);
});

test("whoever is muted, or made a speaker, is told so, and told when it ends", () => {
  const plain = describe(facts());
  const muted = describe(facts({ properties: { muted: "yes" } }));
  const speaker = describe(facts({ peers: [peer("ben", [], { $Roles: '"speaker"' })] }));
  const texts = (one, other) => notices(one, other).map(({ text }) => text);
  assert.deepEqual(texts(plain, muted), ["The host muted you: you can read the chat, but not write."]);
  assert.deepEqual(texts(muted, plain), ["You can write in the chat again."]);
  assert.deepEqual(texts(plain, speaker), ["You are a speaker now: you can pin messages."]);
  assert.deepEqual(texts(speaker, plain), ["You are no longer a speaker: you can read what is pinned, but not pin."]);
});

test("a page that was reloaded is told nothing that it shows anyway", () => {
  assert.deepEqual(notices(null, describe(facts({ spotlight: "ben", properties: { muted: "yes" } }))), []);
});

test("whoever becomes host is told so", () => {
  const after = describe(facts({ roles: ["host"], peers: [peer("ben", ["host"]), peer("cleo")], count: 2 }));
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
  assert.match(ending("CLOSED_BY_CONTROLLER").text, /host/u);
  assert.equal(ending("EXPIRED", "the session is closed").text, ending("EXPIRED").text);
});
