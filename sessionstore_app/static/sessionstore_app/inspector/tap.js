/** A WebSocket that reports what it carries, and is otherwise as it was. */

import { pageHub } from "./hub.js";

const OPEN = 1;
const now = () => performance.timeOrigin + performance.now();

/** @param hub  of its own for each session, where a page has more than one */
export function tapped(WebSocket = globalThis.WebSocket, hub = pageHub) {
  return class extends WebSocket {
    #reports;

    /** @param {ConstructorParameters<typeof WebSocket>} args */
    constructor(...args) {
      super(...args);
      this.#reports = hub.begin();
      this.addEventListener("message", ({ data }) => this.#reports.frame("in", data, now()));
      this.addEventListener("close", ({ code }) => this.#reports.closed(code));
    }

    /** @param {Parameters<WebSocket["send"]>[0]} data @override */
    send(data) {
      super.send(data);
      // A socket that is closing drops it without a word.
      if (this.readyState === OPEN) this.#reports.frame("out", data, now());
    }
  };
}
