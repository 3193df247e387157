/**
 * Strict JSON, as the server reads it: what is wrong with a text and where, and the text with its structure shown.
 * Knows no page. Numbers and strings stay as they are written: nothing is read and written again.
 */

const DEEPEST = 32;
// A number up to its last sign; whether it is one is seen afterwards.
const WORD = /[-+.\w$]+/y;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const INTEGER = /^-?\d+$/;
const LARGEST = BigInt(Number.MAX_SAFE_INTEGER);
const WORDS = new Set(["true", "false", "null"]);
const SPACE = new Set([" ", "\t", "\n", "\r"]);
const ESCAPED = new Set([...'"\\/bfnrt']);
const LONE_SURROGATE = /[\ud800-\udfff]/u;

class Fault extends Error {
  constructor(code, offset, detail = "") {
    super(code);
    Object.assign(this, { code, offset, detail });
  }
}

class Reader {
  constructor(text, deepest) {
    this.text = text;
    this.deepest = deepest;
    this.at = 0;
  }

  /** The next sign that is no space; empty at the end. */
  next() {
    while (SPACE.has(this.text[this.at])) this.at++;
    return this.text[this.at] ?? "";
  }

  fail(code, offset = this.at, detail = "") {
    throw new Fault(code, offset, detail);
  }

  /** What stands where something else is expected. */
  unexpected(code) {
    const found = this.next();
    if (!found) this.fail("end");
    this.fail(code, this.at, String.fromCodePoint(this.text.codePointAt(this.at)));
  }

  document() {
    if (!this.next()) this.fail("empty");
    this.value(0);
    if (this.next()) this.unexpected("after");
  }

  value(depth) {
    const found = this.next();
    if (found === "{") return this.object(depth + 1);
    if (found === "[") return this.array(depth + 1);
    if (found === '"') return void this.string();
    if (found === "'") this.fail("quotes");
    WORD.lastIndex = this.at;
    const word = WORD.exec(this.text)?.[0];
    if (!word) this.unexpected("unexpected");
    this.word(word);
    this.at += word.length;
  }

  word(word) {
    if (WORDS.has(word)) return;
    if (!/^[-+.\d]/.test(word)) this.fail("word", this.at, word);
    if (!NUMBER.test(word)) this.fail("number", this.at, word);
    if (INTEGER.test(word)) {
      const size = BigInt(word);
      if (size > LARGEST || size < -LARGEST) this.fail("integer", this.at, word);
    } else if (!Number.isFinite(Number(word))) this.fail("range", this.at, word);
  }

  /** Returns what the string says. */
  string() {
    const begin = this.at++;
    for (let sign; (sign = this.text[this.at]) !== '"'; this.at++) {
      if (sign === undefined) this.fail("string", begin);
      if (sign < " ") this.fail("control");
      if (sign === "\\") this.escape(begin);
    }
    const said = JSON.parse(this.text.slice(begin, ++this.at));
    if (LONE_SURROGATE.test(said)) this.fail("surrogate", begin);
    return said;
  }

  escape(begin) {
    const sign = this.text[this.at + 1];
    if (sign === undefined) this.fail("string", begin);
    if (sign === "u") {
      const digits = this.text.slice(this.at + 2, this.at + 6);
      if (!/^[\da-fA-F]{4}$/.test(digits)) this.fail("escape");
      if (digits === "0000") this.fail("nul");
      this.at += 5;
    } else if (ESCAPED.has(sign)) this.at++;
    else this.fail("escape");
  }

  object(depth) {
    const names = new Set();
    this.list(depth, "}", () => {
      if (this.next() === "'") this.fail("quotes");
      if (this.next() !== '"') this.unexpected("name");
      const begin = this.at;
      const name = this.string();
      if (names.has(name)) this.fail("duplicate", begin, name);
      names.add(name);
      if (this.next() !== ":") this.unexpected("colon");
      this.at++;
      this.value(depth);
    });
  }

  array(depth) {
    this.list(depth, "]", () => this.value(depth));
  }

  /** What is between brackets, by commas. */
  list(depth, closing, item) {
    if (depth > this.deepest) this.fail("depth", this.at, String(this.deepest));
    this.at++;
    if (this.next() === closing) return void this.at++;
    for (;;) {
      item();
      const found = this.next();
      if (found === closing) return void this.at++;
      if (found !== ",") this.unexpected("comma");
      const comma = this.at++;
      if (this.next() === closing) this.fail("trailing", comma);
    }
  }
}

/** Line and column of an offset, from 1; columns are counted in characters. */
const place = (text, offset) => {
  const before = text.slice(0, offset);
  const begin = before.lastIndexOf("\n") + 1;
  return { line: before.split("\n").length, column: [...before.slice(begin)].length + 1 };
};

/**
 * What is wrong with a text: `{ code, detail, offset, line, column }`; null if it is strict JSON. With `object` it has
 * to be an object.
 */
export const faultOf = (text, { deepest = DEEPEST, object = false } = {}) => {
  const reader = new Reader(text, deepest);
  try {
    reader.document();
    reader.at = 0;
    if (object && reader.next() !== "{") reader.fail("object");
    return null;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { code, detail, offset } = error;
    return { code, detail, offset, ...place(text, offset) };
  }
};

const TOKEN = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g;
const OPENING = new Set(["{", "["]);
const CLOSING = new Set(["}", "]"]);

/** The text of JSON with a line for each member and item; its strings and numbers stay as they are written. */
export const indented = (text) => {
  const tokens = text.match(TOKEN) ?? [];
  let depth = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  const spaced = (token, index) => {
    if (OPENING.has(token)) {
      depth++;
      return CLOSING.has(tokens[index + 1]) ? token : token + line();
    }
    if (CLOSING.has(token)) {
      depth--;
      return OPENING.has(tokens[index - 1]) ? token : line() + token;
    }
    if (token === ",") return token + line();
    return token === ":" ? ": " : token;
  };
  return tokens.map(spaced).join("");
};
