import assert from "node:assert/strict";
import { test } from "node:test";

import { refusalText } from "../../static/meeting/refusal.js";
import { Rights } from "../../static/meeting/rights.js";

/** A server that answers when it is told to. */
function asking(roles) {
  const waiting = [];
  const room = {
    roles: ["guest"],
    can: (action, key) => new Promise((resolve, reject) => waiting.push({ action, key, resolve, reject })),
  };
  const session = { id: "ben", roles };
  const answer = (allowed) => waiting.splice(0, 3).forEach(({ key, resolve }) => resolve(allowed.includes(key)));
  return { session, room, waiting, answer, rights: new Rights(session, room) };
}

test("nothing may be done before the server has answered", async () => {
  const { rights, waiting, answer } = asking([]);
  const asked = rights.ask();
  assert.deepEqual(rights.may, { spotlight: false, pin: false, notes: false });
  assert.deepEqual(waiting.map(({ action, key }) => [action, key]), [
    ["write", "spotlight"],
    ["write", "pinned"],
    ["write", "notes"],
  ]);
  answer(["pinned"]);
  assert.equal(await asked, true);
  assert.deepEqual(rights.may, { spotlight: false, pin: true, notes: false });
});

test("it is asked again when roles are others, and only then", async () => {
  const { session, rights, waiting, answer } = asking([]);
  const asked = rights.ask();
  answer([]);
  await asked;
  assert.equal(await rights.ask(), false);
  assert.equal(waiting.length, 0);
  session.roles = ["speaker"];
  const again = rights.ask();
  answer(["pinned"]);
  assert.equal(await again, true);
  assert.equal(rights.may.pin, true);
});

test("an answer to what was asked with former roles does not count", async () => {
  const { session, rights, waiting } = asking([]);
  const first = rights.ask();
  const former = waiting.splice(0);
  session.roles = ["speaker"];
  const second = rights.ask();
  waiting.splice(0).forEach(({ key, resolve }) => resolve(key === "pinned"));
  assert.equal(await second, true);
  former.forEach(({ resolve }) => resolve(false));
  assert.equal(await first, false);
  assert.equal(rights.may.pin, true);
});

test("without a connection the last answers stay, and it is asked again", async () => {
  const { session, rights, waiting, answer } = asking([]);
  const first = rights.ask();
  answer(["pinned"]);
  await first;
  session.id = "ben, come back";
  const lost = rights.ask();
  waiting.splice(0).forEach(({ reject }) => reject(new Error("DISCONNECTED")));
  assert.equal(await lost, false);
  assert.equal(rights.may.pin, true);
  const again = rights.ask();
  answer([]);
  assert.equal(await again, true);
  assert.equal(rights.may.pin, false);
});

test("a refusal is told in the server's words, with what was refused", () => {
  const hint = "It takes role host; your roles: guest.";
  const told = (refused) => refusalText({ reason: "ACCESS_DENIED", hint, ...refused });
  assert.equal(told({ rule: { action: "write", key: "spotlight" } }), `You may not write spotlight here. ${hint}`);
  assert.equal(told({ rule: { action: "broadcast" } }), `You may not broadcast here. ${hint}`);
  assert.equal(told({}), hint);
  assert.equal(refusalText(new TypeError("Failed to fetch")), "Failed to fetch");
  assert.equal(refusalText({ reason: "DISCONNECTED", hint }), "There is no connection at the moment.");
  assert.equal(refusalText({}), "That did not work.");
});
