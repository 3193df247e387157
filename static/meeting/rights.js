// What the person at this page may do in the room, as the server says. Asked when the page comes in, and again whenever
// its roles are others; in between, the last answers count. The server decides all the same.

/** @import { Room, Session } from "../sessionstore_app/sdk/index.js" */
/** @typedef {{spotlight: boolean, pin: boolean, notes: boolean}} May */

/** @type {May} */
const NOTHING = { spotlight: false, pin: false, notes: false };
const WRITTEN = ["spotlight", "pinned", "notes"];

export class Rights {
  #session;
  #room;
  /** With which roles it was asked last. */
  #asked = "";

  /** @param {Pick<Session, "id" | "roles">} session @param {Pick<Room, "roles" | "can">} room */
  constructor(session, room) {
    this.#session = session;
    this.#room = room;
    this.may = NOTHING;
  }

  /** @returns {Promise<boolean>} whether there are new answers */
  async ask() {
    const { id, roles } = this.#session;
    const standing = JSON.stringify([id, roles, this.#room.roles]);
    if (standing === this.#asked) return false;
    this.#asked = standing;
    try {
      const answers = await Promise.all(WRITTEN.map((key) => this.#room.can("write", key)));
      // Roles changed meanwhile: that was asked too, and its answer counts.
      if (standing !== this.#asked) return false;
      const [spotlight, pin, notes] = answers;
      this.may = { spotlight, pin, notes };
      return true;
    } catch {
      // The connection is away: it is asked again when the room is back.
      if (standing === this.#asked) this.#asked = "";
      return false;
    }
  }
}
