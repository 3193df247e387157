// Which role one has, beside the meeting's name, and behind it what each role may do.

import { setAttribute, setText } from "./dom.js";
import { GUEST, HOST, SPEAKER } from "./roles.js";

/** @import { Scene } from "./scene.js" */

const SHOWN = new Map([
  [HOST, "Host"],
  [SPEAKER, "Speaker"],
  [GUEST, "Guest"],
]);

export class RoleChip {
  /** @param {{button: HTMLElement, text: HTMLElement, dialog: HTMLDialogElement}} nodes */
  constructor({ button, text, dialog }) {
    this.button = button;
    this.text = text;
    this.dialog = dialog;
    button.addEventListener("click", () => dialog.showModal());
    dialog.querySelector("[data-close]")?.addEventListener("click", () => dialog.close());
  }

  /** @param {Scene} scene */
  render({ role }) {
    const shown = SHOWN.get(role) ?? "";
    setText(this.text, shown);
    setAttribute(this.button, "data-role", role);
    setAttribute(this.button, "aria-label", `Your role: ${shown}. What each role may do`);
    this.button.hidden = false;
    // The cells of one's own role stand out.
    setAttribute(this.dialog, "data-role", role);
  }
}
