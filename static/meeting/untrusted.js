// Anybody in a room can write anything there. What comes from others goes through here before a member of it is read.

/** @param {unknown} value @returns {Record<string, unknown>} the value's members, none if it has no members */
export function membersOf(value) {
  return value !== null && typeof value === "object" ? /** @type {Record<string, unknown>} */ (value) : {};
}
