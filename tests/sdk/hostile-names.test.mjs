/** Whatever a hostile peer calls things, they are data. In a file of its own: it freezes what names could reach. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { seeded, settle, World } from "./world.mjs";

const NAMES = [
  ...["__proto__", "prototype", "constructor", "toString", "valueOf", "hasOwnProperty", "then", "toJSON", "length"],
  ...["__defineGetter__", "__defineSetter__", "__lookupGetter__", "isPrototypeOf", "caller", "arguments", "name"],
  ...["", " ", "0", "-1", "1e3", "NaN", "null", "undefined", "*", "a*", "\u0000", "\u202e", "é", "e\u0301", "a.b"],
];
const REACHED = [Object, Array, Map, Set, Function, Promise].map(({ prototype }) => prototype);

/** JSON text, written by hand: `JSON.stringify` of an object with such members would say something else. */
function text(chance, depth = 0) {
  const pick = (from) => from[Math.floor(chance() * from.length)];
  if (depth > 3 || chance() < 0.4) return pick(["null", "true", "0", "-1.5", '""', JSON.stringify(pick(NAMES))]);
  const parts = Array.from({ length: Math.floor(chance() * 4) }, () => text(chance, depth + 1));
  if (chance() < 0.4) return `[${parts}]`;
  const names = new Set(parts.map(() => pick(NAMES)));
  return `{${[...names].map((name, i) => `${JSON.stringify(name)}:${parts[i]}`)}}`;
}

const shape = () => REACHED.map((each) => Reflect.ownKeys(each).length);

test("T9: any names and members are kept as they came, and reach no prototype", async () => {
  const before = shape();
  for (const each of REACHED) Object.freeze(each);
  const chance = seeded(9);
  const world = new World();
  const session = await world.connect();
  const room = await world.join(session, {}, { observe: ["*"] });
  const told = [];
  room.store.observe("*", ({ key, value }) => told.push([key, JSON.stringify(value)]));
  session.onProperties(() => {});
  const held = new Map();
  for (let version = 1; version <= 300; version++) {
    const key = NAMES[Math.floor(chance() * NAMES.length)];
    const value = text(chance);
    const head = `"room":"standup","epoch":"e1","version":${version}`;
    const change = `{"key":${JSON.stringify(key)},"value":${value},"version":${version},"by":null,"at":null}`;
    await world.socket.receive(`{"jsonrpc":"2.0","method":"room.changed","params":{${head},"changes":[${change}]}}`);
    held.set(key, JSON.stringify(JSON.parse(value)));
    assert.equal(JSON.stringify(room.store.value(key)), held.get(key), key);
    // That what was not there is gone is no news.
    if (value !== "null") assert.deepEqual(told.at(-1), [key, held.get(key)]);
    const properties = `{${JSON.stringify(key)}:"x"}`;
    const changed = `"revision":${version},"properties":${properties},"roles":[],"permissions":[]`;
    await world.socket.receive(`{"jsonrpc":"2.0","method":"session.changed","params":{${changed}}}`);
    // What is no notification of ours, or no frame at all, changes nothing either.
    await world.socket.receive(`{"jsonrpc":"2.0","method":${JSON.stringify(key)},"params":${value}}`);
    await world.socket.receive(`{"jsonrpc":"2.0","id":${JSON.stringify(key)},"result":${value}}`);
  }
  await settle();
  for (const [key, value] of held) assert.equal(JSON.stringify(room.store.value(key)), value, key);
  for (const name of NAMES.slice(0, 16)) assert.equal(room.store.value(`not ${name}`), null);
  assert.deepEqual(shape(), before);
});
