/** One frame: a line that opens to show what was sent. */

import { el, foreign } from "./dom.js";
import { layOut } from "./json.js";
import { spans } from "./keyview.js";
import { clockTime, sizeOf } from "./words.js";

/** @import { Say } from "./labels.js" */
/** @import { Frame } from "./picture.js" */

const NAMES_SHOWN = 5;

export class FrameView {
  /** @param {Say} say @param {Frame} frame which never changes */
  constructor(say, frame) {
    const { direction, at, form, bytes, notes } = frame;
    const [note] = notes;
    const kind = notes.some((each) => each.kind === "error") ? "error" : form === "text" ? note.kind : form;
    const ms = form === "text" && note?.ms !== undefined ? say("latency", { ms: Math.round(note.ms) }) : "";
    const summary = el(
      "summary",
      {},
      el("time", { text: clockTime(at, { exact: true }), datetime: new Date(at).toISOString() }),
      el("span", { class: "way", text: direction === "in" ? "↓" : "↑", role: "img", "aria-label": say(direction) }),
      foreign("span", titleOf(frame, say), "method"),
      foreign("span", aboutOf(frame), "about"),
      el("span", { class: "ms", text: ms }),
      el("span", { class: "size", text: sizeOf(bytes, say) }),
    );
    const whole = el("details", {}, summary);
    whole.addEventListener("toggle", () => {
      if (!whole.hasAttribute("open")) whole.lastElementChild?.remove();
      else whole.append(contentOf(frame, say));
    });
    this.node = el("li", { class: "frame", "data-direction": direction, "data-kind": kind }, whole);
  }
}

/** @param {Frame} frame @param {Say} say */
function titleOf({ form, notes }, say) {
  if (form === "batch") return say("batch", { count: notes.length });
  if (form === "binary") return say("binary");
  const [note] = notes;
  if (!note || note.kind === "unreadable") return say("unreadable");
  return note.kind === "result" || note.kind === "error" ? `↳ ${note.method || note.kind}` : note.method;
}

/** @param {Frame} frame */
function aboutOf({ form, notes, text }) {
  if (form === "unreadable") return text.slice(0, 160);
  if (form !== "batch") return notes[0]?.about ?? "";
  const names = notes.slice(0, NAMES_SHOWN).map(({ kind, method }) => method || kind);
  return names.join(", ") + (notes.length > NAMES_SHOWN ? ", …" : "");
}

/** @param {Frame} frame @param {Say} say */
function contentOf({ form, text, cut, bytes }, say) {
  const content = el("pre", { dir: "ltr", tabindex: 0 });
  if (form === "unreadable" || form === "binary") content.append(el("span", { text, dir: "auto" }));
  else content.append(...spans(layOut(text)));
  if (cut) content.append("\n", el("i", { text: say("cut", { size: sizeOf(bytes, say) }) }));
  return content;
}
