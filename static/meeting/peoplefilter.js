// The box for a session filter, with ready ones to begin with. What is wrong with one stands under it, marked.

import { el, setAttribute, setText } from "./dom.js";
import { filterFault } from "./filterfault.js";

/** @import { Refused } from "./filterfault.js" */

const READY = [
  { text: "Everybody", filter: "" },
  { text: "Speakers", filter: 'hasRoles ["speaker"]' },
  { text: "Muted", filter: 'muted is "yes"' },
  { text: "Not muted", filter: 'not muted is "yes"' },
];

export class PeopleFilter {
  /**
   * @param {{form: HTMLFormElement, input: HTMLInputElement, fault: HTMLElement, ready: HTMLElement}} nodes
   * @param {(filter: string) => void} onFilter
   */
  constructor(nodes, onFilter) {
    this.form = nodes.form;
    this.input = nodes.input;
    this.fault = nodes.fault;
    this.buttons = READY.map(({ text, filter }) => {
      const button = { type: "button", class: "ready", testid: "ready-filter", text, title: filter || "all" };
      return { filter, node: el("button", { ...button, on: { click: () => this.#choose(filter, onFilter) } }) };
    });
    nodes.ready.append(...this.buttons.map(({ node }) => node));
    this.input.addEventListener("input", () => this.#clear());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#choose(this.input.value.trim(), onFilter);
    });
  }

  /** @param {string} filter the one in force */
  render(filter) {
    for (const button of this.buttons) setAttribute(button.node, "aria-pressed", String(button.filter === filter));
  }

  /** @param {string} filter @param {Refused} error */
  refuse(filter, error) {
    const { text, parts } = filterFault(filter, error);
    setAttribute(this.input, "aria-invalid", "true");
    this.fault.replaceChildren(el("span", { text }));
    if (!parts) return;
    const { before, at, behind } = parts;
    // Where something is missing at the end there is no sign to mark.
    const mark = el("mark", { testid: "fault-mark", text: at || "\u00a0" });
    this.fault.append(el("code", { class: "fault__filter", dir: "ltr" }, before, mark, behind));
  }

  /** @param {string} filter @param {(filter: string) => void} onFilter */
  #choose(filter, onFilter) {
    this.input.value = filter;
    this.#clear();
    onFilter(filter);
  }

  #clear() {
    setAttribute(this.input, "aria-invalid", null);
    setText(this.fault, "");
  }
}
