import assert from "node:assert/strict";
import { test } from "node:test";

import { clipParts, cutToBytes, graphemes, initials, jsonBytes, splitLinks, tidy } from "../../static/meeting/text.js";

const FAMILY = "👨‍👩‍👧‍👦";

test("a text that fits is not cut", () => {
  assert.equal(cutToBytes("hello", 5), "hello");
});

test("a text one byte too long is cut and says so", () => {
  assert.equal(cutToBytes("hello!", 5), "he…");
});

test("bytes are counted as JSON writes them, quotes and backslashes twice", () => {
  assert.equal(jsonBytes('a"\\'), 7);
  assert.equal(cutToBytes('""""', 8), '""""');
  assert.equal(cutToBytes('"""""', 8), '""…');
});

test("a cut never splits what a reader sees as one character", () => {
  const cut = cutToBytes(`${FAMILY}${FAMILY}`, 40);
  assert.equal(cut, `${FAMILY}…`);
});

test("no length of cut text exceeds its bytes, in any script", () => {
  for (const text of ["plain ascii text", "žluťoučký kůň úpěl", "会議の全員が同じものを見る", `${FAMILY}🇨🇭é\n"x"`]) {
    for (let bytes = 0; bytes <= jsonBytes(text); bytes += 1) {
      assert.ok(jsonBytes(cutToBytes(text, bytes)) - 2 <= bytes, `${text} in ${bytes}`);
    }
  }
});

test("tidy brings every spelling of a name to one", () => {
  assert.equal(tidy("  Zoe\u0308\t\n Ba\u0000r ", 40), "Zoë Bar");
  assert.equal(tidy("\ud800x", 40), "x");
  assert.equal(tidy(undefined, 40), "");
  assert.equal(tidy({ toString: () => "x" }, 40), "");
});

test("tidy counts code points, as the server does", () => {
  assert.equal(graphemes(tidy("😀".repeat(60), 40)).length, 40);
});

test("initials are the first letters of the first and the last word", () => {
  assert.equal(initials("Maya"), "M");
  assert.equal(initials("maya de la rao"), "MR");
  assert.equal(initials("éloïse"), "É");
  assert.equal(initials("李 小龙"), "李小");
  assert.equal(initials(""), "?");
});

test("web addresses become links, without the full stop behind them", () => {
  assert.deepEqual(splitLinks("see https://example.org/a?b=c. Bye"), [
    { text: "see " },
    { text: "https://example.org/a?b=c", href: "https://example.org/a?b=c" },
    { text: ". Bye" },
  ]);
});

test("nothing but http and https becomes a link (T8)", () => {
  const hostile = ["javascript:alert(1)", "data:text/html,x", "https://", "<img src=x onerror=alert(1)>", "vbscript:x"];
  for (const text of hostile) {
    assert.deepEqual(splitLinks(text), [{ text }]);
  }
});

test("the parts of a text always make the whole text again", () => {
  for (const text of ["", "a", "http://a.b http://c.d", "(https://a.b)", "https://a.b\"onclick='x'"]) {
    assert.equal(splitLinks(text).map((part) => part.text).join(""), text);
  }
});

test("75 characters stay as they are, the 76th makes a clip (H75)", () => {
  assert.equal(clipParts([{ text: "x".repeat(75) }], 75).clipped, false);
  const { parts, clipped } = clipParts([{ text: "x".repeat(76) }], 75);
  assert.equal(clipped, true);
  assert.equal(parts[0].text, "x".repeat(75) + "…");
});

test("a clipped link still leads to the whole address", () => {
  const href = `https://example.org/${"a".repeat(80)}`;
  const { parts } = clipParts(splitLinks(`look: ${href} and more`), 75);
  assert.equal(parts.at(-1).href, href);
  assert.ok(parts.at(-1).text.endsWith("…"));
});
