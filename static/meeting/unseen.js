// How many messages came while the chat was closed, on the button that opens it.

import { setAttribute, setText } from "./dom.js";

export class Unseen {
  #count = 0;

  /** @param {{toggle: HTMLElement, badge: HTMLElement}} nodes */
  constructor({ toggle, badge }) {
    this.toggle = toggle;
    this.badge = badge;
  }

  add() {
    this.#show(this.#count + 1);
  }

  clear() {
    this.#show(0);
  }

  /** @param {number} count */
  #show(count) {
    this.#count = count;
    this.badge.hidden = count === 0;
    setText(this.badge, count > 9 ? "9+" : String(count));
    setAttribute(this.toggle, "aria-label", count ? `Chat, ${count} unread` : "Chat");
  }
}
