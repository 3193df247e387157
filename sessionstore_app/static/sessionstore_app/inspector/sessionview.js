/** The session: who it is, and what it may. */

import { arrange, el, foreign, setText } from "./dom.js";

/** @import { Say } from "./labels.js" */
/** @import { SessionPicture } from "./picture.js" */

export class SessionView {
  /** @type {SessionPicture | null | undefined} */
  #shown;

  /** @param {Say} say */
  constructor(say) {
    this.say = say;
    this.empty = el("p", { class: "empty", text: say("noSession") });
    this.facts = el("dl", { class: "facts" });
    this.title = el("h3", { text: say("properties") });
    this.properties = el("dl", { class: "facts facts--properties" });
    this.node = el("div", { class: "session" });
  }

  /** @param {SessionPicture | null} session */
  render(session) {
    if (session === this.#shown) return;
    this.#shown = session;
    if (!session) return arrange(this.node, [this.empty]);
    const { say } = this;
    this.facts.replaceChildren(
      ...fact(say("sessionId"), foreign("dd", session.id, "mono")),
      ...fact(say("principal"), foreign("dd", session.principal || say("anonymous"))),
      ...fact(say("roles"), this.#list(session.roles)),
      ...fact(say("permissions"), this.#list(session.permissions)),
      ...fact(say("server"), foreign("dd", session.server, "mono")),
      ...fact(say("resumed"), el("dd", { text: say(session.resumed ? "yes" : "no") })),
    );
    const properties = Object.entries(session.properties ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    this.properties.replaceChildren(
      ...properties.flatMap(([name, value]) => fact(name, foreign("dd", String(value), "mono"))),
    );
    arrange(this.node, [this.facts, this.title, this.properties]);
  }

  /** @param {readonly string[]} names */
  #list(names) {
    const node = el("dd");
    if (!names?.length) setText(node, this.say("none"));
    else node.append(...names.map((name) => foreign("span", name, "chip")));
    return node;
  }
}

/** @param {string} name @param {HTMLElement} value */
const fact = (name, value) => [foreign("dt", name), value];
