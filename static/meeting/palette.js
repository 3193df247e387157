// The colours a person can have, unlike ones side by side. The style sheet holds one class for each, `tone-<name>`.

export const TONES = ["coral", "teal", "violet", "olive", "sky", "rose", "fern", "indigo", "amber", "plum"];

/** The same id has the same colour on every screen. @param {string} id @returns {string} */
export function toneOf(id) {
  return TONES[placeOf(id)];
}

/**
 * A colour that nobody has yet, as long as there is one: people are told apart by it.
 * @param {string} id @param {Iterable<string>} taken @returns {string}
 */
export function freeToneOf(id, taken) {
  const used = new Set(taken);
  const place = placeOf(id);
  return [...TONES.slice(place), ...TONES.slice(0, place)].find((tone) => !used.has(tone)) ?? TONES[place];
}

/** @param {string} id */
function placeOf(id) {
  let hash = 2166136261;
  for (const byte of new TextEncoder().encode(id)) hash = Math.imul(hash ^ byte, 16777619) >>> 0;
  return hash % TONES.length;
}
