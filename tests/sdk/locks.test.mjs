/** Locks: waiting for them, holding them, giving them back, losing them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AccessDenied,
  LockNotHeld,
  LockTimeout,
  SessionStoreError,
} from "../../sessionstore_app/static/sessionstore_app/sdk/index.js";
import { entry, outcome, settle, World } from "./world.mjs";

const DISPOSE = Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose");
const AWAY = { resumed: true, rooms: [] };

async function connected() {
  const world = new World();
  const session = await world.connect();
  const grant = (sequence) => world.answer("lock.acquire", { name: "slides", sequence });
  const released = (was = true) => world.answer("lock.release", { released: was });
  return { world, session, locks: session.locks, grant, released };
}

async function holding(options = {}) {
  const scene = await connected();
  const acquiring = scene.locks.acquire("slides", options);
  await scene.grant(7);
  const lock = await acquiring;
  const losses = [];
  lock.lost.then(({ reason }) => losses.push(reason));
  return { ...scene, lock, losses };
}

/** As `await using` does: the block, then the end, whatever became of the block. */
async function using(resource, block) {
  try {
    return await block(resource);
  } finally {
    await resource[DISPOSE]();
  }
}

test("D70, D73: a lock is asked for and says its sequence", async () => {
  const { locks, grant } = await connected();
  const acquiring = locks.acquire("slides");
  assert.deepEqual(await grant(7), { name: "slides", scope: "session" });
  const lock = await acquiring;
  assert.deepEqual([lock.name, lock.sequence, lock.scope, lock.held], ["slides", 7, "session", true]);
});

test("D72: options in the words of the protocol", async () => {
  const { locks, grant } = await connected();
  const acquiring = locks.acquire("slides", { scope: "connection", timeoutSeconds: 5 });
  assert.deepEqual(await grant(7), { name: "slides", scope: "connection", timeout_seconds: 5 });
  assert.equal((await acquiring).scope, "connection");
  locks.acquire("slides", { timeoutSeconds: 0 });
  assert.equal((await grant(7)).timeout_seconds, 0);
});

test("while one waits for a lock, all else goes on", async () => {
  const { world, session, locks, grant } = await connected();
  const room = await world.join(session);
  const acquiring = locks.acquire("slides");
  await world.asked("lock.acquire");
  const writing = room.store.set("k", 1);
  await settle();
  await world.socket.reply(world.socket.last("room.set"), entry("k", 1, 1));
  assert.equal((await writing).value, 1);
  await grant(7);
  assert.equal((await acquiring).sequence, 7);
});

test("a wait that is over, and a right that is missing, are errors of their classes", async () => {
  const { world, locks } = await connected();
  for (const [reason, Class] of [
    ["LOCK_TIMEOUT", LockTimeout],
    ["ACCESS_DENIED", AccessDenied],
  ]) {
    const refused = assert.rejects(locks.acquire("slides"), Class);
    await world.socket.refuse(await world.asked("lock.acquire"), reason);
    await refused;
  }
});

test("D74: giving back says whether it was held, asks once, and is no loss", async () => {
  const { world, lock, losses, released } = await holding();
  const releasing = lock.release();
  assert.equal(lock.held, false);
  assert.deepEqual(await released(), { name: "slides" });
  assert.equal(await releasing, true);
  assert.equal(await lock.release(), false);
  assert.equal(world.socket.calls("lock.release").length, 1);
  await world.socket.drop(4011);
  assert.deepEqual(losses, []);
});

test("a block that uses a lock gives it back at its end", async () => {
  const { lock, released } = await holding();
  const done = using(lock, async ({ sequence }) => sequence);
  await released();
  assert.equal(await done, 7);
});

test("a block that throws gives it back too, and throws what it threw", async () => {
  const { lock, released } = await holding();
  const failing = assert.rejects(
    using(lock, () => assert.fail("in the block")),
    /in the block/,
  );
  await released();
  await failing;
  assert.equal(lock.held, false);
});

test("a block may give it back itself, or have lost it", async () => {
  const { world, lock, released } = await holding();
  const done = using(lock, ({ release }) => release());
  await released();
  assert.equal(await done, true);
  const lost = await holding({ scope: "connection" });
  await using(lost.lock, () => lost.world.socket.drop());
  assert.equal(world.socket.calls("lock.release").length, 1);
  assert.equal(lost.world.socket.calls("lock.release").length, 0);
});

test("D71: asking again for what one holds gives the same lock, and one release frees it", async () => {
  const { locks, lock, grant, released } = await holding();
  const again = locks.acquire("slides", { scope: "connection" });
  await grant(7);
  assert.equal(await again, lock);
  assert.equal(lock.scope, "connection", "the weaker counts");
  const releasing = lock.release();
  await released();
  assert.equal(await releasing, true);
});

test("a lock given back while it was asked for again is asked for once more", async () => {
  const { world, locks, lock, grant, released } = await holding();
  const again = locks.acquire("slides");
  await world.asked("lock.acquire");
  lock.release();
  await world.asked("lock.release");
  await grant(7);
  await released();
  await grant(8);
  const other = await again;
  assert.notEqual(other, lock);
  assert.deepEqual([other.sequence, other.held, lock.held], [8, true, false]);
});

test("an older lock of the same name does not give back the newer one", async () => {
  const { world, locks, lock, grant } = await holding({ scope: "connection" });
  await world.reconnect(AWAY);
  const acquiring = locks.acquire("slides");
  await grant(9);
  const newer = await acquiring;
  assert.equal(await lock.release(), false);
  assert.deepEqual([newer.held, world.socket.calls("lock.release").length], [true, 0]);
});

test("D72: a lock of the connection is lost with it", async () => {
  const { world, lock, losses } = await holding({ scope: "connection" });
  await world.socket.drop(4002);
  assert.deepEqual([losses, lock.held], [["CLIENT_UNRESPONSIVE"], false]);
});

test("D72: a lock of the session outlives the connection, and is asked about on return", async () => {
  const { world, lock, losses, grant } = await holding();
  await world.reconnect(AWAY);
  assert.deepEqual(await grant(7), { name: "slides", scope: "session", timeout_seconds: 0 });
  assert.deepEqual([losses, lock.held], [[], true]);
});

test("a lock that somebody else got while we were away is lost", async () => {
  const { world, lock, losses } = await holding();
  await world.reconnect(AWAY);
  await world.socket.refuse(await world.asked("lock.acquire"), "LOCK_TIMEOUT");
  assert.deepEqual([losses, lock.held], [["LOCK_NOT_HELD"], false]);
});

test("a lock that was taken and is free is lost as well, and not taken by asking about it", async () => {
  const { world, lock, losses, grant, released } = await holding();
  await world.reconnect(AWAY);
  await grant(12);
  assert.deepEqual([losses, lock.held], [["LOCK_NOT_HELD"], false]);
  assert.deepEqual(await released(), { name: "slides" });
});

test("whoever asks for it while it is asked about gets it, whichever answer is first", async () => {
  const verifyFirst = await holding();
  await verifyFirst.world.reconnect(AWAY);
  const waiting = verifyFirst.locks.acquire("slides");
  await settle();
  await verifyFirst.grant(12);
  await verifyFirst.grant(12);
  await verifyFirst.released();
  await verifyFirst.grant(13);
  assert.equal((await waiting).sequence, 13);

  const { world, locks, lock } = await holding();
  await world.reconnect(AWAY);
  const acquiring = locks.acquire("slides");
  await settle();
  const [verifying, asking] = world.socket.calls("lock.acquire");
  await world.socket.reply(asking, { name: "slides", sequence: 12 });
  await world.socket.reply(verifying, { name: "slides", sequence: 12 });
  const newer = await acquiring;
  assert.deepEqual([newer.held, lock.held, world.socket.calls("lock.release").length], [true, false, 0]);
});

test("a fresh session holds nothing of the old one's", async () => {
  const { world, lock, losses } = await holding();
  await world.reconnect({ resumed: false, rooms: [], session_id: "session-9" });
  assert.deepEqual([losses, lock.held], [["CONNECTION_LOST"], false]);
  assert.equal(world.socket.calls("lock.acquire").length, 0);
});

test("the end of the session is the end of its locks", async () => {
  const { world, lock, losses } = await holding();
  await world.socket.drop(4011);
  assert.deepEqual([losses, lock.held], [["CLOSED_BY_CONTROLLER"], false]);
  assert.equal(await lock.release(), false);
});

test("a lock that is being given back when the session ends went with it", async () => {
  const { world, lock, losses } = await holding();
  const releasing = lock.release();
  await world.asked("lock.release");
  await world.socket.drop(4013);
  assert.deepEqual([await releasing, losses], [false, []]);
});

test("a store that is away for a moment is no reason to ask about locks", async () => {
  const { world, locks, lock } = await holding();
  const listing = locks.list();
  await world.socket.refuse(await world.asked("lock.list"), "UNAVAILABLE", { retry_after_seconds: 1 });
  await world.clock.advance(1_000);
  await world.answer("lock.list", { locks: [] });
  assert.deepEqual(await listing, []);
  assert.deepEqual([lock.held, world.socket.calls("lock.acquire").length], [true, 1]);
});

test("a lock that is taken away is lost at once; news of an older one means nothing", async () => {
  const { world, lock, losses } = await holding();
  await world.socket.notify("lock.lost", { name: "slides", sequence: 6 });
  await world.socket.notify("lock.lost", { name: "other", sequence: 7 });
  assert.deepEqual(losses, []);
  await world.socket.notify("lock.lost", { name: "slides", sequence: 7 });
  assert.deepEqual([losses, lock.held], [["LOCK_NOT_HELD"], false]);
});

test("a wait goes on over a reconnect, with what is left of the time", async () => {
  const { world, locks, grant } = await connected();
  const acquiring = locks.acquire("slides", { timeoutSeconds: 60 });
  await world.asked("lock.acquire");
  await world.clock.advance(10_000);
  await world.socket.drop();
  const away = await world.redial();
  await world.accept(AWAY);
  assert.equal((await grant(7)).timeout_seconds, 60 - 10 - away / 1000);
  assert.equal((await acquiring).sequence, 7);
});

test("a time that ran out while away leaves one try, for it may have been granted", async () => {
  const { world, locks } = await connected();
  const failing = assert.rejects(locks.acquire("slides", { timeoutSeconds: 1 }), LockTimeout);
  await world.asked("lock.acquire");
  await world.reconnect(AWAY);
  const call = await world.asked("lock.acquire");
  assert.equal(call.params.timeout_seconds, 0);
  await world.socket.refuse(call, "LOCK_TIMEOUT");
  await failing;
});

test("a lock asked for offline is asked for by the next connection, also of a fresh session", async () => {
  const { world, locks, grant } = await connected();
  await world.socket.drop();
  const acquiring = locks.acquire("slides");
  await settle();
  await world.redial();
  await world.accept({ resumed: false });
  await grant(3);
  assert.equal((await acquiring).sequence, 3);
});

test("a wait ends with the session", async () => {
  const { world, locks } = await connected();
  const waiting = outcome(locks.acquire("slides"));
  await world.asked("lock.acquire");
  await world.socket.drop();
  const offline = outcome(locks.acquire("other"));
  await world.redial();
  await world.socket.drop(4014);
  assert.deepEqual(await Promise.all([waiting, offline]), ["REVOKED", "REVOKED"]);
  assert.equal(await outcome(locks.acquire("late")), "REVOKED");
});

test("giving back while offline is done on return, before it is asked for again", async () => {
  const { world, locks, lock, grant, released } = await holding();
  await world.socket.drop();
  const releasing = lock.release();
  const again = locks.acquire("slides");
  await settle();
  await world.redial();
  await world.accept(AWAY);
  assert.equal(world.socket.calls("lock.acquire").length, 0);
  await released();
  assert.equal(await releasing, true);
  await grant(8);
  assert.equal((await again).sequence, 8);
});

test("a release that is refused is its caller's to know, and the lock can be asked for again", async () => {
  const { world, locks, lock, grant } = await holding();
  const refused = assert.rejects(lock.release(), AccessDenied);
  await world.socket.refuse(await world.asked("lock.release"), "ACCESS_DENIED");
  await refused;
  const again = locks.acquire("slides");
  await grant(7);
  assert.equal((await again).held, true);
});

test("releasing by name gives back one's own lock, and by force anybody's", async () => {
  const { locks, lock, losses, released } = await holding();
  const own = locks.release("slides");
  assert.deepEqual(await released(), { name: "slides" });
  assert.deepEqual([await own, lock.held], [true, false]);
  const others = locks.release("whiteboard", { force: true });
  assert.deepEqual(await released(), { name: "whiteboard", force: true });
  assert.equal(await others, true);
  const nobodys = locks.release("free");
  assert.deepEqual(await released(false), { name: "free" });
  assert.equal(await nobodys, false);
  assert.deepEqual(losses, []);
});

test("whoever takes a lock away from himself has lost it", async () => {
  const { locks, losses, released } = await holding();
  const forcing = locks.release("slides", { force: true });
  await released();
  assert.equal(await forcing, true);
  assert.deepEqual(losses, ["LOCK_NOT_HELD"]);
});

test("D77: locks can be looked at", async () => {
  const { world, locks } = await connected();
  const info = {
    name: "slides",
    session_id: "s1",
    principal: "ada",
    server_name: "n",
    sequence: 7,
    scope: "session",
    waiters: 2,
  };
  const looking = Promise.all([locks.get("slides"), locks.get("free"), locks.list()]);
  assert.deepEqual(await world.answer("lock.get", info), { name: "slides" });
  await world.answer("lock.get", null);
  assert.deepEqual(await world.answer("lock.list", { locks: [info] }), {});
  assert.deepEqual(await looking, [info, null, [info]]);
});

test("D79: a write that needs a lock says so, and is refused without it", async () => {
  const { world, session } = await holding();
  const room = await world.join(session);
  const refused = assert.rejects(room.store.set("k", 1, { lock: "slides" }), LockNotHeld);
  await settle();
  assert.deepEqual(world.socket.last("room.set").params, {
    room: "standup",
    key: "k",
    value: 1,
    lock: "slides",
    op: 1,
  });
  await world.socket.refuse(world.socket.last("room.set"), "LOCK_NOT_HELD");
  await refused;
});

test("releasing works without any symbol for it", async () => {
  const { lock, released } = await holding();
  assert.equal(typeof lock.release, "function");
  const { release } = lock;
  const releasing = release();
  await released();
  assert.equal(await releasing, true);
});

test("a loss is a promise that can be raced with the work", async () => {
  const { world, lock } = await holding({ scope: "connection" });
  const work = new Promise(() => {});
  const racing = Promise.race([work, lock.lost]);
  await world.socket.drop(1012);
  assert.deepEqual(await racing, { reason: "SERVER_SHUTDOWN" });
});

test("an unknown refusal is still an error of the store", async () => {
  const { world, locks } = await connected();
  const refused = assert.rejects(locks.list(), SessionStoreError);
  await world.socket.refuse(await world.asked("lock.list"), "SOMETHING_NEW");
  await refused;
});
