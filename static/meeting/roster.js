// Who matches a session filter at this moment, from the events of a listener. Knows nothing of the page.

/**
 * @typedef {{state: string, properties: Readonly<Record<string, string>>}} Seen
 * @typedef {Seen & {session_id: string, matches: boolean}} Event
 * @typedef {Seen & {id: string}} Sighting
 */

export class Roster {
  /** @type {Map<string, Sighting>} */
  #seen = new Map();

  /** @param {Event} event */
  see({ session_id: id, state, properties, matches }) {
    if (matches && state !== "CLOSED") this.#seen.set(id, { id, state, properties });
    else this.#seen.delete(id);
  }

  get list() {
    return [...this.#seen.values()];
  }
}
