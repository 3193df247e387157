/** Times, sizes and ids, short enough for a column. */

/** @import { Say } from "./labels.js" */

const ID_SHOWN = 8;
const two = (/** @type {number} */ number) => String(number).padStart(2, "0");

/**
 * @param {number | string | null} at milliseconds or ISO 8601
 * @param {{exact?: boolean}} [options] exact: with milliseconds
 */
export function clockTime(at, { exact = false } = {}) {
  const time = new Date(at ?? NaN);
  if (Number.isNaN(time.getTime())) return "";
  const seconds = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":");
  return exact ? `${seconds}.${String(time.getMilliseconds()).padStart(3, "0")}` : seconds;
}

/** @param {number} bytes @param {Say} say */
export const sizeOf = (bytes, say) =>
  bytes < 1000 ? say("bytes", { count: bytes }) : say("kilobytes", { count: (bytes / 1024).toFixed(1) });

/** @param {string} id */
export const shortId = (id) => (id.length > ID_SHOWN + 1 ? `${id.slice(0, ID_SHOWN)}…` : id);
