// Whether the panel of people was open, and with what filter: a reload finds it as it was.

import { membersOf } from "./untrusted.js";

/** @typedef {{open: boolean, filter: string}} PanelState */

export class PeopleKept {
  /** @param {Storage | null} storage @param {string} room */
  constructor(storage, room) {
    this.storage = storage;
    this.key = `meeting-people:${room}`;
  }

  /** @returns {PanelState} */
  read() {
    try {
      const { open, filter } = membersOf(JSON.parse(this.storage?.getItem(this.key) ?? "null"));
      return { open: open === true, filter: typeof filter === "string" ? filter : "" };
    } catch {
      return { open: false, filter: "" };
    }
  }

  /** @param {PanelState} state */
  write(state) {
    try {
      this.storage?.setItem(this.key, JSON.stringify(state));
    } catch {
      // Storage is full or forbidden: a reload then finds the panel closed.
    }
  }
}
