// What the server has against a filter, in words, and the filter in three parts: before the fault, at it, behind it.

/** @typedef {{message?: string, hint?: string, reason?: string, errors?: unknown}} Refused */
/** @typedef {{text: string, parts: {before: string, at: string, behind: string} | null}} Fault */

import { membersOf } from "./untrusted.js";

/** @param {string} filter @param {Refused} error @returns {Fault} */
export function filterFault(filter, error) {
  const { message, column } = membersOf(Array.isArray(error.errors) ? error.errors[0] : null);
  if (typeof message !== "string" || typeof column !== "number") {
    const offline = error.reason === "DISCONNECTED" && "There is no connection at the moment.";
    return { text: offline || error.hint || error.message || "The server refused this filter.", parts: null };
  }
  const said = message.replace(/`([^`]+)`/gu, "“$1”");
  return { text: `Column ${column}: ${said}`, parts: cutAt(Array.from(filter), column - 1) };
}

/** The server counts code points, as `Array.from` does. @param {string[]} signs @param {number} place */
function cutAt(signs, place) {
  const [before, at, behind] = [signs.slice(0, place), signs.slice(place, place + 1), signs.slice(place + 1)];
  return { before: before.join(""), at: at.join(""), behind: behind.join("") };
}
