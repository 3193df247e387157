/** One key of a room, as a row of its table. */

import { el, foreign, setAttribute, setText } from "./dom.js";
import { compact, layOut } from "./json.js";
import { MASK } from "./secrets.js";
import { clockTime, shortId, sizeOf } from "./words.js";

/** @import { Say } from "./labels.js" */
/** @import { Shown } from "./room.js" */
/** @import { Token } from "./json.js" */
/** @import { Principal } from "../sdk/index.js" */

const FITS = 60;

/** @param {unknown} value */
const classOf = (value) =>
  typeof value === "object" ? null : typeof value === "string" ? "json-string" : "json-literal";

/** @param {Token[]} tokens */
export const spans = (tokens) =>
  tokens.map(({ kind, text }) => (kind === "mark" ? text : el("span", { text, class: `json-${kind}` })));

export class KeyView {
  /** @type {Shown | undefined} */
  #shown;
  #changes = 0;

  /** @param {Say} say @param {string} key */
  constructor(say, key) {
    this.say = say;
    this.value = el("div", { class: "value" });
    this.short = el("code", { dir: "auto" });
    this.summary = el("summary", {}, el("code", { dir: "auto" }));
    this.pretty = el("pre", { dir: "ltr" });
    this.whole = el("details", { on: { toggle: () => this.#layOut() } }, this.summary, this.pretty);
    this.version = el("td", { class: "number", "data-cell": "version" });
    this.by = el("bdi");
    this.at = el("time");
    const meta = el("td", { class: "meta" }, this.by, " ", this.at);
    const head = el("th", { scope: "row" }, foreign("code", key));
    this.node = el("tr", { "data-key": key }, head, el("td", {}, this.value), this.version, meta);
  }

  /** @param {Shown} entry @param {{own: string | undefined, followed: boolean, flash: boolean}} context */
  update(entry, { own, followed, flash }) {
    setAttribute(this.node, "title", followed ? null : this.say("unfollowed"));
    setAttribute(this.node, "data-followed", followed);
    if (entry === this.#shown) return;
    this.#shown = entry;
    // Two names for one animation, by turns: so it begins anew while it runs.
    if (flash) setAttribute(this.node, "data-flash", ++this.#changes % 2 ? "odd" : "even");
    setText(this.version, String(entry.version));
    setText(this.by, this.#writer(entry.by, own));
    setAttribute(this.by, "title", entry.by && [entry.by.principal, entry.by.session_id].filter(Boolean).join(" · "));
    setText(this.at, clockTime(entry.at));
    setAttribute(this.at, "datetime", entry.at);
    setAttribute(this.at, "title", entry.at);
    this.#showValue(entry);
  }

  /** @param {Shown} entry */
  #showValue({ value, masked, bytes = 0 }) {
    if (masked) {
      const size = this.say("maskedValue", { size: sizeOf(bytes, this.say) });
      this.value.replaceChildren(el("span", { class: "masked", text: MASK }), el("small", { text: size }));
      return;
    }
    const text = compact(value);
    const isLong = text.length > FITS || (typeof value === "object" && text.length > 2);
    const shown = isLong ? /** @type {Element} */ (this.summary.firstElementChild) : this.short;
    setText(shown, text);
    setAttribute(shown, "class", classOf(value));
    const node = isLong ? this.whole : this.short;
    if (this.value.firstElementChild !== node) this.value.replaceChildren(node);
    this.#layOut();
  }

  #layOut() {
    const isOpen = this.whole.hasAttribute("open") && this.#shown;
    this.pretty.replaceChildren(...(isOpen ? spans(layOut(JSON.stringify(isOpen.value))) : []));
  }

  /** @param {Principal | null} by @param {string | undefined} own */
  #writer(by, own) {
    if (!by) return this.say("byServer");
    if (by.session_id && by.session_id === own) return this.say("byYou");
    return by.principal || shortId(by.session_id ?? "");
  }
}
