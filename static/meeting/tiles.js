// One tile for each peer: a face, a name, and what the person is up to.

import { arrange, el, icon, setAttribute, setText } from "./dom.js";
import { TONES } from "./palette.js";
import { initials } from "./text.js";

/** @import { Person } from "./scene.js" */

const FEW = 2;
const SOME = 6;

export class Tiles {
  #list;
  #onSpotlight;
  /** @type {Map<string, Tile>} */
  #tiles = new Map();

  /** @param {HTMLElement} list @param {(id: string) => void} onSpotlight */
  constructor(list, onSpotlight) {
    this.#list = list;
    this.#onSpotlight = onSpotlight;
  }

  /** @param {import("./scene.js").Scene} scene */
  render({ people, may }) {
    const here = new Set(people.map((person) => person.id));
    for (const id of this.#tiles.keys()) if (!here.has(id)) this.#tiles.delete(id);
    const tiles = people.map((person) => {
      const tile = this.#tile(person.id);
      tile.render(person, may.spotlight);
      return tile.node;
    });
    arrange(this.#list, tiles);
    this.#list.dataset.crowd = people.length <= FEW ? "few" : people.length <= SOME ? "some" : "many";
  }

  /** @param {string} id @returns {Tile} */
  #tile(id) {
    const tile = this.#tiles.get(id) ?? new Tile(id, () => this.#onSpotlight(id));
    this.#tiles.set(id, tile);
    return tile;
  }
}

class Tile {
  /** @param {string} id @param {() => void} onSpotlight */
  constructor(id, onSpotlight) {
    this.face = el("span", { class: "face", "aria-hidden": "true" });
    this.name = el("span", { class: "tile__name", testid: "tile-name", dir: "auto" });
    this.me = el("span", { class: "tile__me", text: "you" });
    this.host = badge("Host", icon("star"));
    this.speaker = badge("Speaker", icon("speaker"));
    this.muted = badge("Muted", icon("mute"));
    this.state = el("span", { class: "badge badge--away", text: "reconnecting…" });
    this.place = el("span");
    this.hand = el("span", { class: "badge badge--hand", testid: "hand", role: "img" }, icon("hand"), this.place);
    const button = { type: "button", class: "tile__spotlight", testid: "spotlight-button", on: { click: onSpotlight } };
    this.spotlight = el("button", button, icon("beam"));
    this.caption = el("span", { class: "tile__caption" }, this.name);
    this.badges = el("span", { class: "tile__badges" });
    this.node = el("li", { class: "tile", testid: "tile", "data-session": id }, this.face, this.badges, this.caption);
  }

  /** @param {Person} person @param {boolean} mayLight */
  render(person, mayLight) {
    for (const tone of TONES) this.node.classList.toggle(`tone-${tone}`, tone === person.color);
    this.node.classList.toggle("tile--lit", person.inSpotlight);
    setAttribute(this.node, "data-state", person.state);
    setText(this.face, initials(person.name));
    setText(this.name, person.name);
    setText(this.place, String(person.handPlace));
    setAttribute(this.hand, "aria-label", `Hand raised, number ${person.handPlace} in line`);
    if (person.isMe) this.caption.append(this.me);
    else this.me.remove();
    this.#renderBadges(person);
    this.#renderButton(person, mayLight);
  }

  /** @param {Person} person */
  #renderBadges(person) {
    const shown = [
      { badge: this.hand, is: person.handPlace > 0 },
      { badge: this.host, is: person.isHost },
      { badge: this.speaker, is: person.isSpeaker },
      { badge: this.muted, is: person.muted },
      { badge: this.state, is: person.state === "DISCONNECTED" },
    ];
    arrange(this.badges, shown.filter(({ is }) => is).map(({ badge }) => badge));
  }

  /** Offered to those who may; the server decides all the same. @param {Person} person @param {boolean} mayLight */
  #renderButton(person, mayLight) {
    const { name, inSpotlight } = person;
    const label = inSpotlight ? `Take ${name} out of the spotlight` : `Put ${name} in the spotlight`;
    setAttribute(this.spotlight, "aria-label", label);
    setAttribute(this.spotlight, "title", label);
    setAttribute(this.spotlight, "aria-pressed", String(inSpotlight));
    if (!mayLight) this.spotlight.remove();
    else if (!this.spotlight.isConnected) this.node.append(this.spotlight);
  }
}

/** @param {string} text @param {Node} picture */
function badge(text, picture) {
  const kind = text.toLowerCase();
  const word = el("span", { class: "badge__word", text });
  return el("span", { class: `badge badge--${kind}`, testid: `tile-${kind}`, title: text }, picture, word);
}
