// What the server has against something that was done here, in its own words.

import { membersOf } from "./untrusted.js";

/** @typedef {Error & {hint?: string, reason?: string, rule?: unknown}} Refused */

/** @param {Refused} error @returns {string} */
export function refusalText({ reason, hint, message, rule }) {
  if (reason === "DISCONNECTED") return "There is no connection at the moment.";
  const { action, key } = membersOf(rule);
  const what = typeof action === "string" ? `You may not ${[action, key].filter(Boolean).join(" ")} here. ` : "";
  return what + (hint || message || "That did not work.");
}
