// The stage: whoever is in the spotlight, large. A spotlight on somebody who is not here shows no stage.

import { el, icon, setAttribute, setText } from "./dom.js";
import { TONES } from "./palette.js";
import { initials } from "./text.js";

export class Stage {
  /** @param {HTMLElement} node @param {(id: string) => void} onClear */
  constructor(node, onClear) {
    this.node = node;
    this.face = el("span", { class: "face face--large", "aria-hidden": "true" });
    this.name = el("p", { class: "stage__name", dir: "auto" });
    this.noteText = el("span");
    this.note = el("p", { class: "stage__note" }, icon("beam"), this.noteText);
    const button = { type: "button", class: "button button--small", testid: "stage-clear", text: "End spotlight" };
    this.clear = el("button", button);
    this.clear.addEventListener("click", () => onClear(node.dataset.session ?? ""));
    node.append(this.note, this.face, this.name, this.clear);
  }

  /** @param {import("./scene.js").Scene} scene */
  render({ spotlight, may }) {
    this.node.hidden = spotlight === null;
    setAttribute(this.node, "data-session", spotlight?.id ?? "");
    if (!spotlight) return;
    for (const tone of TONES) this.node.classList.toggle(`tone-${tone}`, tone === spotlight.color);
    setAttribute(this.node, "data-state", spotlight.state);
    setText(this.face, initials(spotlight.name));
    setText(this.name, spotlight.name);
    setText(this.noteText, spotlight.isMe ? "You are in the spotlight" : "In the spotlight");
    this.clear.hidden = !may.spotlight;
  }
}
