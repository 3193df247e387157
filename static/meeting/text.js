// Measuring, cutting and reading text by what people see (graphemes) and what the wire counts (bytes of UTF-8 JSON).
// Knows nothing of the page.

const encoder = new TextEncoder();
const segmenter = globalThis.Intl?.Segmenter ? new Intl.Segmenter(undefined, { granularity: "grapheme" }) : null;

/** The characters as a reader counts them: a flag or a family is one. @param {string} text @returns {string[]} */
export function graphemes(text) {
  return segmenter ? Array.from(segmenter.segment(text), (part) => part.segment) : Array.from(text);
}

/** @param {unknown} value @returns {number} */
export function jsonBytes(value) {
  return encoder.encode(JSON.stringify(value)).length;
}

/**
 * The longest beginning of `text` that takes at most `bytes` bytes inside a JSON string, with "…" where it was cut.
 * @param {string} text @param {number} bytes @returns {string}
 */
export function cutToBytes(text, bytes) {
  const ellipsis = "…";
  const quotes = 2;
  if (jsonBytes(text) - quotes <= bytes) return text;
  const room = bytes - (jsonBytes(ellipsis) - quotes);
  let kept = "";
  let used = 0;
  for (const grapheme of graphemes(text)) {
    used += jsonBytes(grapheme) - quotes;
    if (used > room) break;
    kept += grapheme;
  }
  return room < 0 ? "" : kept.trimEnd() + ellipsis;
}

/**
 * One line of text as somebody meant it: one form of each accent, no control characters, no doubled blanks, at most
 * `length` code points (what the server counts).
 * @param {unknown} text @param {number} length @returns {string}
 */
export function tidy(text, length) {
  const line = (typeof text === "string" ? text : "")
    .replace(/\p{Surrogate}/gu, "")
    .normalize("NFC")
    .replace(/\s+/gu, " ")
    .replace(/\p{Cc}/gu, "")
    .trim();
  return Array.from(line).slice(0, length).join("").trim();
}

/** Up to two letters for a face without a picture. @param {string} name @returns {string} */
export function initials(name) {
  const words = name.split(/\s+/u).filter(Boolean);
  const chosen = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return chosen.map((word) => graphemes(word)[0].toLocaleUpperCase()).join("") || "?";
}

/**
 * Text in parts, web addresses apart. Only http and https become links, so that no message can carry a script.
 * @param {string} text @returns {{text: string, href?: string}[]}
 */
export function splitLinks(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(/https?:\/\/[^\s<>"']+/giu)) {
    const shown = match[0].replace(/[.,;:!?)\]]+$/u, "");
    if (!URL.canParse(shown)) continue;
    if (match.index > end) parts.push({ text: text.slice(end, match.index) });
    parts.push({ text: shown, href: new URL(shown).href });
    end = match.index + shown.length;
  }
  if (end < text.length) parts.push({ text: text.slice(end) });
  return parts;
}

/**
 * The same parts, ending after `length` graphemes. A link that is cut still leads where it led.
 * @param {{text: string, href?: string}[]} parts @param {number} length
 * @returns {{parts: {text: string, href?: string}[], clipped: boolean}}
 */
export function clipParts(parts, length) {
  const kept = [];
  let left = length;
  for (const part of parts) {
    const shown = graphemes(part.text);
    if (shown.length > left) {
      kept.push({ ...part, text: shown.slice(0, left).join("").trimEnd() + "…" });
      return { parts: kept, clipped: true };
    }
    kept.push(part);
    left -= shown.length;
  }
  return { parts: kept, clipped: false };
}
