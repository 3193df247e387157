/**
 * A page's session, read off its frames. So it sees what the page sees, and what the page ignores as well. Knows the
 * protocol; knows no socket, no clock and no DOM.
 */

import { CLOSE_REASONS } from "../sdk/closing.js";
import { aboutOf } from "./about.js";
import { readFrame } from "./reading.js";
import { RoomPicture } from "./room.js";

/** @import { Reading } from "./reading.js" */

export const FRAMES_KEPT = 200;
const CALLS_KEPT = 1000;
const EARLY_KEPT = 100;

/** @typedef {"in" | "out"} Direction */
/** @typedef {"request" | "notification" | "result" | "error" | "unreadable"} Kind */

/**
 * One message of a frame; an answer has the method of its request.
 * @typedef {{kind: Kind, method: string, about: string, ms?: number}} Note
 */
/**
 * @typedef {object} Frame
 * @property {number} id  grows
 * @property {Direction} direction
 * @property {number} at  milliseconds since 1970
 * @property {Reading["form"]} form
 * @property {string} text
 * @property {boolean} cut
 * @property {number} bytes
 * @property {Note[]} notes
 */
/**
 * @typedef {object} SessionPicture
 * @property {string} id
 * @property {string} principal
 * @property {readonly string[]} roles
 * @property {readonly string[]} permissions
 * @property {Readonly<Record<string, string>>} properties
 * @property {boolean} resumed
 * @property {string} server
 */
/** @typedef {{method: string, params: any, epoch?: string, at: number, early: [string, any][]}} Call */

export class Picture {
  /** "open" once the session is. @type {"idle" | "connecting" | "open" | "closed"} */
  state = "idle";
  /** Why it is closed. @type {{code: number, reason: string} | null} */
  ending = null;
  /** Of the last request that was answered. @type {number | null} */
  latencyMs = null;
  /** A new object whenever it changes. @type {SessionPicture | null} */
  session = null;
  /** Those the page is in, or watches. @type {Map<string, RoomPicture>} */
  rooms = new Map();
  /** The newest first; a new list whenever it changes. @type {readonly Frame[]} */
  frames = [];
  /** Of a session that was lost: of a room joined again, only what is new is told. @type {Map<string, RoomPicture>} */
  #former = new Map();
  /** Requests without an answer, by id. @type {Map<unknown, Call>} */
  #calls = new Map();
  #lastId = 0;

  /** A socket is being opened; what was asked on another stays unanswered. */
  connecting() {
    this.state = "connecting";
    this.ending = null;
    this.#calls.clear();
  }

  /** @param {number} code */
  closed(code) {
    this.state = "closed";
    this.ending = { code, reason: CLOSE_REASONS.get(code) ?? "" };
    this.#calls.clear();
  }

  /**
   * @param {Direction} direction @param {unknown} data what the socket carried @param {number} at
   * @param {{stranger?: boolean}} [options] stranger: of a socket that the session has left; it is listed, no more
   */
  feed(direction, data, at, { stranger = false } = {}) {
    const { messages, ...reading } = readFrame(data);
    const notes = messages.map((message) => this.#note(direction, message, at, stranger));
    const frame = { id: ++this.#lastId, direction, at, ...reading, notes };
    this.frames = [frame, ...this.frames.slice(0, FRAMES_KEPT - 1)];
  }

  clearFrames() {
    this.frames = [];
  }

  /** @param {Direction} direction @param {any} message @param {number} at @param {boolean} stranger @returns {Note} */
  #note(direction, message, at, stranger) {
    const isCall = typeof message?.method === "string";
    const call = !isCall && direction === "in" && !stranger ? this.#calls.get(message?.id) : undefined;
    const note = describe(message, call, at);
    if (stranger) return note;
    try {
      if (isCall && direction === "out") this.#sent(message, at);
      else if (isCall) this.#told(message.method, message.params ?? {});
      else if (call) this.#answered(call, message, at);
    } catch {
      // Not what the protocol says: it is listed, and nothing is read off it.
    }
    return note;
  }

  /** @param {any} message @param {number} at */
  #sent({ id, method, params = {} }, at) {
    if (id === undefined) return;
    this.#calls.set(id, { method, params, epoch: this.rooms.get(params?.room)?.epoch, at, early: [] });
    if (this.#calls.size > CALLS_KEPT) this.#calls.delete(this.#calls.keys().next().value);
  }

  /** @param {Call} call @param {any} message @param {number} at */
  #answered(call, { id, result, error }, at) {
    this.#calls.delete(id);
    // A lock is answered when it is free, which says nothing of the network.
    if (call.method !== "lock.acquire") this.latencyMs = at - call.at;
    const room = this.rooms.get(call.params.room);
    if (error) {
      if (room && error.data?.current?.key === call.params.key) this.#written(room, call, error.data.current);
    } else if (call.method === "session.open") this.#opened(result);
    else if (call.method === "room.join" || call.method === "room.watch") this.#entered(call, result);
    else if (room) this.#answeredIn(room, call, result);
  }

  /** @param {any} result of session.open */
  #opened({ session_id, principal, roles, permissions, properties, resumed, rooms = [], server_name }) {
    this.state = "open";
    this.session = { id: session_id, principal, roles, permissions, properties, resumed, server: server_name ?? "" };
    const before = this.rooms;
    if (!resumed) this.#former = new Map([...this.#former, ...before]);
    this.rooms = new Map();
    for (const { room: name, epoch } of resumed ? rooms : []) {
      const room = before.get(name) ?? new RoomPicture(name);
      room.watched = false;
      // What was written meanwhile, a snapshot or the changes bring.
      if (!room.epoch) room.epoch = epoch;
      this.rooms.set(name, room);
    }
  }

  /** @param {Call} call @param {any} result of room.join or room.watch */
  #entered({ method, params, early }, result) {
    const { room: name, observe = [], since } = params;
    const known = this.rooms.get(name) ?? this.#former.get(name);
    // What a watcher sees may be masked now: nothing of before stays.
    const room = method === "room.join" && known ? known : new RoomPicture(name);
    if (!this.rooms.has(name)) room.patterns = new Set();
    this.rooms.set(name, room);
    this.#former.delete(name);
    // Who comes into a room watches it no longer.
    room.watched = method === "room.watch";
    if (!room.watched) room.observe([...room.patterns, ...observe]);
    if (since && !result.complete) room.merge(result);
    else room.replace(result);
    room.meet(result.peers ?? [], result.count ?? 0);
    for (const [told, params] of early) this.#told(told, params);
  }

  /** @param {RoomPicture} room @param {Call} call @param {any} result */
  #answeredIn(room, call, result) {
    const { method, params } = call;
    if (method === "room.leave" || (method === "room.unwatch" && room.watched)) this.rooms.delete(room.name);
    else if (method === "room.peers") room.news({ count: result.count, joined: result.peers });
    else if (method === "room.unobserve") {
      room.observe(result.observing);
      room.unobserve(params.keys);
    } else if (method === "room.observe") {
      room.observe(result.observing);
      room.merge(result, params.keys);
    } else if (method === "room.snapshot") {
      if (params.keys) room.merge(result, params.keys);
      else room.replace(result);
    } else if (WRITES.has(method) || method === "room.get") this.#written(room, call, result);
  }

  /** @param {RoomPicture} room @param {Call} call @param {any} result an entry, or those of room.write */
  #written(room, call, result) {
    // The answer may be of the time before the room was cleared.
    if (call.epoch !== room.epoch) return;
    const entries = result.entries ?? [result];
    room.merge({ version: Math.max(...entries.map((/** @type {any} */ entry) => entry.version)), entries });
  }

  /** @param {string} method @param {any} params */
  #told(method, params) {
    if (method === "session.changed") return this.#changed(params);
    const room = this.rooms.get(params.room);
    if (!room) return this.#keepEarly(method, params);
    if (method === "room.changed") room.change(params);
    else if (method === "room.snapshot") room.replace(params);
    else if (method === "room.cleared") room.clear(params.epoch);
    else if (method === "room.unwatched") this.rooms.delete(room.name);
    else if (method === "room.peers") {
      room.news(params);
      const own = (/** @type {any} */ { session_id }) => session_id === this.session?.id;
      if (params.left?.some(own)) this.rooms.delete(room.name);
    }
  }

  /** News of a room may come before the answer that tells of the room. @param {string} method @param {any} params */
  #keepEarly(method, params) {
    for (const { method: asked, params: { room }, early } of this.#calls.values()) {
      if (room !== params.room || (asked !== "room.join" && asked !== "room.watch")) continue;
      if (early.length < EARLY_KEPT) early.push([method, params]);
      return;
    }
  }

  /** @param {any} params of session.changed */
  #changed({ properties, roles, permissions }) {
    if (this.session) this.session = { ...this.session, properties, roles, permissions };
  }
}

const WRITES = new Set(["room.set", "room.delete", "room.update", "room.write"]);

/** @param {any} message @param {Call | undefined} call what it answers @param {number} at @returns {Note} */
function describe(message, call, at) {
  if (typeof message?.method === "string") {
    const kind = message.id === undefined ? "notification" : "request";
    return { kind, method: message.method, about: aboutOf(message.params) };
  }
  const method = call?.method ?? "";
  const ms = call && { ms: at - call.at };
  const about = (/** @type {any} */ told) => aboutOf(told, call?.params);
  if (message?.error) return { kind: "error", method, about: about(message.error.data), ...ms };
  if (message?.result !== undefined) return { kind: "result", method, about: about(message.result), ...ms };
  return { kind: "unreadable", method: "", about: "" };
}
