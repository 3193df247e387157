/** All that an inspector shows, as one element: a bar with the state above three sections. */

import { el, setAttribute, setText, Views } from "./dom.js";
import { FramesView, name, tool } from "./framesview.js";
import { RoomView } from "./roomview.js";
import { SessionView } from "./sessionview.js";

/** @import { Session, StateDetail } from "../sdk/index.js" */
/** @import { Label, Say } from "./labels.js" */
/** @import { Picture } from "./picture.js" */
/** @import { RoomPicture } from "./room.js" */

const CLOSE = "M4 4l8 8M12 4l-8 8";
const TALLER = "M4 7l4-4 4 4M4 9l4 4 4-4";

/** What an SDK session knows beyond its frames. @typedef {{session: Session, detail: StateDetail}} Attached */

export class Panel {
  /** @param {Say} say @param {{close: () => void, grow: () => boolean, clear: () => void, changed: () => void}} acts */
  constructor(say, { close, grow, clear, changed }) {
    this.say = say;
    this.changed = changed;
    this.state = el("span", { class: "state", role: "status" });
    this.detail = el("span", { class: "detail" });
    this.latency = el("span", { class: "latency", title: say("latencyTitle") });
    this.title = el("h2", { text: say("title"), tabindex: -1, id: "title" });
    const grower = tool("grow", () => setAttribute(grower, "aria-pressed", String(grow())));
    const closer = tool("close", close);
    name(grower, say("taller"), TALLER);
    name(closer, say("close"), CLOSE);

    this.sessionView = new SessionView(say);
    this.framesView = new FramesView(say, { clear, changed });
    const rooms = el("div", { class: "rooms" });
    this.noRooms = el("p", { class: "empty", text: say("noRooms") });
    /** @type {Views<RoomPicture, RoomView>} */
    this.roomViews = new Views(rooms, (room) => new RoomView(say, room));
    this.panes = [
      this.#pane("session", el("div", { class: "pane__body" }, this.sessionView.node)),
      this.#pane("rooms", el("div", { class: "pane__body" }, rooms, this.noRooms)),
      this.#pane("frames", this.framesView.node, this.framesView.tools),
    ];
    this.tabs = this.panes.map((pane) => this.#tab(pane));
    const tabs = el("div", { class: "tabs", role: "group", "aria-label": say("sections") }, ...this.tabs);
    const bar = el("header", { class: "bar" }, this.title, this.state, this.detail, this.latency, grower, closer);
    const panes = el("div", { class: "panes" }, ...this.panes);
    this.node = el("section", { class: "panel", part: "panel", "aria-labelledby": "title" }, bar, tabs, panes);
    this.#choose("rooms");
  }

  /** @param {Picture} picture @param {Attached | null} attached */
  render(picture, attached) {
    this.#renderBar(picture, attached);
    const [session, rooms, frames] = this.panes;
    if (isSeen(session)) this.sessionView.render(picture.session);
    if (isSeen(frames)) this.framesView.render(picture.frames);
    if (!isSeen(rooms)) return;
    this.roomViews.show([...picture.rooms], (view, room) => view.render(room, picture.session?.id));
    this.noRooms.hidden = picture.rooms.size > 0;
  }

  /** @param {Picture} picture @param {Attached | null} attached */
  #renderBar(picture, attached) {
    const { say } = this;
    const { state, pendingWrites = 0 } = attached?.session ?? { state: picture.state };
    const detail = attached?.detail ?? {};
    const shown = state === "open" && detail.degraded ? "degraded" : state;
    setAttribute(this.state, "data-state", shown);
    setText(this.state, say(shown));
    const details = [];
    if (state !== "open" && picture.ending) details.push(say("closedBy", picture.ending).trim());
    else if (state === "closed" && detail.reason) details.push(detail.reason);
    if (detail.retryInMs !== undefined && state === "reconnecting")
      details.push(say("retryIn", { seconds: (detail.retryInMs / 1000).toFixed(1) }));
    if (pendingWrites) details.push(say("pendingWrites", { count: pendingWrites }));
    setText(this.detail, details.join(" · "));
    const ms = picture.latencyMs;
    setText(this.latency, state === "open" && ms !== null ? say("latency", { ms: Math.round(ms) }) : "");
  }

  /** @param {"session" | "rooms" | "frames"} label @param {HTMLElement} body @param {...HTMLElement} tools */
  #pane(label, body, ...tools) {
    const head = el("h3", { class: "pane__title", text: this.say(label), id: `${label}-title` });
    const top = el("div", { class: "pane__head" }, head, ...tools);
    return el("section", { class: "pane", "data-pane": label, "aria-labelledby": head.id }, top, body);
  }

  /** Where there is room for one section only, these choose it. @param {HTMLElement} pane */
  #tab({ dataset: { pane = "" } }) {
    const choose = () => {
      this.#choose(pane);
      this.changed();
    };
    const text = this.say(/** @type {Label} */ (pane));
    return el("button", { type: "button", class: "tab", "data-tab": pane, text, on: { click: choose } });
  }

  /** @param {string} chosen */
  #choose(chosen) {
    for (const pane of this.panes) setAttribute(pane, "data-chosen", pane.dataset.pane === chosen);
    for (const tab of this.tabs) setAttribute(tab, "aria-pressed", String(tab.dataset.tab === chosen));
  }
}

/** @param {Element} node */
const isSeen = (node) => node.checkVisibility?.() ?? true;
