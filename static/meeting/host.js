// What a host does to the people of its meeting. The server's rule for the room allows it, and refuses it to guests.

import { quote } from "../sessionstore_app/sdk/index.js";
import { SPEAKER } from "./roles.js";

/** @import { Session } from "../sessionstore_app/sdk/index.js" */
/** @import { Ears } from "./peoplewatch.js" */

const SHOWN = ["name", "muted", "$Roles"];
const EVERYBODY = "all";

/** @param {boolean} muted */
const mutedAs = (muted) => ({ muted: muted ? "yes" : null });

export class Host {
  #session;
  #room;
  #attempt;

  /**
   * @param {Session} session @param {string} room
   * @param {(act: () => Promise<unknown>) => Promise<boolean>} attempt tells a refusal; gives whether there was none
   */
  constructor(session, room, attempt) {
    this.#session = session;
    this.#room = room;
    this.#attempt = attempt;
  }

  /** @param {string} filter of the session filter language; empty for everybody @param {Ears} ears */
  watch(filter, { see, ready, closed }) {
    const query = { filter: filter || EVERYBODY, room: this.#room, properties: SHOWN };
    return this.#session.sessions.listen(query, see, { onReady: ready, onClosed: closed });
  }

  /** @param {string} id @param {boolean} speaks */
  makeSpeaker(id, speaks) {
    const change = speaks ? { add: [SPEAKER] } : { remove: [SPEAKER] };
    return this.#attempt(() => this.#session.sessions.changeRoles(this.#one(id), change));
  }

  /** @param {string} id @param {boolean} muted */
  mute(id, muted) {
    return this.#attempt(() => this.#session.sessions.set(this.#one(id), mutedAs(muted)));
  }

  /**
   * Mute whoever matches the filter when the server gets to it, but not oneself.
   * @param {string} filter @param {boolean} muted @returns {Promise<number | null>} how many; null if it was refused
   */
  async muteAll(filter, muted) {
    const others = `(${filter || EVERYBODY}) and not $SessionId is ${quote(this.#session.id)}`;
    let count = 0;
    const done = await this.#attempt(async () => {
      count = await this.#session.sessions.set({ filter: others, room: this.#room }, mutedAs(muted));
    });
    return done ? count : null;
  }

  /** @param {string} id */
  remove(id) {
    return this.#attempt(() => this.#session.sessions.terminate(this.#one(id)));
  }

  /** @param {string} id */
  #one(id) {
    return { sessionId: id, room: this.#room };
  }
}
