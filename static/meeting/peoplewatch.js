// The live list of those who match a filter. Another filter takes its place only when the server has accepted it:
// whoever mistypes one keeps the list that is there.

import { Roster } from "./roster.js";

/** @import { Event } from "./roster.js" */
/** @import { Refused } from "./filterfault.js" */

/**
 * @typedef {{see: (event: Event) => void, ready: () => void, closed: (error: Refused) => void}} Ears
 * @typedef {{filter: string, roster: Roster, stop: () => void}} Listening
 */

export class PeopleWatch {
  /** @type {Listening | null} */
  #current = null;
  /** @type {Listening | null} */
  #tried = null;

  /**
   * @param {(filter: string, ears: Ears) => () => void} listen
   * @param {{changed: () => void, refused: (filter: string, error: Refused) => void}} actions
   */
  constructor(listen, actions) {
    this.listen = listen;
    this.actions = actions;
  }

  /** Whether anybody listens, or waits for the answer to that. */
  get active() {
    return this.#current !== null || this.#tried !== null;
  }

  /** The filter in force. */
  get filter() {
    return this.#current?.filter ?? "";
  }

  /** null: there is no list yet. */
  get sightings() {
    return this.#current?.roster.list ?? null;
  }

  /** @param {string} filter */
  try(filter) {
    this.#tried?.stop();
    /** @type {Listening} */
    const listening = { filter, roster: new Roster(), stop: () => {} };
    this.#tried = listening;
    listening.stop = this.listen(filter, {
      see: (event) => {
        listening.roster.see(event);
        if (listening === this.#current) this.actions.changed();
      },
      ready: () => this.#accept(listening),
      closed: (error) => this.#lose(listening, error),
    });
  }

  stop() {
    this.#tried?.stop();
    this.#current?.stop();
    this.#tried = this.#current = null;
  }

  /** @param {Listening} listening */
  #accept(listening) {
    if (listening !== this.#tried) return;
    this.#current?.stop();
    this.#current = listening;
    this.#tried = null;
    this.actions.changed();
  }

  /** @param {Listening} listening @param {Refused} error */
  #lose(listening, error) {
    if (listening === this.#tried) this.#tried = null;
    else if (listening === this.#current) this.#current = null;
    else return;
    this.actions.refused(listening.filter, error);
  }
}
