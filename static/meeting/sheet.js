// The chat as a sheet over the tiles, where the window is narrow; there it counts what was not seen.

import { setAttribute, setText } from "./dom.js";

export class Sheet {
  #unseen = 0;

  /** @param {Record<"panel" | "toggle" | "close" | "scrim" | "badge", HTMLElement>} nodes */
  constructor(nodes) {
    this.panel = nodes.panel;
    this.toggle = nodes.toggle;
    this.scrim = nodes.scrim;
    this.badge = nodes.badge;
    this.narrow = window.matchMedia("(max-width: 52rem)");
    this.narrow.addEventListener("change", () => this.show(false));
    this.toggle.addEventListener("click", () => this.show(this.panel.dataset.open !== "true"));
    for (const node of [nodes.close, nodes.scrim]) node.addEventListener("click", () => this.show(false));
    this.panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.narrow.matches) this.show(false);
    });
    this.show(false);
  }

  get hidden() {
    return this.narrow.matches && this.panel.dataset.open !== "true";
  }

  /** @param {boolean} open */
  show(open) {
    const hadFocus = this.panel.contains(document.activeElement);
    setAttribute(this.panel, "data-open", String(open));
    setAttribute(this.toggle, "aria-expanded", String(open));
    this.panel.inert = this.hidden;
    this.scrim.hidden = !(open && this.narrow.matches);
    if (open) this.count(0);
    if (open && this.narrow.matches) this.panel.querySelector("input")?.focus();
    else if (hadFocus && this.hidden) this.toggle.focus();
  }

  heard() {
    if (this.hidden) this.count(this.#unseen + 1);
  }

  /** @param {number} unseen */
  count(unseen) {
    this.#unseen = unseen;
    this.badge.hidden = unseen === 0;
    setText(this.badge, unseen > 9 ? "9+" : String(unseen));
    setAttribute(this.toggle, "aria-label", unseen ? `Chat, ${unseen} unread` : "Chat");
  }
}
