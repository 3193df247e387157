/** The frames, newest first: a list that can be filtered, held still and cleared. */

import { el, icon, setAttribute, setText, Views } from "./dom.js";
import { FrameView } from "./frameview.js";

/** @import { Say } from "./labels.js" */
/** @import { Frame } from "./picture.js" */

const PAUSE = "M5.5 3.5v9M10.5 3.5v9";
const GO_ON = "M5.5 3.5l6.5 4.5-6.5 4.5z";
const CLEAR = "M3 4.5h10M6.5 4V2.5h3V4M4.5 4.5l.6 9h5.8l.6-9M6.8 7v4M9.2 7v4";

export class FramesView {
  /** While it is held still: what it shows, and the newest of then. @type {{frames: readonly Frame[], id: number}?} */
  #held = null;
  /** @type {readonly Frame[]} */
  #told = [];
  /** @type {readonly Frame[] | null} */
  #shown = null;
  #filter = "";

  /** @param {Say} say @param {{clear: () => void, changed: () => void}} acts changed: it wants to be rendered */
  constructor(say, { clear, changed }) {
    this.say = say;
    this.changed = changed;
    const named = { type: "search", "aria-label": say("filter"), placeholder: say("filter") };
    const plain = { autocomplete: "off", autocapitalize: "off", spellcheck: "false", dir: "auto" };
    const input = /** @type {HTMLInputElement} */ (el("input", { ...named, ...plain }));
    input.addEventListener("input", () => this.#find(input.value));
    this.news = el("span", { class: "count", role: "status" });
    this.pause = tool("pause", () => this.#hold());
    const wipe = tool("clear", () => {
      if (this.#held) this.#held.frames = [];
      clear();
    });
    name(wipe, say("clear"), CLEAR);
    this.list = el("ol", { class: "frames" });
    this.empty = el("p", { class: "empty" });
    /** @type {Views<Frame, FrameView>} */
    this.views = new Views(this.list, (frame) => new FrameView(say, frame));
    this.tools = el("div", { class: "tools" }, input, this.news, this.pause, wipe);
    this.node = el("div", { class: "pane__body" }, this.list, this.empty);
    this.#namePause();
  }

  /** @param {readonly Frame[]} frames */
  render(frames) {
    this.#told = frames;
    const unseen = this.#held ? (frames[0]?.id ?? 0) - this.#held.id : 0;
    setText(this.news, unseen > 0 ? this.say("newFrames", { count: unseen }) : "");
    const shown = this.#held?.frames ?? frames;
    if (shown === this.#shown) return;
    this.#shown = shown;
    const matching = shown.filter((frame) => matches(frame, this.#filter));
    this.views.show(
      matching.map((frame) => [frame.id, frame]),
      () => {},
    );
    this.empty.hidden = matching.length > 0;
    setText(this.empty, this.say(shown.length ? "noMatch" : "noFrames"));
  }

  /** @param {string} text */
  #find(text) {
    this.#filter = text.trim().toLowerCase();
    this.#shown = null;
    this.changed();
  }

  #hold() {
    this.#held = this.#held ? null : { frames: this.#told, id: this.#told[0]?.id ?? 0 };
    this.#namePause();
    this.changed();
  }

  #namePause() {
    setAttribute(this.pause, "aria-pressed", String(this.#held !== null));
    name(this.pause, this.say("pause"), this.#held ? GO_ON : PAUSE);
  }
}

/** @param {string} act @param {() => void} click */
export const tool = (act, click) => el("button", { type: "button", class: "tool", "data-act": act, on: { click } });

/** @param {HTMLElement} button @param {string} label @param {string} picture */
export function name(button, label, picture) {
  setAttribute(button, "aria-label", label);
  setAttribute(button, "title", label);
  button.replaceChildren(icon(picture));
}

/** @param {Frame} frame @param {string} filter in small letters */
function matches({ text, notes }, filter) {
  if (!filter) return true;
  const words = notes.flatMap(({ kind, method, about }) => [kind, method, about]);
  return [text, ...words].some((word) => word.toLowerCase().includes(filter));
}
