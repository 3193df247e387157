import assert from "node:assert/strict";
import { test } from "node:test";

import { makePin, nextIndex, PIN_CAP, readPins } from "../../static/meeting/pinlist.js";
import { jsonBytes } from "../../static/meeting/text.js";

const LIMIT = 1024;
const pin = (id) => ({ id, text: `text ${id}`, pinnedBy: "Ana" });

test("a pin says who said it, what, and who pinned it (H70)", () => {
  const made = makePin({ id: "m1", name: "Ben", text: "Ship it" }, "Ana");
  assert.deepEqual(made, { id: "m1", text: "Ben: Ship it", pinnedBy: "Ana" });
});

test("an unknown sender is left out of the text (H70)", () => {
  assert.equal(makePin({ id: "m1", name: "", text: "Ship it" }, "Ana").text, "Ship it");
});

const LETTERS = { ascii: "x", quotes: '"', accents: "é", kanji: "会", emoji: "🧑‍🚀", control: "\u0001" };

for (const [script, letter] of Object.entries(LETTERS)) {
  test(`three of the longest pins fit in one value: ${script}`, () => {
    const id = "a".repeat(64);
    const pins = Array.from({ length: PIN_CAP }, () =>
      makePin({ id, name: letter.repeat(40), text: letter.repeat(500) }, letter.repeat(40)),
    );
    const bytes = jsonBytes(pins);
    assert.ok(bytes <= LIMIT, `${bytes} bytes`);
    assert.ok(bytes > LIMIT - 90, `${bytes} bytes waste what could be shown`);
  });
}

test("pins are read newest first and never more than the cap", () => {
  assert.deepEqual(readPins(["a", "b", "c", "d"].map(pin)).map(({ id }) => id), ["d", "c", "b"]);
});

test("what is not a list of pins shows nothing and breaks nothing", () => {
  for (const value of [null, undefined, "x", 7, {}, [null, 1, "x", {}, { id: 1, text: "x" }, { id: "a" }, []]]) {
    assert.deepEqual(readPins(value), []);
  }
});

test("an id shows once", () => {
  assert.equal(readPins([pin("a"), pin("a")]).length, 1);
});

test("the carousel goes to a new pin", () => {
  assert.equal(nextIndex([pin("a")], [pin("b"), pin("a")], 0), 0);
});

test("the carousel stays on its pin when another goes (H72, P2)", () => {
  assert.equal(nextIndex([pin("c"), pin("b"), pin("a")], [pin("b"), pin("a")], 2), 1);
});

test("the carousel moves to a neighbour when its pin goes (H72)", () => {
  assert.equal(nextIndex([pin("b"), pin("a")], [pin("b")], 1), 0);
  assert.equal(nextIndex([pin("a")], [], 0), 0);
});
