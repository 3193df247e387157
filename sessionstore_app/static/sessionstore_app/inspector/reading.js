/** One frame: what a socket carried, as messages and as a text without secrets. Knows JSON-RPC, no method. */

import { utf8Bytes } from "../sdk/bytes.js";
import { mask, maskText } from "./secrets.js";

/** How much of a frame's text is kept. */
export const TEXT_KEPT = 16384;

/**
 * @typedef {object} Reading
 * @property {"text" | "batch" | "unreadable" | "binary"} form
 * @property {any[]} messages  none if it is unreadable
 * @property {string} text  as it was sent, but for its secrets
 * @property {boolean} cut  whether the text was longer
 * @property {number} bytes  of the whole frame
 */

/**
 * @param {unknown} data a text, or a Blob, an ArrayBuffer or a view of one
 * @returns {Reading}
 */
export function readFrame(data) {
  if (typeof data !== "string") {
    const { size, byteLength = size ?? 0 } = /** @type {any} */ (data ?? {});
    return { form: "binary", messages: [], text: "", cut: false, bytes: byteLength };
  }
  const bytes = utf8Bytes(data);
  try {
    const parsed = JSON.parse(data);
    const form = Array.isArray(parsed) ? "batch" : "text";
    return { form, messages: [parsed].flat(), bytes, ...kept(mask(parsed) ? JSON.stringify(parsed) : data) };
  } catch {
    // No JSON, or nested deeper than can be walked.
    return { form: "unreadable", messages: [], bytes, ...kept(maskText(data)) };
  }
}

/** @param {string} text */
const kept = (text) => ({ text: text.slice(0, TEXT_KEPT), cut: text.length > TEXT_KEPT });
