/** The list of frames: what each says of itself, and what is never kept. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { aboutOf } from "../../sessionstore_app/static/sessionstore_app/inspector/about.js";
import { Hub } from "../../sessionstore_app/static/sessionstore_app/inspector/hub.js";
import { compact, layOut } from "../../sessionstore_app/static/sessionstore_app/inspector/json.js";
import { fill, LABELS, sayer } from "../../sessionstore_app/static/sessionstore_app/inspector/labels.js";
import { readFrame, TEXT_KEPT } from "../../sessionstore_app/static/sessionstore_app/inspector/reading.js";
import { tapped } from "../../sessionstore_app/static/sessionstore_app/inspector/tap.js";
import { clockTime, shortId, sizeOf } from "../../sessionstore_app/static/sessionstore_app/inspector/words.js";
import { entry, World } from "./world.mjs";

const printed = (text) => layOut(text).map((token) => token.text).join("");

test("a frame has a time, a direction, a size and a method; the newest comes first", () => {
  const world = new World();
  world.feed("out", '{"jsonrpc":"2.0","id":1,"method":"room.set","params":{"room":"é","key":"k","value":1}}');
  const [frame] = world.picture.frames;
  assert.deepEqual([frame.direction, frame.at, frame.bytes, frame.form], ["out", 1000, 87, "text"]);
  assert.deepEqual(frame.notes, [{ kind: "request", method: "room.set", about: "k · é" }]);
  world.answer(1, entry("k", 1, 1));
  assert.deepEqual(world.notes, [{ kind: "result", method: "room.set", about: "k · é", ms: 1 }]);
  assert.deepEqual(world.picture.frames.map(({ id }) => id), [2, 1]);
});

test("an error has the method that it answers, and the reason", () => {
  const world = new World();
  world.refuse(world.ask("room.set", { room: "standup", key: "k" }), { reason: "NOT_JOINED", hint: "…" });
  assert.deepEqual(world.notes, [{ kind: "error", method: "room.set", about: "NOT_JOINED · standup", ms: 1 }]);
  world.refuse(null, { reason: "PARSE_ERROR" });
  assert.deepEqual(world.notes, [{ kind: "error", method: "", about: "PARSE_ERROR" }]);
});

test("what a message is about is said in short, whatever it holds", () => {
  const changes = [entry("a", 1, 1), entry("b", 1, 2)];
  assert.equal(aboutOf({ room: "r", changes }), "a, b · r");
  assert.equal(aboutOf({ room: "r", count: 2, joined: [{}], left: [], updated: [{}, {}] }), "+1 · ±2 · r");
  assert.equal(aboutOf({ count: 1 }, { room: "r", event: "chat" }), "chat · r");
  assert.equal(aboutOf({ room: "x".repeat(1000) }).length, 161);
  for (const odd of [null, undefined, 7, "text", [], { room: 7, key: {} }, { keys: [{}, null] }]) assert.equal(aboutOf(odd), "");
});

test("frames are cleared, and those that follow have new ids", () => {
  const world = new World();
  world.ask("session.ping");
  world.picture.clearFrames();
  assert.deepEqual(world.picture.frames, []);
  world.ask("session.ping");
  assert.equal(world.picture.frames[0].id, 2);
});

test("tokens are masked before they are kept, wherever they stand", () => {
  const secrets = [
    { method: "session.open", id: 1, params: { token: "hush-1", resume: { session_id: "s", resume_token: "hush-2" } } },
    { id: 1, result: { session_id: "s", resume_token: "hush-3", token: { deep: "hush-4" } } },
    [{ id: 2, result: { resume_token: "hush-5" } }, { method: "x", params: { list: [{ token: ["hush-6"] }] } }],
  ];
  const world = new World();
  for (const frame of secrets) world.feed("in", frame);
  world.feed("in", '{"tok\\u0065n": "hush-7", "token": "hush-8"}');
  for (const text of [
    '{"token": "hush-9", oops',
    '{"resume_token":"hush-10',
    '{"token":"hu\\"sh-11"',
    '{"token":\n"hush-12"}}',
    '{"token": [hush-13',
  ])
    world.feed("out", text);
  const kept = JSON.stringify(world.picture);
  assert.doesNotMatch(kept, /hu\\*"?sh-/);
  assert.equal(world.picture.frames.length, 9);
  assert.match(world.picture.frames.at(-1).text, /"token":"•••"/);
  assert.equal(world.picture.frames.at(-1).bytes, JSON.stringify(secrets[0]).length, "the size is that of what was sent");
});

test("a token in a value is masked in the room as well", () => {
  const world = new World();
  world.open();
  world.join([entry("call", { token: "hush", url: "/" }, 9)]);
  assert.deepEqual(world.values, { call: { token: "•••", url: "/" } });
});

test("an unreadable frame, and one that is no text, are listed", () => {
  const world = new World();
  world.feed("in", "<html>502</html>");
  world.picture.feed("in", new Uint8Array(7), 1);
  world.picture.feed("out", new Blob(["abc"]), 1);
  const told = world.picture.frames.map(({ form, bytes, text, notes }) => [form, bytes, text, notes.length]);
  assert.deepEqual(told, [
    ["binary", 3, "", 0],
    ["binary", 7, "", 0],
    ["unreadable", 16, "<html>502</html>", 0],
  ]);
});

test("a long frame is kept in part, and one that nests without end is unreadable at worst", () => {
  const long = readFrame(JSON.stringify({ method: "x", params: { text: "y".repeat(50000) } }));
  assert.deepEqual([long.text.length, long.cut, long.messages.length], [TEXT_KEPT, true, 1]);
  const deep = readFrame("[".repeat(60000) + "]".repeat(60000));
  assert.ok(["batch", "unreadable"].includes(deep.form));
  assert.ok(printed(deep.text).length < 2_000_000);
});

test("JSON is laid out as it is on the wire", () => {
  const value = { a: [1, -2.5e10, true, null], "b:{": 'say "hi", \\ [x]', empty: [{}, []], é: "👩‍👩‍👧" };
  assert.equal(printed(JSON.stringify(value)), JSON.stringify(value, null, 2));
  assert.equal(printed("12345678901234567890"), "12345678901234567890");
  assert.equal(printed('{"a":"\\u202e"}'), '{\n  "a": "\\u202e"\n}');
  assert.equal(printed('"\u202egnp.exe\u202c"'), '"\\u202egnp.exe\\u202c"', "what turns signs around is seen");
  assert.equal(printed('{"a":[1,"cut of'), '{\n  "a": [\n    1,\n    "cut of');
  assert.deepEqual(layOut('{"k":"v"}').map(({ kind }) => kind).filter((kind) => kind !== "mark"), ["key", "string"]);
});

test("a value fits on a line", () => {
  assert.equal(compact({ a: 1 }), '{"a":1}');
  assert.equal(compact("x".repeat(500), 10), '"xxxxxxxxx…');
  assert.equal(compact("👩👩👩👩👩", 10).isWellFormed?.() ?? true, true);
});

test("texts are put in by name, and others may be given", () => {
  assert.equal(fill("{count} new, {what}", { count: 3 }), "3 new, {what}");
  assert.equal(sayer({ closedBy: "Ende: {reason}" })("closedBy", { code: 1006, reason: "$& {code}" }), "Ende: $& {code}");
  assert.equal(sayer({})("frames"), LABELS.frames);
});

test("times, sizes and ids are short", () => {
  assert.match(clockTime(1000, { exact: true }), /^\d\d:\d\d:01\.000$/);
  for (const odd of [null, "", "yesterday", NaN]) assert.equal(clockTime(odd), "");
  assert.deepEqual([sizeOf(999, sayer({})), sizeOf(2048, sayer({}))], ["999 B", "2.0 KB"]);
  assert.deepEqual([shortId("0123456789ab"), shortId("short")], ["01234567…", "short"]);
});

class FakeSocket extends EventTarget {
  readyState = 1;
  sent = [];

  constructor(...args) {
    super();
    this.args = args;
  }

  send(data) {
    this.sent.push(data);
  }

  tell(type, members) {
    this.dispatchEvent(Object.assign(new Event(type), members));
  }
}

test("a tapped socket reports what it carries, and is otherwise as it was", () => {
  const hub = new Hub();
  let told = 0;
  const stop = hub.onChange(() => told++);
  const socket = new (tapped(FakeSocket, hub))("ws://here/", "json");
  assert.ok(socket instanceof FakeSocket);
  assert.deepEqual([socket.args, hub.picture.state], [["ws://here/", "json"], "connecting"]);
  socket.send('{"id":1,"method":"session.ping"}');
  socket.tell("message", { data: '{"id":1,"result":{}}' });
  socket.readyState = 3;
  socket.send("dropped");
  assert.deepEqual(socket.sent, ['{"id":1,"method":"session.ping"}', "dropped"]);
  assert.deepEqual(hub.picture.frames.map(({ direction }) => direction), ["in", "out"]);
  socket.tell("close", { code: 1012 });
  assert.deepEqual(hub.picture.ending, { code: 1012, reason: "SERVER_SHUTDOWN" });
  assert.equal(told, 4);
  stop();
  hub.clearFrames();
  assert.deepEqual([hub.picture.frames, told], [[], 4]);
});

test("the newest socket counts: the end of an older one is not the connection's", () => {
  const hub = new Hub();
  const Tapped = tapped(FakeSocket, hub);
  const older = new Tapped("ws://here/");
  new Tapped("ws://here/");
  older.tell("message", { data: '{"method":"session.heartbeat","params":{}}' });
  older.tell("close", { code: 1000 });
  assert.deepEqual([hub.picture.state, hub.picture.frames.length], ["connecting", 1]);
});

test("each tap has its own hub, where it is given one", () => {
  const [one, two] = [new Hub(), new Hub()];
  new (tapped(FakeSocket, one))("ws://here/");
  assert.deepEqual([one.picture.state, two.picture.state], ["connecting", "idle"]);
});
