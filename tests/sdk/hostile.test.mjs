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

  const told = [];
  session.onProperties((properties, changed) => told.push([properties, changed]));
  const tell = (method, members) =>
    world.socket.receive(`{"jsonrpc":"2.0","method":"${method}","params":{${members}}}`);
  const change = (revision, properties) =>
    tell("session.changed", `"revision":${revision},"properties":${properties},"roles":[],"permissions":[]`);
  await change(1, '{"__proto__":"a","toString":"b"}');
  await change(2, '{"__proto__":"c"}');
  assert.deepEqual(
    told.map((each) => each.map((properties) => JSON.stringify(properties))),
    [
      ['{"__proto__":"a","toString":"b"}', '{"__proto__":null,"toString":null}'],
      ['{"__proto__":"c"}', '{"__proto__":"a","toString":"b"}'],
    ],
  );
  session.setProperties(JSON.parse('{"__proto__":"x"}')).catch(() => {});
  assert.equal(JSON.stringify(world.socket.last("session.set_properties").params), '{"properties":{"__proto__":"x"}}');

  const events = [];
  session.sessions.listen({ properties: ["__proto__"] }, (event) => events.push(event));
  await world.answer("session.listen", { listener_id: "__proto__" });
  const seen = (listener, revision) => {
    const properties = `"properties":{"__proto__":"${revision}"},"changed_properties":{"__proto__":null}`;
    const state = '"type":"STATE","state":"ACTIVE","close_reason":null,"matches":true';
    const head = `"listener_id":"${listener}","session_id":"__proto__","revision":${revision}`;
    return tell("session.event", `${head},${state},${properties},"__proto__":{"polluted":true}`);
  };
  await seen("__proto__", 1);
  await world.reconnect({ rooms: [] });
  await world.answer("session.listen", { listener_id: "constructor" });
  await seen("constructor", 2);
  await world.socket.notify("session.listening", { listener_id: "constructor", count: 1 });
  assert.deepEqual(
    events.map((event) => JSON.stringify([event.session_id, event.properties, event.changed_properties])),
    ['["__proto__",{"__proto__":"1"},{"__proto__":null}]', '["__proto__",{"__proto__":"2"},{"__proto__":"1"}]'],
  );
  const locking = session.locks.acquire("__proto__");
  await world.answer("lock.acquire", { name: "__proto__", sequence: 1 });
  assert.equal((await locking).held, true);
  session.onMessage("__proto__", ({ data }) => events.push(data));
  await world.socket.notify("session.message", { event: "__proto__", data: 5, from: null, at: "now" });
  assert.equal(events.at(-1), 5);
  assert.equal({}.polluted, undefined);
  assert.deepEqual(Object.getOwnPropertyNames(Object.prototype), before);
});
