// The messages of this tab. The room does not store chat, so a reload would lose it: the log is kept in the tab's
// storage, bounded, and only as long as the room was not cleared since.

import { cleanName } from "./person.js";
import { membersOf } from "./untrusted.js";

export const LOG_LENGTH = 100;
export const TEXT_LENGTH = 500;

/**
 * @typedef {{id: string, text: string, name: string, from: string, at: string, mine: boolean,
 *            state: "sending" | "sent" | "failed"}} Message
 */

/**
 * A message as it came from the wire, or null if it is none. The name in it is only what the sender says.
 * @param {{data: unknown, from: {session_id: string | null} | null, at: string}} event @returns {Message | null}
 */
export function readMessage({ data, from, at }) {
  const { id, text, name } = membersOf(data);
  if (typeof id !== "string" || !/^[\w-]{1,64}$/u.test(id)) return null;
  if (typeof text !== "string" || !text.trim()) return null;
  const shown = Array.from(text).slice(0, TEXT_LENGTH).join("");
  return { id, text: shown, name: cleanName(name), from: from?.session_id ?? "", at, mine: false, state: "sent" };
}

export class ChatLog {
  /** @param {Storage | null} storage @param {string} room */
  constructor(storage, room) {
    this.storage = storage;
    this.key = `meeting-chat:${room}`;
    this.epoch = "";
    /** @type {Message[]} */
    this.messages = [];
  }

  /** Begin with what this tab saw of the same epoch. @param {string} epoch */
  open(epoch) {
    this.epoch = epoch;
    this.messages = this.restore();
  }

  /**
   * Only own messages change, from sending to sent or failed.
   * @param {Message} message @returns {boolean} whether it is new
   */
  add(message) {
    const known = this.messages.find((other) => other.id === message.id);
    if (known) {
      if (known.mine && message.mine) known.state = message.state;
    } else {
      this.messages = [...this.messages, message].slice(-LOG_LENGTH);
    }
    this.save();
    return !known;
  }

  /** @returns {Message[]} */
  restore() {
    try {
      /** @type {{epoch: string, messages: Message[]} | null} */
      const kept = JSON.parse(this.storage?.getItem(this.key) ?? "null");
      if (kept?.epoch !== this.epoch || !Array.isArray(kept.messages)) return [];
      // Nobody waits any more for the answer to a message that was under way when the page went.
      return kept.messages.map((message) => (message.state === "sending" ? { ...message, state: "failed" } : message));
    } catch {
      return [];
    }
  }

  save() {
    try {
      this.storage?.setItem(this.key, JSON.stringify({ epoch: this.epoch, messages: this.messages }));
    } catch {
      // Storage is full or forbidden: the log then lives as long as the page.
    }
  }
}
