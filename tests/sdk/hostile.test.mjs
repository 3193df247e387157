/** What a hostile peer can write must stay data. In a file of its own: it freezes Object.prototype. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { settle, World } from "./world.mjs";

test("T9: hostile keys and members are data, with a frozen Object.prototype", async () => {
  const before = Object.getOwnPropertyNames(Object.prototype);
  Object.freeze(Object.prototype);
  const world = new World();
  const session = await world.connect();
  const room = await world.join(session, { version: 10 }, { observe: ["*"] });
  const hostile = '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}';
  for (const key of ["__proto__", "constructor", "toString", "hasOwnProperty"])
    assert.equal(room.store.value(key), null);
  for (const [i, key] of ["__proto__", "constructor", "prototype", "toString"].entries()) {
    const change = `{"key":"${key}","value":${hostile},"version":${11 + i},"by":null,"at":null}`;
    const params = `{"room":"standup","epoch":"e1","version":${11 + i},"changes":[${change}]}`;
    await world.socket.receive(`{"jsonrpc":"2.0","method":"room.changed","params":${params}}`);
    assert.equal(JSON.stringify(room.store.value(key)), hostile);
  }
  await world.socket.notify("__proto__", { room: "__proto__" });
  await world.socket.notify("room.message", { room: "standup", event: "__proto__", data: 1 });
  room.store.set("k", JSON.parse(hostile));
  await settle();
  assert.equal(JSON.stringify(world.socket.last("room.set").params.value), hostile);
  assert.equal({}.polluted, undefined);
  assert.deepEqual(Object.getOwnPropertyNames(Object.prototype), before);
});
