// The chat: a log that reads itself out, a box to write in, and a pin on every message that arrived.

import { ChatLog, LOG_LENGTH, TEXT_LENGTH } from "./chatlog.js";
import { el, icon, linked, randomId, setAttribute } from "./dom.js";
import { tabStorage } from "./tabstorage.js";
import { splitLinks } from "./text.js";

/** @typedef {import("./chatlog.js").Message} Message */

const NEAR_PX = 80;

export class Chat {
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {Set<string>} */
  #pinned = new Set();
  #mayPin = false;
  /** @type {Message | null} */
  #last = null;

  /**
   * @param {{log: HTMLElement, form: HTMLFormElement, input: HTMLInputElement, send: HTMLButtonElement,
   *          empty: HTMLElement, muted: HTMLElement}} nodes
   * @param {string} room
   * @param {{say: (said: {id: string, text: string}) => void, pin: (message: Message) => void,
   *          unpin: (id: string) => void, heard: (message: Message) => void}} actions
   */
  constructor(nodes, room, actions) {
    this.log = nodes.log;
    this.input = nodes.input;
    this.sendButton = nodes.send;
    this.empty = nodes.empty;
    this.muted = nodes.muted;
    this.actions = actions;
    this.kept = new ChatLog(tabStorage(), room);
    this.input.maxLength = TEXT_LENGTH;
    nodes.form.addEventListener("submit", (event) => this.#send(event));
  }

  /** @param {string} epoch the chat of an earlier meeting under the same name is not shown again */
  open(epoch) {
    this.kept.open(epoch);
    this.log.replaceChildren();
    this.#rows.clear();
    for (const message of this.kept.messages) this.#show(message);
    this.#settle(true);
  }

  /** @param {Message} message a new one, or news of one that is shown */
  receive(message) {
    const near = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < NEAR_PX;
    const isNew = this.kept.add(message);
    this.#show(this.kept.messages.find((other) => other.id === message.id) ?? message);
    this.#settle(near || message.mine);
    if (isNew && !message.mine) this.actions.heard(message);
  }

  /** @param {import("./scene.js").Scene} scene */
  render({ pins, may, muted }) {
    this.#pinned = new Set(pins.map((pin) => pin.id));
    this.#mayPin = may.pin;
    // The focus of what goes is lost: the keyboard goes on in the log.
    const hadFocus = !may.pin && document.activeElement?.classList.contains("message__pin");
    for (const row of this.#rows.values()) this.#showPin(row);
    if (hadFocus) this.log.focus();
    this.#showMuted(muted);
  }

  /** What was typed stays in the box. @param {boolean} muted */
  #showMuted(muted) {
    const hadFocus = [this.input, this.sendButton].some((node) => node === document.activeElement);
    this.muted.hidden = !muted;
    this.input.disabled = this.sendButton.disabled = muted;
    setAttribute(this.input, "aria-describedby", muted ? this.muted.id : null);
    // The focus of what is disabled is lost: the keyboard goes on in the log above.
    if (muted && hadFocus) this.log.focus();
  }

  /** @param {SubmitEvent} event */
  #send(event) {
    event.preventDefault();
    const text = this.input.value.trim();
    if (!text) return;
    this.input.value = "";
    this.input.focus();
    this.actions.say({ id: randomId(), text });
  }

  /** @param {Message} message */
  #show(message) {
    const row = this.#rows.get(message.id) ?? this.#append(message);
    row.showState(message.state);
    this.#showPin(row);
  }

  /** @param {Row} row */
  #showPin(row) {
    row.showPin(this.#mayPin, this.#pinned.has(row.id));
  }

  /** @param {Message} message @returns {Row} */
  #append(message) {
    const row = new Row(message, {
      pin: () => (this.#pinned.has(message.id) ? this.actions.unpin(message.id) : this.actions.pin(message)),
      again: () => this.actions.say(message),
    });
    row.node.classList.toggle("message--follows", message.from === this.#last?.from);
    this.#rows.set(message.id, row);
    this.log.append(row.node);
    this.#last = message;
    return row;
  }

  /** @param {boolean} toEnd */
  #settle(toEnd) {
    for (const [id, row] of [...this.#rows].slice(0, -LOG_LENGTH)) {
      row.node.remove();
      this.#rows.delete(id);
    }
    this.empty.hidden = this.#rows.size > 0;
    if (toEnd) this.log.scrollTop = this.log.scrollHeight;
  }
}

class Row {
  /** @param {Message} message @param {{pin: () => void, again: () => void}} actions */
  constructor(message, { pin, again }) {
    const button = { type: "button", class: "message__pin", testid: "pin-button", on: { click: pin } };
    this.pin = el("button", button, icon("pin"));
    this.again = el("button", { type: "button", class: "linkish", text: "Not sent. Try again", on: { click: again } });
    this.id = message.id;
    this.name = message.name || "Guest";
    const at = new Date(message.at);
    const time = Number.isNaN(at.getTime()) ? "" : at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    const name = el("span", { class: "message__name", text: message.mine ? "You" : this.name, dir: "auto" });
    const head = el("p", { class: "message__head" }, name, el("time", { datetime: message.at, text: time }));
    const text = el("p", { class: "message__text", dir: "auto" }, ...linked(splitLinks(message.text)));
    const row = { class: "message", testid: "chat-message", "data-id": message.id };
    this.node = el("div", row, head, text, this.pin);
    this.node.classList.toggle("message--mine", message.mine);
  }

  /** @param {Message["state"]} state */
  showState(state) {
    setAttribute(this.node, "data-state", state);
    if (state === "failed") this.pin.before(this.again);
    else this.again.remove();
  }

  /** Offered to those who may, for what arrived. @param {boolean} may @param {boolean} pinned */
  showPin(may, pinned) {
    this.pin.hidden = !may || this.node.dataset.state !== "sent";
    setAttribute(this.pin, "aria-pressed", String(pinned));
    setAttribute(this.pin, "aria-label", pinned ? "Unpin this message" : `Pin this message by ${this.name}`);
    setAttribute(this.pin, "title", pinned ? "Unpin" : "Pin for everybody");
  }
}
