// The panel of people: the list of who is here. For a host it is what a filter finds, live, with the means to act.

import { arrange, setText } from "./dom.js";
import { attendees } from "./attendees.js";
import { PeopleFilter } from "./peoplefilter.js";
import { PeopleRow } from "./peoplerow.js";
import { PeopleWatch } from "./peoplewatch.js";

/** @import { Question } from "./confirm.js" */
/** @import { Refused } from "./filterfault.js" */
/** @import { Meeting } from "./meeting.js" */
/** @import { PeopleKept } from "./peoplekept.js" */
/** @import { Acts } from "./peoplerow.js" */
/** @import { Person, Scene } from "./scene.js" */

/**
 * @typedef {{form: HTMLFormElement, input: HTMLInputElement, fault: HTMLElement, ready: HTMLElement}} FilterNodes
 * @typedef {FilterNodes & Record<"title" | "shown" | "list" | "none" | "foot" | "muteAll", HTMLElement>} Nodes
 * @typedef {{ask: (question: Question) => Promise<boolean>, say: (text: string) => void}} Talk
 */

// More rows than these nobody reads; a filter finds the others.
const MOST_ROWS = 200;

export class People {
  /** @type {Scene | null} */
  #scene = null;
  /** @type {Person[]} */
  #people = [];
  /** @type {Map<string, PeopleRow>} */
  #rows = new Map();
  #open = false;
  /** The filter in force; empty for everybody. */
  #filter;
  /** Whether even everybody was refused. */
  #givenUp = false;

  /** @param {Nodes} nodes @param {Meeting} meeting @param {PeopleKept} kept @param {Talk} talk */
  constructor(nodes, meeting, kept, talk) {
    this.nodes = nodes;
    this.host = meeting.host;
    this.kept = kept;
    this.talk = talk;
    this.#filter = kept.read().filter;
    this.box = new PeopleFilter(nodes, (filter) => this.watch.try(filter));
    nodes.input.value = this.#filter;
    this.watch = new PeopleWatch((filter, ears) => this.host.watch(filter, ears), {
      changed: () => this.#accept(),
      refused: (filter, error) => this.#refuse(filter, error),
    });
    nodes.muteAll.addEventListener("click", () => this.#muteAll());
    /** @type {Acts} */
    this.acts = {
      hand: ({ id }) => meeting.lowerHand(id),
      speaker: ({ id, isSpeaker }) => this.host.makeSpeaker(id, !isSpeaker),
      spotlight: ({ id }) => meeting.toggleSpotlight(id),
      mute: ({ id, muted }) => this.host.mute(id, !muted),
      remove: (person) => this.#remove(person),
    };
  }

  /** @param {Scene} scene */
  render(scene) {
    this.#scene = scene;
    this.nodes.form.hidden = !scene.manages;
    this.#settle();
  }

  /** @param {boolean} open */
  show(open) {
    this.#open = open;
    this.#keep();
    this.#settle();
  }

  /** Nobody listens behind a closed panel. */
  #settle() {
    if (!this.#scene) return;
    const wanted = this.#open && this.#scene.manages;
    if (!wanted) {
      this.watch.stop();
      this.#givenUp = false;
    } else if (!this.watch.active && !this.#givenUp) this.watch.try(this.#filter);
    if (this.#open) this.#draw(this.#scene);
  }

  #accept() {
    this.#filter = this.watch.filter;
    this.#givenUp = false;
    this.#keep();
    this.#settle();
  }

  /** @param {string} filter @param {Refused} error */
  #refuse(filter, error) {
    this.box.refuse(filter, error);
    if (this.watch.active) return;
    // A filter that was kept need not be good for ever; everybody is. If even that is refused, asking on is no use.
    this.#givenUp = this.#filter === "";
    this.#filter = "";
    this.#settle();
  }

  #keep() {
    this.kept.write({ open: this.#open, filter: this.#filter });
  }

  /** @param {Scene} scene */
  #draw(scene) {
    const { list, shown } = this.nodes;
    this.#people = attendees(scene, this.#sightings(scene));
    const rows = this.#people.slice(0, MOST_ROWS).map((person) => this.#row(person, scene.manages));
    const left = this.#placeOfFocus(rows);
    arrange(list, rows.map((row) => row.node));
    // Whoever used the keyboard on a row that went is at the next one, not at the top of the page.
    if (left >= 0) focusIn(list.children[Math.min(left, rows.length - 1)], this.nodes.title);
    this.#rows = new Map(rows.map((row) => [row.id, row]));
    setText(shown, this.#filter ? foundText(this.#people.length, scene.count) : "");
    this.nodes.none.hidden = rows.length > 0 || this.watch.sightings === null;
    this.box.render(this.#filter);
    this.#drawFoot(scene.manages);
  }

  /** Until the listener has told its first, everybody is listed; but not instead of a few. @param {Scene} scene */
  #sightings({ manages }) {
    if (!manages) return null;
    return this.watch.sightings ?? (this.#filter ? [] : null);
  }

  /** @param {boolean} manages */
  #drawFoot(manages) {
    const others = this.#others();
    this.nodes.foot.hidden = !manages || others.length === 0;
    setText(this.nodes.muteAll, this.#allMuted(others) ? "Unmute all shown" : "Mute all shown");
  }

  /** @param {Person} person @param {boolean} manages */
  #row(person, manages) {
    const row = this.#rows.get(person.id) ?? new PeopleRow(person.id, this.acts);
    row.render(person, manages);
    return row;
  }

  /** Where in the list the focus is, if its row is about to go; else -1. @param {PeopleRow[]} staying */
  #placeOfFocus(staying) {
    const nodes = Array.from(this.nodes.list.children);
    const place = nodes.findIndex((node) => node.contains(document.activeElement));
    return staying.some((row) => row.node === nodes[place]) ? -1 : place;
  }

  #others() {
    return this.#people.filter((person) => !person.isMe);
  }

  /** @param {Person[]} others */
  #allMuted(others) {
    return others.every((person) => person.muted);
  }

  async #muteAll() {
    const others = this.#others();
    const mute = !this.#allMuted(others);
    const filter = this.#filter;
    const who = others.length === 1 ? "1 person" : `${others.length} people`;
    const question = mute
      ? { title: `Mute ${who}?`, text: "They can still read the chat, but not write, until you unmute them." }
      : { title: `Unmute ${who}?`, text: "They can write in the chat again." };
    if (!(await this.talk.ask({ ...question, action: mute ? "Mute all" : "Unmute all" }))) return;
    const count = await this.host.muteAll(filter, mute);
    if (count !== null) this.talk.say(`${mute ? "Muted" : "Unmuted"} ${count === 1 ? "1 person" : `${count} people`}.`);
  }

  /** @param {Person} person */
  async #remove({ id, name }) {
    const title = `Remove ${name} from the meeting?`;
    const text = "The door stays open: whoever has the link can come again, as somebody new.";
    if (await this.talk.ask({ title, text, action: "Remove" })) await this.host.remove(id);
  }
}

/** @param {Element | undefined} row @param {HTMLElement} otherwise */
function focusIn(row, otherwise) {
  (row?.querySelector("button") ?? otherwise).focus();
}

/** @param {number} found @param {number} count */
function foundText(found, count) {
  const cut = found > MOST_ROWS ? `, the first ${MOST_ROWS} are listed` : "";
  return `${found} of ${count}${cut}`;
}
