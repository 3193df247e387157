import assert from "node:assert/strict";
import { test } from "node:test";

import { ChatLog, LOG_LENGTH, readMessage, TEXT_LENGTH } from "../../static/meeting/chatlog.js";

const AT = "2030-01-01T10:00:00Z";
const plain = { name: "Ana", from: "ana", at: AT, mine: false, state: "sent" };
const message = (id, changes = {}) => ({ id, text: `text ${id}`, ...plain, ...changes });

function memory(limit = Infinity) {
  const kept = new Map();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => {
      if (value.length > limit) throw new Error("full");
      kept.set(key, value);
    },
  };
}

function opened(storage, epoch = "e1") {
  const log = new ChatLog(storage, "room");
  log.open(epoch);
  return log;
}

test("a message comes back after a reload", () => {
  const storage = memory();
  opened(storage).add(message("a"));
  assert.deepEqual(opened(storage).messages, [message("a")]);
});

test("the chat of a cleared room does not come back", () => {
  const storage = memory();
  opened(storage).add(message("a"));
  assert.deepEqual(opened(storage, "e2").messages, []);
});

test("the log is bounded", () => {
  const log = opened(memory());
  for (let index = 0; index <= LOG_LENGTH; index += 1) log.add(message(`m${index}`));
  assert.equal(log.messages.length, LOG_LENGTH);
  assert.equal(log.messages[0].id, "m1");
});

test("the echo of an own message confirms it and is no second one", () => {
  const log = opened(memory());
  assert.equal(log.add(message("a", { mine: true, state: "sending" })), true);
  assert.equal(log.add(message("a", { mine: true })), false);
  assert.deepEqual(log.messages.map(({ state }) => state), ["sent"]);
});

test("nobody else can confirm or replace a message by repeating its id", () => {
  const log = opened(memory());
  const own = message("a", { mine: true, state: "sending" });
  log.add(own);
  log.add(message("a", { from: "eve", text: "other" }));
  assert.deepEqual(log.messages, [message("a", { mine: true, state: "sending" })]);
});

test("a message that failed can be sent again by the next session of this tab", () => {
  const log = opened(memory());
  log.add(message("a", { mine: true, state: "failed" }));
  log.add(message("a", { mine: true, from: "ana-anew" }));
  assert.deepEqual(log.messages.map(({ state }) => state), ["sent"]);
});

test("a message under way when the page went is shown as not sent", () => {
  const storage = memory();
  opened(storage).add(message("a", { state: "sending" }));
  assert.equal(opened(storage).messages[0].state, "failed");
});

test("storage that is full, broken or absent only costs the memory of a reload", () => {
  for (const storage of [null, memory(1), { getItem: () => "{", setItem: () => undefined }]) {
    const log = opened(storage);
    log.add(message("a"));
    assert.equal(log.messages.length, 1);
  }
});

test("what is read from the wire is a message or nothing", () => {
  const from = { session_id: "eve" };
  const broken = [{ id: "a" }, { id: "a", text: " " }, { id: "a b", text: "x" }, { id: 1, text: "x" }];
  for (const data of [null, 1, "x", [], {}, ...broken]) {
    assert.equal(readMessage({ data, from, at: AT }), null);
  }
  const heard = readMessage({ data: { id: "a-1", text: "x".repeat(900), name: { a: 1 }, mine: true }, from, at: AT });
  assert.equal(heard.text.length, TEXT_LENGTH);
  assert.equal(heard.name, "");
  assert.equal(heard.mine, false);
  assert.equal(heard.from, "eve");
});
