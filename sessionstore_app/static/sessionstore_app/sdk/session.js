/** A session and its rooms. */

import { errorFor } from "./errors.js";
import { makeLink } from "./link.js";
import { guarded, makeListeners } from "./listeners.js";
import { makeParts } from "./parts.js";
import { differences } from "./properties.js";
import { deferred, makeQueue } from "./queue.js";
import { makeRoom } from "./room.js";

/** @import * as T from "./internal.js" */

const GOODBYE_MS = 2000;

/** @type {T.OpenSession} */
export const openSession = (settings) => {
  const { logger, clock } = settings;
  const opening = deferred();
  const listeners = makeListeners(logger);
  /** @type {Map<string, T.Room>} */
  const rooms = new Map();
  const timers = new Set();
  let revision = 0;

  const later = (ms = 0, run = () => {}) => timers.add(clock.setTimeout(run, ms));

  const report = (/** @type {any} */ error) => {
    logger.warn("sessionstore:", error);
    listeners.emit("error", error);
  };

  /** @type {T.Describe} */
  const describe = ({ properties, roles, permissions, revision: at = 0 }) => {
    const changed = differences(session.properties, properties);
    Object.assign(session, { properties, roles, permissions });
    revision = at;
    if (Object.keys(changed).length) listeners.emit("properties", properties, changed);
  };
  listeners.on("session.message", (news) => listeners.emit(`message ${news.event}`, news));
  listeners.on("session.changed", (news) => news.revision > revision && describe(news));

  const link = makeLink(settings, {
    positions: () => Object.fromEntries([...rooms].map(([name, room]) => [name, room.position()])),
    opened(result, first) {
      const { session_id: id, principal, limits, resumed } = result;
      Object.assign(session, { id, principal, limits, resumed });
      describe(result);
      const kept = new Set(result.rooms.map(({ room }) => room));
      for (const room of rooms.values()) room.reenter(kept.has(room.name));
      queue.reopen(resumed);
      const leaveStrays = () => {
        for (const room of kept) if (!rooms.has(room)) link.ask("room.leave", { room }).catch(report);
      };
      if (first) later(result.reconnect_seconds * 1000, leaveStrays);
      else leaveStrays();
      opening.resolve(session);
    },
    notified(method, params) {
      listeners.emit(method, params);
      rooms.get(params?.room)?.notified(method, params);
    },
    changed: (state, detail) => listeners.emit("state", state, detail),
    ended(error) {
      timers.forEach((timer) => clock.clearTimeout(timer));
      queue.abandon(null, error);
      for (const room of rooms.values()) room.depart(error);
      opening.reject(error);
    },
  });
  const queue = makeQueue(link, settings.queue !== false, report);

  /** @type {T.RoomContext} */
  const context = {
    ...{ link, queue, logger, report, clock, listeners },
    entered(room, first) {
      if (first) listeners.emit("room", room);
      queue.pump();
    },
    forget(room, error) {
      if (rooms.get(room.name) === room) rooms.delete(room.name);
      queue.abandon(room, error);
    },
  };

  /** @type {T.Opening} */
  const session = {
    get state() {
      return link.state;
    },
    get latencyMs() {
      return link.latencyMs();
    },
    get pendingWrites() {
      return queue.size();
    },
    properties: {},
    ...makeParts(context),
    setProperties: (properties) => link.ask("session.set_properties", { properties }),
    onProperties: (listener) => listeners.on("properties", listener),
    onMessage: (event, listener) => listeners.on(`message ${event}`, listener),
    onState: (listener) => listeners.on("state", listener, link.state, link.detail),
    onSessionStoreAvailable(listener) {
      for (const room of rooms.values()) if (room.joined) guarded(logger, listener, room);
      return listeners.on("room", listener);
    },
    onError: (listener) => listeners.on("error", listener),
    async join(name, { observe = [] } = {}) {
      if (link.state === "closed") throw errorFor("DISCONNECTED", { hint: link.detail.reason });
      const room = rooms.get(name) ?? makeRoom(name, context);
      room.store.hold(observe);
      if (!rooms.has(name)) room.reenter();
      rooms.set(name, room);
      await room.entered;
      await room.store.arm();
      return room;
    },
    async close() {
      const end = () => link.end({ reason: "CLOSED_BY_CLIENT" });
      if (link.state === "open") later(GOODBYE_MS, end);
      await link.request("session.close", {}).catch(() => {});
      end();
    },
  };

  if (settings.connectTimeoutMs)
    later(settings.connectTimeoutMs, () => link.opened || link.end({ reason: "CONNECT_TIMEOUT" }));
  if (settings.warnUnsaved) link.on("beforeunload", (event) => queue.size() && event.preventDefault());
  link.dial();
  return opening.promise;
};
