/** JSON for the eye: as it is on the wire, laid out, and told apart by kind. */

/** @typedef {{kind: "key" | "string" | "literal" | "mark", text: string}} Token */

// A hostile text could nest as deep as it is long.
const INDENTED = 40;
const TOKEN = /"(?:[^"\\]|\\.)*"?|[{}[\],:]|[^\s{}[\],:"]+/g;
// Controls, and marks, embeddings, overrides and isolates of the bidirectional algorithm.
const TURNING = /[\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const CLOSING = new Map([
  ["{", "}"],
  ["[", "]"],
]);

/**
 * Not parsed and printed anew: numbers and escapes stay as they were sent, and a text that is cut off can be read too.
 * @param {string} text
 * @returns {Token[]}
 */
export function layOut(text) {
  const found = spelled(text).match(TOKEN) ?? [];
  /** @type {Token[]} */
  const tokens = [];
  const mark = (/** @type {string} */ sign) => tokens.push({ kind: "mark", text: sign });
  let depth = 0;
  const newLine = (/** @type {number} */ step) => {
    depth = Math.max(0, depth + step);
    mark(`\n${"  ".repeat(Math.min(depth, INDENTED))}`);
  };
  for (let i = 0; i < found.length; i++) {
    const sign = found[i];
    const closing = CLOSING.get(sign);
    if (closing && found[i + 1] === closing) mark(sign + found[++i]);
    else if (closing) {
      mark(sign);
      newLine(1);
    } else if (sign === "}" || sign === "]") {
      newLine(-1);
      mark(sign);
    } else if (sign === ",") {
      mark(sign);
      newLine(0);
    } else if (sign === ":") mark(": ");
    else if (!sign.startsWith('"')) tokens.push({ kind: "literal", text: sign });
    else tokens.push({ kind: found[i + 1] === ":" ? "key" : "string", text: sign });
  }
  return tokens;
}

/**
 * Signs that cannot be seen but turn others around are spelled out, as JSON can.
 * @param {string} text
 */
export const spelled = (text) =>
  text.replace(TURNING, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** On one line. @param {unknown} value @param {number} [length] */
export function compact(value, length = 240) {
  const text = spelled(JSON.stringify(value) ?? "");
  return text.length > length ? `${text.slice(0, length).replace(/[\uD800-\uDBFF]$/, "")}…` : text;
}
