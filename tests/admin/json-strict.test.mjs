/** What the text areas for JSON say of a text: the code of its fault and the place of it. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { faultOf, indented } from "../../sessionstore_app/static/sessionstore_app/admin/json-strict.js";

const GOOD = [
  "{}",
  "[]",
  ' {"a" : [1, -0, 0.5, 1e300, 1.5E-7, true, false, null, ""] } \r\n\t',
  '"\\u00e9 \\ud83d\\ude00 😀 \\" \\\\ \\/"',
  "9007199254740991",
  '{"a": {"a": 1}, "b": {"a": 1}, "__proto__": 1, "constructor": 2}',
];

for (const text of GOOD) {
  test(`it is JSON: ${text}`, () => {
    assert.equal(faultOf(text), null);
    assert.deepEqual(JSON.parse(indented(text)), JSON.parse(text));
  });
}

// Text, code, line, column, and what is named.
const BAD = [
  ["", "empty", 1, 1, ""],
  [" \n ", "empty", 2, 2, ""],
  ["{", "end", 1, 2, ""],
  ['{"a": 1', "end", 1, 8, ""],
  ['{"a":', "end", 1, 6, ""],
  ['{"a"', "end", 1, 5, ""],
  ["[1", "end", 1, 3, ""],
  ['{"a": 1,}', "trailing", 1, 8, ""],
  ["[1,\n 2,\n]", "trailing", 2, 3, ""],
  ["[1,,2]", "unexpected", 1, 4, ","],
  ["[,]", "unexpected", 1, 2, ","],
  ['{"a": 1 "b": 2}', "comma", 1, 9, '"'],
  ["[1 2]", "comma", 1, 4, "2"],
  ['{"a": 1]', "comma", 1, 8, "]"],
  ['{"a" 1}', "colon", 1, 6, "1"],
  ["{a: 1}", "name", 1, 2, "a"],
  ["{,}", "name", 1, 2, ","],
  ["{'a': 1}", "quotes", 1, 2, ""],
  ["['a']", "quotes", 1, 2, ""],
  ['{"a": 1, "b": 2,\n  "a": 3}', "duplicate", 2, 3, "a"],
  ['{"a": 1, "\\u0061": 3}', "duplicate", 1, 10, "a"],
  ['{"x": {"y": 1, "y": 2}}', "duplicate", 1, 16, "y"],
  ["{} {}", "after", 1, 4, "{"],
  ["1 😀", "after", 1, 3, "😀"],
  ['"😀" x', "after", 1, 5, "x"],
  ["True", "word", 1, 1, "True"],
  ["[NaN]", "word", 1, 2, "NaN"],
  ["Infinity", "word", 1, 1, "Infinity"],
  ["undefined", "word", 1, 1, "undefined"],
  ["truely", "word", 1, 1, "truely"],
  ["01", "number", 1, 1, "01"],
  ["-", "number", 1, 1, "-"],
  ["+1", "number", 1, 1, "+1"],
  ["1.", "number", 1, 1, "1."],
  [".5", "number", 1, 1, ".5"],
  ["1e", "number", 1, 1, "1e"],
  ["0x1F", "number", 1, 1, "0x1F"],
  ["1_000", "number", 1, 1, "1_000"],
  ["-Infinity", "number", 1, 1, "-Infinity"],
  ["9007199254740992", "integer", 1, 1, "9007199254740992"],
  ["-9007199254740992", "integer", 1, 1, "-9007199254740992"],
  ["[1e999]", "range", 1, 2, "1e999"],
  ['{"a": "x', "string", 1, 7, ""],
  ['"x\\', "string", 1, 1, ""],
  ['"a\nb"', "control", 1, 3, ""],
  ['"a\tb"', "control", 1, 3, ""],
  ['"\\x"', "escape", 1, 2, ""],
  ['"\\u12g4"', "escape", 1, 2, ""],
  ['"a\\u0000"', "nul", 1, 3, ""],
  ['"\\ud800"', "surrogate", 1, 1, ""],
  ['["a", "\\ude00\\ud83d"]', "surrogate", 1, 7, ""],
  ["// no\n{}", "unexpected", 1, 1, "/"],
  ["\ufeff{}", "unexpected", 1, 1, "\ufeff"],
  ["\u00a0{}", "unexpected", 1, 1, "\u00a0"],
];

for (const [text, code, line, column, detail] of BAD) {
  test(`${code} in ${JSON.stringify(text)}`, () => {
    const { offset, ...fault } = faultOf(text);
    assert.deepEqual(fault, { code, detail, line, column });
    assert.ok(offset <= text.length);
  });
}

test("it is nested as deep as it may be, and no deeper", () => {
  const nested = (depth) => "[".repeat(depth) + "]".repeat(depth);
  assert.equal(faultOf(nested(32)), null);
  assert.equal(faultOf(nested(33)).code, "depth");
  assert.equal(faultOf(nested(3), { deepest: 2 }).column, 3);
  // Far too deep is no different.
  assert.equal(faultOf("[".repeat(100_000)).code, "depth");
});

test("where an object is wanted, another value is not enough", () => {
  assert.equal(faultOf(' {"a": []}', { object: true }), null);
  assert.deepEqual(faultOf("\n [1]", { object: true }), { code: "object", detail: "", offset: 2, line: 2, column: 2 });
  // What is no JSON at all is said first.
  assert.equal(faultOf("[1", { object: true }).code, "end");
});

test("formatting shows the structure and changes no sign of it", () => {
  const text = '{"a":[1.50,1e2,{}],"b":[ ],"{,}":"x\\"\\u00e9 : [","c":{"d":null}}';
  assert.equal(
    indented(text),
    `{
  "a": [
    1.50,
    1e2,
    {}
  ],
  "b": [],
  "{,}": "x\\"\\u00e9 : [",
  "c": {
    "d": null
  }
}`,
  );
  assert.equal(indented(indented(text)), indented(text));
});

test("a large text is looked at in no time", () => {
  const text = JSON.stringify(Array.from({ length: 20_000 }, (_, index) => ({ id: index, name: `näme ${index}` })));
  const before = performance.now();
  assert.equal(faultOf(text), null);
  indented(text);
  assert.ok(performance.now() - before < 2_000);
});
