// Short notices that go by themselves, unless somebody is reading them.

import { el, icon } from "./dom.js";
import { refusalText } from "./refusal.js";

/** @import { Refused } from "./refusal.js" */

const SHOWN_MS = 8000;
const MOST = 3;

export class Toasts {
  /** @param {HTMLElement} node a live region */
  constructor(node) {
    this.node = node;
  }

  /** @param {string} text @param {"plain" | "alarm" | "beam"} tone */
  show(text, tone = "plain") {
    const close = el("button", { type: "button", class: "toast__close", "aria-label": "Dismiss" }, icon("cross"));
    const toast = el("div", { class: `toast toast--${tone}`, testid: "toast" }, el("p", { text, dir: "auto" }), close);
    let timer = 0;
    const leave = () => toast.remove();
    const wait = () => (timer = window.setTimeout(leave, SHOWN_MS));
    close.addEventListener("click", leave);
    toast.addEventListener("pointerenter", () => clearTimeout(timer));
    toast.addEventListener("pointerleave", wait);
    this.node.append(toast);
    while (this.node.children.length > MOST) this.node.firstElementChild?.remove();
    wait();
  }

  clear() {
    this.node.replaceChildren();
  }

  /** @param {Refused} error */
  refusal(error) {
    this.show(refusalText(error), "alarm");
  }
}
