// Asks whether something is really meant. Escape means no.

import { setText } from "./dom.js";

/** @typedef {{title: string, text: string, action: string}} Question */

export class Confirm {
  /** @param {{dialog: HTMLDialogElement, title: HTMLElement, text: HTMLElement, yes: HTMLElement}} nodes */
  constructor(nodes) {
    this.nodes = nodes;
  }

  /** @param {Question} question @returns {Promise<boolean>} */
  ask({ title, text, action }) {
    const { dialog, yes } = this.nodes;
    setText(this.nodes.title, title);
    setText(this.nodes.text, text);
    setText(yes, action);
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    });
  }
}
