// How a meeting's name is spelt, in agreement with the server, which has the last word.

import { tidy } from "./text.js";

export const ROOM_LENGTH = 100;

const FIRST = ["amber", "brisk", "calm", "dusky", "early", "fair", "gentle", "hazel", "ivory", "lunar", "quiet"];
const SECOND = ["bay", "birch", "cove", "delta", "field", "harbour", "heath", "lake", "meadow", "orchard", "ridge"];

/** The name people mean by what they typed; empty if no meeting can have it. @param {unknown} text @returns {string} */
export function cleanRoom(text) {
  const name = tidy(typeof text === "string" ? text.replaceAll("/", "-") : "", ROOM_LENGTH);
  return /^\.*$/u.test(name) ? "" : name;
}

/** @param {string} room @returns {string} */
export const meetingPath = (room) => `/meeting/${encodeURIComponent(room)}/`;

/** A name nobody else is likely to meet under. @param {(limit: number) => number} pick @returns {string} */
export function inventRoom(pick) {
  return `${FIRST[pick(FIRST.length)]}-${SECOND[pick(SECOND.length)]}-${1000 + pick(9000)}`;
}
