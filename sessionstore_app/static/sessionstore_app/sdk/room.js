/** One room. */

import { errorFor, ERRORS } from "./errors.js";
import { makeListeners } from "./listeners.js";
import { makePeers } from "./peers.js";
import { deferred } from "./queue.js";
import { makeStore } from "./store.js";

/** @import * as T from "./internal.js" */

/** @type {T.MakeRoom} */
export const makeRoom = (name, context) => {
  const { link, logger, report } = context;
  const entered = deferred();
  const listeners = makeListeners(logger);
  /** @type {[string, any][]} */
  let early = [];

  /** @type {T.Take} */
  const take = ({ epoch, version = 0, entries = [], changes }, patterns, whole, reason = "UNKNOWN") => {
    const formerly = room.epoch;
    const same = epoch === formerly;
    room.store.adopt(changes ?? entries, patterns, same ? version : null, whole || !same);
    Object.assign(room, { epoch, version: same ? Math.max(version, room.version) : version });
    if (formerly && !same) listeners.emit("cleared", { reason, epoch });
  };

  /** @type {T.Adopt} */
  const adopt = (joined, patterns, whole) => {
    if (room.left) return;
    const first = !room.epoch;
    const { roles, type = null, peers, count, complete } = joined;
    Object.assign(room, { roles, type });
    take(joined, patterns, whole || !!complete);
    room.peers.replace(peers, count);
    room.joined = true;
    context.entered(room, first);
    entered.resolve(room);
    for (const [method, params] of early.splice(0)) apply(method, params);
    room.store.arm();
  };

  const expelled = (/** @type {any} */ error) => {
    room.depart(error);
    if (room.epoch && ERRORS.has(error.reason)) report(error);
  };

  /** @type {T.LinkOwner["notified"]} */
  const apply = (method, params) => {
    const same = params.epoch === room.epoch;
    for (const { session_id, reason } of params.left ?? [])
      if (session_id === link.opened.session_id) return expelled(errorFor(reason));
    if (method === "room.changed") return same ? take(params, []) : room.resync();
    if (method === "room.peers") room.peers.merge(params);
    else if (method === "room.snapshot") take(params, [], true);
    else if (method === "room.cleared" && !same) take(params, [], true, params.reason);
  };

  const enter = async (/** @type {T.Position | void} */ since) => {
    const observe = room.store.patterns();
    early = [];
    try {
      await link.ask("room.join", { room: name, observe, since }, (joined) => adopt(joined, observe, !since));
    } catch (/** @type {any} */ error) {
      if (error.reason !== "DISCONNECTED" && !room.left) expelled(error);
    }
  };

  /** @type {T.Room} */
  const room = {
    name,
    epoch: null,
    version: 0,
    roles: [],
    type: null,
    joined: false,
    peers: makePeers(listeners),
    /** @type {any} */
    store: null,
    ask: async (method, params, accept) => link.ask(method, { room: room.present(), ...params }, accept),
    can: (...[action, key]) => room.ask("room.can", { action, key }, ({ allowed }) => allowed),
    async broadcast(event, data = null) {
      return link.request("room.broadcast", { room: room.present(), event, data }, ({ count }) => count);
    },
    onMessage: (event, listener) => listeners.on(`message ${event}`, listener),
    onCleared: (listener) => listeners.on("cleared", listener),
    async leave() {
      if (room.left) return;
      room.depart(errorFor("NOT_JOINED"));
      await link.ask("room.leave", { room: name }).catch((error) => {
        if (error.reason !== "DISCONNECTED") throw error;
      });
    },

    left: null,
    entered: entered.promise,
    present() {
      if (room.left) throw room.left;
      return name;
    },
    position() {
      const { joined, epoch, version, store } = room;
      return joined && epoch && store.complete() ? { epoch, version } : undefined;
    },
    reenter(kept) {
      const since = room.position();
      if (!kept) {
        room.joined = false;
        room.store.disarm();
      }
      enter(since);
    },
    resync() {
      if (room.joined) enter();
      room.joined = false;
    },
    notified(method, params) {
      if (method === "room.message") listeners.emit(`message ${params.event}`, params);
      else if (room.joined) apply(method, params);
      else early.push([method, params]);
    },
    depart(error) {
      room.left = error;
      room.joined = false;
      context.forget(room, error);
      room.entered.catch(() => {});
      entered.reject(error);
      room.store.clear();
    },
  };
  room.store = makeStore(room, context);
  return room;
};
