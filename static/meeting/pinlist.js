// The list under the key `pinned`: what goes into it and what may come out. The server does the appending and
// removing, so two people who pin at once both succeed.

import { cutToBytes, jsonBytes } from "./text.js";
import { membersOf } from "./untrusted.js";

export const PIN_CAP = 3;
export const CLIP_LENGTH = 75;
const VALUE_BYTES = 1024;
const NAME_BYTES = 60;
// Two brackets and the commas between the pins.
const PIN_BYTES = Math.floor((VALUE_BYTES - 2 - (PIN_CAP - 1)) / PIN_CAP);

/**
 * A pin small enough for three of its size to fit in one value, whatever the script or the message.
 * @param {{id: string, name: string, text: string}} message @param {string} pinnedBy
 * @returns {{id: string, text: string, pinnedBy: string}}
 */
export function makePin(message, pinnedBy) {
  const pin = { id: message.id, text: "", pinnedBy: cutToBytes(pinnedBy, NAME_BYTES) };
  const text = message.name ? `${message.name}: ${message.text}` : message.text;
  return { ...pin, text: cutToBytes(text, PIN_BYTES - jsonBytes(pin)) };
}

/**
 * The pins of a stored value, newest first; whatever is not a pin is passed over.
 * @param {unknown} value @returns {{id: string, text: string, pinnedBy: string}[]}
 */
export function readPins(value) {
  const pins = new Map();
  for (const item of Array.isArray(value) ? value : []) {
    const { id, text, pinnedBy } = membersOf(item);
    if (typeof id !== "string" || typeof text !== "string") continue;
    pins.set(id, { id, text, pinnedBy: typeof pinnedBy === "string" ? pinnedBy : "" });
  }
  return [...pins.values()].slice(-PIN_CAP).reverse();
}

/**
 * Where a carousel stands after the list changed: on a pin that is new, else where it was, else on the nearest left.
 * @param {{id: string}[]} before @param {{id: string}[]} after @param {number} index @returns {number}
 */
export function nextIndex(before, after, index) {
  const known = new Set(before.map((pin) => pin.id));
  if (after.length && !known.has(after[0].id)) return 0;
  const shown = after.findIndex((pin) => pin.id === before[index]?.id);
  return shown >= 0 ? shown : Math.max(0, Math.min(index, after.length - 1));
}
