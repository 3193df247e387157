/** What a message is about, in a few words of its own: keys, an event or a reason, then the room. */

const LENGTH = 160;
const WORDS = ["key", "keys", "observe", "ops", "changes", "entries", "event", "name", "reason"];

/**
 * @param {any} told params, a result or an error's data
 * @param {any} [asked] the params of the request that it answers
 * @returns {string}
 */
export function aboutOf(told, asked) {
  const said = (/** @type {any} */ value) => WORDS.map((name) => words(member(value, name))).filter(Boolean);
  const parts = said(told);
  if (!parts.length) parts.push(...said(asked));
  if (Array.isArray(told?.joined)) parts.push(...signs(told));
  parts.push(member(told, "room") ?? member(asked, "room"));
  const text = parts.filter((part) => typeof part === "string" && part).join(" · ");
  return text.length > LENGTH ? `${text.slice(0, LENGTH)}…` : text;
}

/** How many came, went and changed. @param {any} told of room.peers */
const signs = ({ joined, left, updated }) =>
  Object.entries({ "+": joined, "−": left, "±": updated })
    .filter(([, list]) => list?.length)
    .map(([sign, list]) => sign + list.length);

/** Own members only: a frame may name anything. @param {any} value @param {string} name */
function member(value, name) {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name) ? value[name] : undefined;
}

/** @param {unknown} value @returns {string | undefined} */
function words(value) {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return undefined;
  // More would be cut off.
  const keys = value.slice(0, LENGTH).map((item) => (typeof item === "string" ? item : member(item, "key")));
  return keys.filter((key) => typeof key === "string").join(", ");
}
