import assert from "node:assert/strict";
import { test } from "node:test";

import { connectionText } from "../../static/meeting/connection.js";
import { cleanName, isNamed, keepName, keptName, NAME_LENGTH } from "../../static/meeting/person.js";
import { cleanRoom, inventRoom, meetingPath, ROOM_LENGTH } from "../../static/meeting/roomname.js";

function memory() {
  const kept = new Map();
  return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
}

const forbidden = {
  getItem: () => {
    throw new Error("forbidden");
  },
  setItem: () => {
    throw new Error("forbidden");
  },
};

test("two tabs of one browser can be two people", () => {
  const browser = memory();
  const [one, other] = [memory(), memory()];
  keepName("Ana", [one, browser]);
  keepName("Ben", [other, browser]);
  assert.equal(keptName([one, browser]), "Ana");
  assert.equal(keptName([other, browser]), "Ben");
});

test("a new tab is offered the last name but was not named yet", () => {
  const browser = memory();
  keepName("Ana", [memory(), browser]);
  assert.equal(keptName([memory(), browser]), "Ana");
  assert.equal(isNamed([memory(), browser]), false);
});

test("forbidden storage is no error", () => {
  keepName("Ana", [forbidden, null]);
  assert.equal(keptName([forbidden, null]), "");
  assert.equal(isNamed([forbidden, null]), false);
});

test("a name is bounded", () => {
  assert.equal(cleanName("x".repeat(99)).length, NAME_LENGTH);
});

test("a room may have any name but one that an address cannot hold", () => {
  assert.equal(cleanRoom("  Büro 会議 🚀 "), "Büro 会議 🚀");
  assert.equal(cleanRoom("a/b"), "a-b");
  for (const name of ["", " ", ".", "..", "\u0000", null]) assert.equal(cleanRoom(name), "");
  assert.equal(Array.from(cleanRoom("🚀".repeat(150))).length, ROOM_LENGTH);
});

test("every name that is clean survives its address", () => {
  for (const name of ["a?b#c%d", "会議", "a\\b", "x&y=z", "50%", "é "]) {
    const room = cleanRoom(name);
    const { pathname } = new URL(meetingPath(room), "http://localhost");
    assert.equal(decodeURIComponent(pathname), `/meeting/${room}/`);
  }
});

test("an invented name is a clean one", () => {
  for (const pick of [() => 0, (limit) => limit - 1]) {
    const name = inventRoom(pick);
    assert.equal(cleanRoom(name), name);
    assert.match(name, /^[a-z]+-[a-z]+-\d{4}$/u);
  }
});

test("the indicator says what state the connection is in and what still waits", () => {
  assert.equal(connectionText({ state: "open", pending: 0 }, true), "Connected");
  assert.equal(connectionText({ state: "open", pending: 0, degraded: true }, true), "Slow connection");
  assert.equal(connectionText({ state: "reconnecting", pending: 1 }, true), "Reconnecting… · 1 change waiting");
  assert.equal(connectionText({ state: "reconnecting", pending: 2 }, false), "Offline · 2 changes waiting");
  assert.equal(connectionText({ state: "closed", pending: 0 }, true), "Disconnected");
});
