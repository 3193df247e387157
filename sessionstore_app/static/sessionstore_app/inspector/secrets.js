/** What is never kept: a frame on a screen is read over shoulders and pasted into tickets. */

export const MASK = "•••";

const SECRETS = new Set(["token", "resume_token"]);
// In a text that is no JSON, or is cut off.
const SPELLED = /("(?:resume_)?token"\s*:\s*)(?:"(?:[^"\\]|\\.)*"?|[^\s,}\]]+)/g;

/**
 * Replaces the secrets in a parsed frame, in place.
 * @param {any} value
 * @returns {boolean} whether there were any
 */
export function mask(value) {
  if (typeof value !== "object" || value === null) return false;
  let found = false;
  for (const name of Object.keys(value)) {
    if (!SECRETS.has(name)) found = mask(value[name]) || found;
    else {
      value[name] = MASK;
      found = true;
    }
  }
  return found;
}

/** @param {string} text a frame that cannot be parsed */
export const maskText = (text) => text.replace(SPELLED, `$1"${MASK}"`);
