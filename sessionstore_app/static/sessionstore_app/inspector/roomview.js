/** One room: its epoch and version, its keys, its peers. */

import { arrange, el, foreign, setAttribute, setText, Views } from "./dom.js";
import { compact } from "./json.js";
import { KeyView } from "./keyview.js";
import { clockTime, shortId } from "./words.js";

/** @import { Label, Say } from "./labels.js" */
/** @import { RoomPicture, Shown } from "./room.js" */
/** @import { Peer } from "../sdk/index.js" */

const KEYS_SHOWN = 500;
const PEERS_SHOWN = 100;

export class RoomView {
  /** @type {RoomPicture | undefined} */
  #room;
  #revision = -1;
  #epoch = "";
  /** @type {string | undefined} */
  #own;

  /** @param {Say} say @param {RoomPicture} room */
  constructor(say, { name }) {
    this.say = say;
    this.epoch = el("code", { dir: "ltr" });
    this.version = el("b", { class: "room__version" });
    this.mark = el("span", { class: "chip", text: say("watched") });
    const facts = el(
      "p",
      { class: "room__facts" },
      this.mark,
      el("span", {}, `${say("epoch")} `, this.epoch),
      el("span", {}, `${say("version")} `, this.version),
    );
    const column = (/** @type {Label} */ label) =>
      el("th", { scope: "col", text: say(label), class: `column column--${label}` });
    const columns = [column("key"), column("value"), column("versions"), column("written")];
    const rows = el("tbody");
    this.table = el("table", { "aria-label": name }, el("thead", {}, el("tr", {}, ...columns)), rows);
    /** @type {Views<Shown, KeyView>} */
    this.keys = new Views(rows, ({ key }) => new KeyView(say, key));
    this.empty = el("p", { class: "empty", text: say("noKeys") });
    this.more = el("p", { class: "empty" });
    this.count = el("span", { class: "count" });
    const list = el("ul", { class: "peers" });
    /** @type {Views<Peer, PeerView>} */
    this.peers = new Views(list, () => new PeerView(say));
    this.morePeers = el("p", { class: "empty" });
    const summary = el("summary", {}, `${say("peers")} `, this.count);
    this.people = el("details", { class: "people", open: true }, summary, list, this.morePeers);
    this.head = el("header", { class: "room__head" }, foreign("h3", name), facts);
    this.node = el("article", { class: "room", "data-room": name });
  }

  /** @param {RoomPicture} room @param {string | undefined} own the session's id */
  render(room, own) {
    if (room === this.#room && room.revision === this.#revision && own === this.#own) return;
    const isFirst = room !== this.#room || room.epoch !== this.#epoch;
    this.#room = room;
    this.#revision = room.revision;
    this.#epoch = room.epoch;
    this.#own = own;
    this.mark.hidden = !room.watched;
    setText(this.epoch, shortId(room.epoch));
    setAttribute(this.epoch, "title", room.epoch);
    setText(this.version, String(room.version));
    this.#renderKeys(room, own, !isFirst);
    this.#renderPeers(room, own);
    const keys = room.entries.size ? this.table : this.empty;
    arrange(this.node, [this.head, keys, ...(this.more.hidden ? [] : [this.more]), this.people]);
  }

  /** @param {RoomPicture} room @param {string | undefined} own @param {boolean} flash */
  #renderKeys(room, own, flash) {
    const entries = [...room.entries].sort(([a], [b]) => (a < b ? -1 : 1));
    this.keys.show(entries.slice(0, KEYS_SHOWN), (view, entry) =>
      view.update(entry, { own, flash, followed: room.isFollowed(entry.key) }),
    );
    this.more.hidden = entries.length <= KEYS_SHOWN;
    setText(this.more, this.say("moreKeys", { count: entries.length - KEYS_SHOWN }));
  }

  /** @param {RoomPicture} room @param {string | undefined} own */
  #renderPeers(room, own) {
    const peers = [...room.peers].sort(([, a], [, b]) => (a.joined_at < b.joined_at ? -1 : 1)).slice(0, PEERS_SHOWN);
    this.peers.show(peers, (view, peer) => view.update(peer, peer.session_id === own));
    setText(this.count, String(room.count));
    this.morePeers.hidden = room.count <= peers.length;
    setText(this.morePeers, this.say("morePeers", { count: room.count - peers.length }));
  }
}

class PeerView {
  /** @type {Peer | undefined} */
  #shown;

  /** @param {Say} say */
  constructor(say) {
    this.say = say;
    this.node = el("li", { class: "peer" });
  }

  /** @param {Peer} peer @param {boolean} isSelf */
  update(peer, isSelf) {
    if (peer === this.#shown) return;
    this.#shown = peer;
    const { say } = this;
    const { session_id, principal, roles, properties, state, joined_at } = peer;
    const name = foreign("b", principal || shortId(session_id));
    setAttribute(name, "title", session_id);
    const joined = { title: say("joinedAt", { time: joined_at }), datetime: joined_at };
    const since = el("time", { text: clockTime(joined_at), ...joined });
    const chips = (roles ?? []).map((role) => foreign("span", role, "chip"));
    if (isSelf) chips.unshift(el("span", { class: "chip chip--you", text: say("you") }));
    if (state !== "ACTIVE") chips.push(el("span", { class: "chip chip--away", text: say("away"), title: state }));
    setAttribute(this.node, "data-state", state);
    this.node.replaceChildren(
      el("span", { class: "peer__who" }, name, ...chips),
      foreign("code", compact(properties ?? {}), "peer__properties"),
      since,
    );
  }
}
