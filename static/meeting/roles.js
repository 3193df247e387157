// The property `$Roles`, which every session has: names in quotes, joined by commas.

export const SPEAKER = "speaker";

/** @param {unknown} text @returns {string[]} */
export function rolesIn(text) {
  const names = typeof text === "string" ? text.matchAll(/"((?:[^"\\]|\\.)*)"/gsu) : [];
  return Array.from(names, ([, name]) => name.replace(/\\(.)/gsu, "$1"));
}
