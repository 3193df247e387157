// A panel that opens and closes: over the tiles where the window is narrow, beside them where it is wide.

import { setAttribute } from "./dom.js";

/** @typedef {{panel: HTMLElement, toggle: HTMLElement, close: HTMLElement, first: HTMLElement}} Nodes */

export class Sheet {
  /** @type {Set<(open: boolean) => void>} */
  #listeners = new Set();

  /**
   * @param {Nodes} nodes `first` gets the focus when it opens
   * @param {{fixed?: boolean}} [options] fixed: where the window is wide it is always there
   */
  constructor({ panel, toggle, close, first }, { fixed = false } = {}) {
    this.panel = panel;
    this.toggle = toggle;
    this.first = first;
    this.fixed = fixed;
    this.narrow = window.matchMedia("(max-width: 52rem)");
    this.narrow.addEventListener("change", () => this.show(false));
    toggle.addEventListener("click", () => this.show(!this.open));
    close.addEventListener("click", () => this.show(false));
    panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !this.#stays) this.show(false);
    });
    this.show(false);
  }

  get open() {
    return this.panel.dataset.open === "true";
  }

  get hidden() {
    return !this.open && !this.#stays;
  }

  get #stays() {
    return this.fixed && !this.narrow.matches;
  }

  /** @param {(open: boolean) => void} listener */
  onShow(listener) {
    this.#listeners.add(listener);
  }

  /** @param {boolean} open @param {{focus?: boolean}} [options] focus: false leaves the keyboard where it is */
  show(open, { focus = true } = {}) {
    const hadFocus = this.panel.contains(document.activeElement);
    setAttribute(this.panel, "data-open", String(open));
    setAttribute(this.toggle, "aria-expanded", String(open));
    this.panel.inert = this.hidden;
    for (const listener of this.#listeners) listener(open);
    if (open && focus && !this.#stays) this.first.focus();
    else if (hadFocus && this.hidden) this.toggle.focus();
  }
}
