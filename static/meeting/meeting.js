// A meeting as this page lives it: one session in one room. Turns what the SDK says into facts, facts into scenes, and
// clicks into writes. Knows nothing of the page; whoever shows something subscribes, and gets its undo.

import { readMessage } from "./chatlog.js";
import { Host } from "./host.js";
import { freeToneOf } from "./palette.js";
import { readPerson, readProperties } from "./person.js";
import { makePin } from "./pinlist.js";
import { Rights } from "./rights.js";
import { describe } from "./scene.js";

/** @import { Entry, Room, Session, StateDetail } from "../sessionstore_app/sdk/index.js" */
/** @import { Message } from "./chatlog.js" */
/** @import { Status } from "./connection.js" */
/** @import { Facts, Scene } from "./scene.js" */

/** @typedef {import("./refusal.js").Refused} Refusal */
/**
 * @template T
 * @typedef {(news: T) => void} Listener
 */

const PATTERNS = ["person/*", "hand/*", "spotlight", "pinned"];

/** The `id` of `person/<id>` or `hand/<id>`. @param {string} key */
const idIn = (key) => key.slice(key.indexOf("/") + 1);

export class Meeting {
  #session;
  #room;
  #name;
  #onRefused;
  #rights;
  /** @type {Omit<Facts, "me" | "roles" | "properties" | "may">} */
  #facts = { peers: [], count: 0, persons: new Map(), hands: new Map(), spotlight: null, pinned: null, notes: null };
  #observesNotes = false;
  /** What was clicked and not answered yet. @type {boolean | null} */
  #handWanted = null;
  #handClicks = 0;
  #drawing = false;
  /** @type {Set<Listener<Scene>>} */
  #sceneListeners = new Set();
  /** @type {Set<Listener<Message>>} */
  #chatListeners = new Set();
  /** @type {Set<Listener<string>>} */
  #clearedListeners = new Set();
  /** @type {Set<Listener<Status>>} */
  #connectionListeners = new Set();
  /** @type {StateDetail} */
  #detail = {};
  #introducedAs = "";
  /** The session that this page has, or had before. */
  #formerly = "";
  #removed = false;
  /** @type {WeakSet<Refusal>} */
  #told = new WeakSet();

  /**
   * @param {Session} session @param {string} roomName @param {string} name what the others call me
   * @param {Listener<Refusal>} onRefused told of every write that was refused
   */
  static async enter(session, roomName, name, onRefused) {
    const room = await session.join(roomName, { observe: PATTERNS });
    const rights = new Rights(session, room);
    await rights.ask();
    return new Meeting(session, room, rights, name, onRefused);
  }

  /**
   * @param {Session} session @param {Room} room @param {Rights} rights @param {string} name
   * @param {Listener<Refusal>} onRefused
   */
  constructor(session, room, rights, name, onRefused) {
    this.#session = session;
    this.#room = room;
    this.#rights = rights;
    this.#name = name;
    this.#onRefused = onRefused;
    this.host = new Host(session, room.name, (act) => this.#attempt(act));
    room.store.observe("person/*", (entry) => this.#note(this.#facts.persons, entry, entry.value));
    room.store.observe("hand/*", (entry) => this.#note(this.#facts.hands, entry, entry.version));
    room.store.observe("spotlight", ({ value }) => this.#learn({ spotlight: value }));
    room.store.observe("pinned", ({ value }) => this.#learn({ pinned: value }));
    room.peers.observe((told) => this.#meet(told));
    room.onMessage("chat", (event) => this.#hear(event));
    room.onCleared(({ epoch }) => this.#restart(epoch));
    session.onProperties(() => this.#follow());
    session.onError((error) => this.#refuse(error));
    session.onState((_, detail) => this.#move(detail));
  }

  get id() {
    return this.#session.id;
  }

  get epoch() {
    return this.#room.epoch ?? "";
  }

  get handUp() {
    return this.#handWanted ?? this.#facts.hands.has(this.id);
  }

  /** @returns {Status} */
  get connection() {
    const { state, pendingWrites, latencyMs } = this.#session;
    const detail = this.#removed ? { reason: "CLOSED_BY_CONTROLLER" } : this.#detail;
    return { ...detail, state, pending: pendingWrites, latencyMs };
  }

  /** @param {Listener<Scene>} listener called at once, then on each change */
  onScene(listener) {
    listener(this.scene());
    return subscribe(this.#sceneListeners, listener);
  }

  /** @param {Listener<Message>} listener */
  onChat(listener) {
    return subscribe(this.#chatListeners, listener);
  }

  /** @param {Listener<string>} listener told the epoch that begins */
  onCleared(listener) {
    return subscribe(this.#clearedListeners, listener);
  }

  /** @param {Listener<Status>} listener called at once, then on each change */
  onConnection(listener) {
    listener(this.connection);
    return subscribe(this.#connectionListeners, listener);
  }

  scene() {
    const { id: me, properties } = this.#session;
    return describe({ me, properties, roles: this.#room.roles, may: this.#rights.may, ...this.#facts });
  }

  toggleHand() {
    const up = !this.handUp;
    const click = ++this.#handClicks;
    const key = `hand/${this.id}`;
    this.#handWanted = up;
    this.#draw();
    const { store } = this.#room;
    const write = () => (up ? store.set(key, Date.now()) : store.delete(key));
    return this.#attempt(write).finally(() => {
      if (click === this.#handClicks) this.#handWanted = null;
      this.#draw();
    });
  }

  /** @param {string} id */
  lowerHand(id) {
    return this.#attempt(() => this.#room.store.delete(`hand/${id}`));
  }

  /** @param {string} text */
  write(text) {
    return this.#attempt(() => this.#room.store.set("notes", text || null));
  }

  /** Give the stage to a peer, or take it back from the one who has it. @param {string} id */
  toggleSpotlight(id) {
    const { store } = this.#room;
    return this.#attempt(() => (this.#facts.spotlight === id ? store.delete("spotlight") : store.set("spotlight", id)));
  }

  /** @param {{id: string, name: string, text: string}} message */
  pin(message) {
    const item = makePin(message, this.#name);
    return this.#attempt(() => this.#room.store.update("pinned", { do: "append", item }));
  }

  /** By id, not by place: somebody else may have unpinned an earlier one just now. @param {string} id */
  unpin(id) {
    return this.#attempt(() => this.#room.store.update("pinned", { do: "remove", where: { id } }));
  }

  /**
   * Say something to all. Heard by `onChat` at once as "sending", then again as "sent" or "failed".
   * @param {{id: string, text: string}} said
   */
  async say({ id, text }) {
    const name = this.#name;
    const at = new Date().toISOString();
    /** @param {Message["state"]} state */
    const tell = (state) => this.#tell({ id, text, name, from: this.id, at, mine: true, state });
    if (readProperties(this.#session.properties).muted) return tell("failed");
    tell("sending");
    const sent = await this.#attempt(() => this.#room.broadcast("chat", { id, text, name }));
    tell(sent ? "sent" : "failed");
  }

  /** Leave for good. Closing is bounded in time: a network that is down keeps nobody in the meeting. */
  async leave() {
    this.#room.leave().catch((error) => this.#refuse(error));
    await this.#session.close();
  }

  /**
   * @template T
   * @param {Map<string, T>} map @param {Entry} entry @param {T} kept
   */
  #note(map, { key, value, by }, kept) {
    const id = idIn(key);
    // Where nothing is yet, anybody can write: what one did not write oneself counts for nothing.
    if (value === null || by?.session_id !== id) map.delete(id);
    else map.set(id, kept);
    this.#draw();
  }

  /** @param {Partial<Facts>} facts */
  #learn(facts) {
    Object.assign(this.#facts, facts);
    this.#draw();
  }

  /**
   * Told after each joining, the ones that follow a reconnect too: there a new session must say who it is.
   * @param {Pick<Facts, "peers" | "count">} told
   */
  #meet({ peers, count }) {
    this.#learn({ peers, count });
    this.#follow();
    this.#introduce();
    if (this.#formerly && this.#formerly !== this.id) this.#leaveIfRemoved(this.#formerly);
    this.#formerly = this.id;
  }

  /**
   * Who was removed while the page was away comes back as somebody new, which nobody asked for.
   * @param {string} id of the session that was not found again
   */
  async #leaveIfRemoved(id) {
    try {
      this.#removed = (await this.#room.store.get(`removed/${id}`)) !== null;
    } catch {
      // Whoever cannot be told stays.
    }
    if (this.#removed) await this.leave();
  }

  /** Roles or properties of this session are others now: so may be what it may do. */
  #follow() {
    this.#settle();
    this.#rights.ask().then((changed) => changed && this.#settle());
  }

  #settle() {
    this.#draw();
    if (this.#observesNotes || !this.#rights.may.notes) return;
    this.#observesNotes = true;
    this.#room.store.observe("notes", ({ value }) => this.#learn({ notes: value }));
  }

  /** @param {string} epoch */
  #restart(epoch) {
    this.#introducedAs = "";
    for (const listener of this.#clearedListeners) listener(epoch);
    this.#introduce();
  }

  /** @param {StateDetail} detail */
  #move(detail) {
    this.#detail = detail;
    this.#draw();
    this.#tellConnection();
  }

  #introduce() {
    if (this.#introducedAs === this.id) return;
    this.#introducedAs = this.id;
    // Said when the session opened; but this tab may have been given another name since.
    const named = this.#session.properties.name === this.#name;
    if (!named) this.#attempt(() => this.#session.setProperties({ name: this.#name }));
    const { store } = this.#room;
    const stored = (/** @type {string} */ id) => readPerson(store.value(`person/${id}`), id);
    if (stored(this.id).name === this.#name) return;
    const others = this.#facts.peers.map((peer) => peer.session_id).filter((id) => id !== this.id);
    const person = { name: this.#name, color: freeToneOf(this.id, others.map((id) => stored(id).color)) };
    this.#attempt(() => store.set(`person/${this.id}`, person));
  }

  /** @param {import("../sessionstore_app/sdk/index.js").Message} event */
  #hear(event) {
    const message = readMessage(event);
    if (!message) return;
    const sender = this.#facts.peers.find((peer) => peer.session_id === message.from);
    const { name } = readProperties(sender?.properties);
    const stored = readPerson(this.#facts.persons.get(message.from), message.from);
    this.#tell({ ...message, mine: message.from === this.id, name: name || stored.name || message.name });
  }

  /** @param {Message} message */
  #tell(message) {
    for (const listener of this.#chatListeners) listener(message);
  }

  #tellConnection() {
    for (const listener of this.#connectionListeners) listener(this.connection);
  }

  /** @param {() => Promise<unknown>} write @returns {Promise<boolean>} whether it was accepted */
  async #attempt(write) {
    try {
      const answer = write();
      this.#tellConnection();
      await answer;
      return true;
    } catch (error) {
      this.#refuse(/** @type {Refusal} */ (error));
      return false;
    } finally {
      this.#tellConnection();
    }
  }

  /** Once: a write that had waited for a connection fails to its caller and to `onError`. @param {Refusal} error */
  #refuse(error) {
    if (this.#told.has(error) || this.#session.state === "closed") return;
    this.#told.add(error);
    this.#onRefused(error);
  }

  /** Several changes often arrive in one frame: draw once for all of them. */
  #draw() {
    if (this.#drawing) return;
    this.#drawing = true;
    queueMicrotask(() => {
      this.#drawing = false;
      const scene = this.scene();
      for (const listener of this.#sceneListeners) listener(scene);
    });
  }
}

/**
 * @template T
 * @param {Set<Listener<T>>} listeners @param {Listener<T>} listener
 */
function subscribe(listeners, listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
