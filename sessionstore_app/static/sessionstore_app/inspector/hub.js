/** Where tapped sockets report, and whom inspectors ask. A page that has one session needs but the page's own. */

import { Picture } from "./picture.js";

/** @import { Direction } from "./picture.js" */

/**
 * What a socket reports.
 * @typedef {{frame: (direction: Direction, data: unknown, at: number) => void, closed: (code: number) => void}} Reports
 */

export class Hub {
  picture = new Picture();
  /** @type {object | null} */
  #current = null;
  /** @type {Set<() => void>} */
  #listeners = new Set();

  /**
   * A socket is being opened: it is the session's from now on, and one that was before no longer counts.
   * @returns {Reports}
   */
  begin() {
    /** @type {Reports} */
    const reports = {
      frame: (direction, data, at) => {
        this.picture.feed(direction, data, at, { stranger: this.#current !== reports });
        this.#tell();
      },
      closed: (code) => {
        if (this.#current !== reports) return;
        this.picture.closed(code);
        this.#tell();
      },
    };
    this.#current = reports;
    this.picture.connecting();
    this.#tell();
    return reports;
  }

  clearFrames() {
    this.picture.clearFrames();
    this.#tell();
  }

  /**
   * @param {() => void} listener called on each change, so often that it should only take note
   * @returns {() => void} its undo
   */
  onChange(listener) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #tell() {
    for (const listener of this.#listeners) listener();
  }
}

/** The page's own. */
export const pageHub = new Hub();
