/** A picture that is fed by hand, frame after frame, a millisecond apart. */

import { Picture } from "../../sessionstore_app/static/sessionstore_app/inspector/picture.js";

export const ANN = { session_id: "ann", principal: "" };
export const BO = { session_id: "bo", principal: "bo@example.com" };

export const entry = (key, value, version, by = ANN) => ({ key, value, version, by, at: "2026-01-02T03:04:05Z" });
export const peer = (id) => ({ session_id: id, principal: "", roles: [], properties: {}, state: "ACTIVE", joined_at: id });

export class World {
  picture = new Picture();
  now = 1000;
  #lastId = 0;

  feed(direction, message) {
    const text = typeof message === "string" ? message : JSON.stringify(message);
    this.picture.feed(direction, text, this.now++);
  }

  /** @returns {number} its id */
  ask(method, params = {}) {
    this.feed("out", { jsonrpc: "2.0", id: ++this.#lastId, method, params });
    return this.#lastId;
  }

  answer(id, result) {
    this.feed("in", { jsonrpc: "2.0", id, result });
  }

  refuse(id, data) {
    this.feed("in", { jsonrpc: "2.0", id, error: { code: -32000, message: "no", data } });
  }

  tell(method, params) {
    this.feed("in", { jsonrpc: "2.0", method, params });
  }

  call(method, params, result) {
    this.answer(this.ask(method, params), result);
  }

  open(more = {}) {
    this.picture.connecting();
    const who = { session_id: "ann", principal: "", roles: ["client"], permissions: [], properties: { name: "Ann" } };
    this.call("session.open", {}, { ...who, resumed: false, rooms: [], server_name: "s1", resume_token: "r", ...more });
  }

  /** Of the room "standup", in its epoch "e1". */
  join(entries = [], { params = {}, ...more } = {}) {
    const told = { room: "standup", epoch: "e1", version: 10, roles: ["host"], peers: [peer("ann")], count: 1, entries };
    this.call("room.join", { room: "standup", observe: ["*"], ...params }, { ...told, ...more });
    return this.room;
  }

  change(version, ...changes) {
    this.tell("room.changed", { room: "standup", epoch: "e1", version, changes });
  }

  get room() {
    return this.picture.rooms.get("standup");
  }

  /** Keys with their values. */
  get values() {
    return Object.fromEntries([...this.room.entries].map(([key, { value }]) => [key, value]));
  }

  get notes() {
    return this.picture.frames[0].notes;
  }
}
