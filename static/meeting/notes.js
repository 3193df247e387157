// What hosts write down for themselves. Saved when one has finished writing; what another host writes meanwhile is shown
// as soon as nobody writes here.

/** @import { Scene } from "./scene.js" */

export class Notes {
  #saved = "";

  /** @param {{part: HTMLElement, field: HTMLTextAreaElement}} nodes @param {(text: string) => void} write */
  constructor(nodes, write) {
    this.nodes = nodes;
    nodes.field.addEventListener("change", () => write(nodes.field.value.trim()));
  }

  /** @param {Scene} scene */
  render({ may, notes }) {
    const { part, field } = this.nodes;
    part.hidden = !may.notes;
    if (notes === this.#saved || field === document.activeElement) return;
    this.#saved = field.value = notes;
  }
}
