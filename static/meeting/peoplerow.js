// One person in the list: who it is and how things stand, and what a host may do about it.

import { arrange, el, icon, setAttribute, setText } from "./dom.js";
import { TONES } from "./palette.js";
import { initials } from "./text.js";

/** @import { Person } from "./scene.js" */
/** @typedef {Record<"hand" | "speaker" | "spotlight" | "mute" | "remove", (person: Person) => void>} Acts */

export class PeopleRow {
  /** @type {Person | null} */
  #person = null;

  /** @param {string} id @param {Acts} acts */
  constructor(id, acts) {
    this.id = id;
    this.face = el("span", { class: "face", "aria-hidden": "true" });
    this.name = el("span", { class: "attendee__name", testid: "row-name", dir: "auto" });
    this.me = el("span", { class: "attendee__me", text: "you" });
    this.line = el("span", { class: "attendee__line" }, this.name);
    this.chips = el("span", { class: "attendee__chips" });
    this.ways = el("span", { class: "attendee__ways" });
    const who = el("span", { class: "attendee__who" }, this.line, this.chips);
    const row = { class: "attendee", testid: "person-row", "data-session": id };
    this.node = el("li", row, this.face, who, this.ways);
    this.chip = {
      host: chip("Host", "host"),
      speaker: chip("Speaker", "speaker"),
      spotlight: chip("Spotlight", "spotlight"),
      muted: chip("Muted", "muted"),
      away: chip("Away", "away"),
    };
    const on = (/** @type {keyof Acts} */ act) => () => this.#person && acts[act](this.#person);
    this.way = {
      hand: way("hand", icon("hand"), on("hand")),
      speaker: way("speaker", icon("speaker"), on("speaker")),
      spotlight: way("spotlight", icon("beam"), on("spotlight")),
      mute: way("mute", icon("mute"), on("mute")),
      remove: way("remove", icon("remove"), on("remove")),
    };
  }

  /** @param {Person} person @param {boolean} manages */
  render(person, manages) {
    this.#person = person;
    for (const tone of TONES) this.node.classList.toggle(`tone-${tone}`, tone === person.color);
    setAttribute(this.node, "data-state", person.state);
    setText(this.face, initials(person.name));
    setText(this.name, person.name);
    if (person.isMe) this.line.append(this.me);
    else this.me.remove();
    this.#renderChips(person);
    this.#renderWays(person, manages);
  }

  /** @param {Person} person */
  #renderChips(person) {
    const { host, speaker, spotlight, muted, away } = this.chip;
    const shown = [
      { node: host, is: person.isHost },
      { node: speaker, is: person.isSpeaker },
      { node: spotlight, is: person.inSpotlight },
      { node: muted, is: person.muted },
      { node: away, is: person.state === "DISCONNECTED" },
    ];
    arrange(this.chips, shown.filter(({ is }) => is).map(({ node }) => node));
  }

  /** Only a host is offered them; the server decides all the same. @param {Person} person @param {boolean} manages */
  #renderWays({ name, isMe, isSpeaker, inSpotlight, muted, handPlace }, manages) {
    const { hand, speaker, spotlight, mute, remove } = this.way;
    label(hand, `Lower the hand of ${name}`, true);
    label(speaker, isSpeaker ? `Take the role of speaker from ${name}` : `Make ${name} a speaker`, isSpeaker);
    label(spotlight, inSpotlight ? `Take ${name} out of the spotlight` : `Put ${name} in the spotlight`, inSpotlight);
    label(mute, muted ? `Unmute ${name}` : `Mute ${name}`, muted);
    label(remove, `Remove ${name} from the meeting`, false);
    const others = isMe ? [] : [mute, remove];
    const raised = handPlace > 0 && !isMe ? [hand] : [];
    arrange(this.ways, manages ? [...raised, speaker, spotlight, ...others] : []);
  }
}

/** @param {string} text @param {string} kind */
const chip = (text, kind) => el("span", { class: `chip chip--${kind}`, testid: `chip-${kind}`, text });

/** @param {string} kind @param {Node} picture @param {() => void} onClick */
function way(kind, picture, onClick) {
  const button = { type: "button", class: `way way--${kind}`, testid: `row-${kind}`, on: { click: onClick } };
  return el("button", button, picture);
}

/** @param {HTMLElement} button @param {string} text what it does now @param {boolean} isOn */
function label(button, text, isOn) {
  setAttribute(button, "aria-label", text);
  setAttribute(button, "title", text);
  setAttribute(button, "data-on", String(isOn));
}
