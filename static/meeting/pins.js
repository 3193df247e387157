// The pins as a carousel of one: newest first, long ones clipped until somebody wants to see more.

import { el, icon, linked, part, setAttribute, setText } from "./dom.js";
import { CLIP_LENGTH, nextIndex } from "./pinlist.js";
import { clipParts, splitLinks } from "./text.js";

export class Pins {
  /** @type {import("./scene.js").Scene["pins"]} */
  #pins = [];
  #index = 0;
  #expanded = false;
  #shown = "";
  #mayUnpin = false;

  /** @param {HTMLElement} node @param {(id: string) => void} onUnpin */
  constructor(node, onUnpin) {
    this.node = node;
    this.text = el("p", { class: "pin__text", testid: "pin-text", dir: "auto" });
    this.more = button({ class: "linkish", testid: "pin-more" }, () => this.#toggle());
    this.by = el("span", { class: "pin__by", testid: "pin-by", dir: "auto" });
    const unpin = () => onUnpin(this.#pins[this.#index].id);
    this.unpin = button({ class: "linkish", testid: "unpin-button", text: "Unpin" }, unpin);
    const [back, on] = ["Previous pin", "Next pin"];
    this.previous = button({ class: "round", testid: "pin-prev", "aria-label": back }, () => this.#step(-1), "left");
    this.count = el("span", { class: "pins__count", testid: "pin-count" });
    this.next = button({ class: "round", testid: "pin-next", "aria-label": on }, () => this.#step(1), "right");
    this.steps = el("span", { class: "pins__steps" }, this.previous, this.count, this.next);
    this.pin = el("article", { class: "pin", testid: "pin" }, this.text);
    const ways = el("span", { class: "pin__ways" }, this.more, this.unpin);
    this.pin.append(el("div", { class: "pin__foot" }, this.by, ways));
    const title = el("h2", { class: "pins__title" }, icon("pin"), "Pinned");
    node.append(el("div", { class: "pins__head" }, title, this.steps), this.pin);
  }

  /** @param {import("./scene.js").Scene} scene */
  render({ pins, may }) {
    this.#mayUnpin = may.pin;
    this.#index = nextIndex(this.#pins, pins, this.#index);
    this.#pins = pins;
    this.#show();
  }

  /** @param {number} by */
  #step(by) {
    this.#index = (this.#index + by + this.#pins.length) % this.#pins.length;
    this.#show();
  }

  #toggle() {
    this.#expanded = !this.#expanded;
    this.#show();
  }

  #show() {
    const pin = this.#pins[this.#index];
    // The button that had the focus goes with the last pin: the keyboard must not fall back to the top of the page.
    if (!pin && this.node.contains(document.activeElement)) part("chat-input").focus();
    this.node.hidden = !pin;
    if (!pin) return;
    if (this.pin.dataset.pin !== pin.id) this.#expanded = false;
    this.#showText(pin);
    this.pin.dataset.pin = pin.id;
    setText(this.by, pin.pinnedBy ? `Pinned by ${pin.pinnedBy}` : "Pinned");
    setText(this.count, `${this.#index + 1}/${this.#pins.length}`);
    setAttribute(this.count, "aria-label", `Pin ${this.#index + 1} of ${this.#pins.length}`);
    this.unpin.hidden = !this.#mayUnpin;
    for (const step of [this.previous, this.next]) step.hidden = this.#pins.length < 2;
  }

  /** @param {{id: string, text: string}} pin */
  #showText(pin) {
    const whole = splitLinks(pin.text);
    const { parts, clipped } = clipParts(whole, CLIP_LENGTH);
    const shown = JSON.stringify([pin.id, pin.text, this.#expanded]);
    this.more.hidden = !clipped;
    setText(this.more, this.#expanded ? "See less" : "See more");
    setAttribute(this.more, "aria-expanded", String(this.#expanded));
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.text.replaceChildren(...linked(this.#expanded ? whole : parts));
  }
}

/** @param {Record<string, string>} properties @param {() => void} onClick @param {string} [picture] */
function button(properties, onClick, picture) {
  return el("button", { type: "button", on: { click: onClick }, ...properties }, ...(picture ? [icon(picture)] : []));
}
