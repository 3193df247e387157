/** A session and its rooms. */

import { errorFor } from "./errors.js";
import { makeLink } from "./link.js";
import { guarded, makeListeners } from "./listeners.js";
import { deferred, makeQueue } from "./queue.js";
import { makeRoom } from "./room.js";

/** @import * as T from "./internal.js" */

const GOODBYE_MS = 2000;

/** @type {T.OpenSession} */
export const openSession = (settings) => {
  const { logger, clock, page, connectTimeoutMs } = settings;
  const opening = deferred();
  const [states, available, errors] = [makeListeners(logger), makeListeners(logger), makeListeners(logger)];
  /** @type {Map<string, T.Room>} */
  const rooms = new Map();
  const timers = new Set();

  /** @type {T.Later} */
  const later = (ms, run) => void timers.add(clock.setTimeout(run, ms));

  const report = (/** @type {Error} */ error) => {
    logger.warn("sessionstore:", error);
    errors.emit(error);
  };

  const warn = (/** @type {Event} */ event) => {
    if (queue.size()) event.preventDefault();
  };

  /** @type {T.LeaveStrays} */
  const leaveStrays = (kept) => {
    for (const room of kept) if (!rooms.has(room)) link.ask("room.leave", { room }).catch(report);
  };

  const link = makeLink(settings, {
    positions: () => Object.fromEntries([...rooms].map(([name, room]) => [name, room.position()])),
    opened(result, first) {
      const { session_id: id, principal, roles, permissions, properties, limits, resumed } = result;
      Object.assign(session, { id, principal, roles, permissions, properties, limits, resumed });
      const kept = new Set(result.rooms.map(({ room }) => room));
      for (const room of rooms.values()) room.reenter(kept.has(room.name));
      queue.reopen(resumed);
      // A reloaded page has as long to join again as the server would have waited for it.
      if (first) later(result.reconnect_seconds * 1000, () => leaveStrays(kept));
      else leaveStrays(kept);
      opening.resolve(session);
    },
    notified: (method, params) => rooms.get(params?.room)?.notified(method, params),
    changed: states.emit,
    ended(error) {
      timers.forEach((timer) => clock.clearTimeout(timer));
      page?.removeEventListener("beforeunload", warn);
      queue.abandon(null, error);
      for (const room of [...rooms.values()]) room.depart(error);
      opening.reject(error);
    },
  });
  const queue = makeQueue(link, settings.queue !== false, report);

  /** @type {T.RoomContext} */
  const context = {
    link,
    queue,
    logger,
    report,
    entered(room, first) {
      if (first) available.emit(room);
      queue.pump();
    },
    forget(room, error) {
      if (rooms.get(room.name) === room) rooms.delete(room.name);
      queue.abandon(room, error);
    },
  };

  /** @type {Partial<T.Session>} */
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
    onState: (listener) => states.add(listener, link.state, link.detail),
    onSessionStoreAvailable(listener) {
      for (const room of rooms.values()) if (room.joined) guarded(logger, listener, room);
      return available.add(listener);
    },
    onError: errors.add,
    async join(name, { observe = [] } = {}) {
      if (link.state === "closed") throw errorFor("DISCONNECTED", link.detail);
      const room = rooms.get(name) ?? makeRoom(name, context);
      room.store.hold(observe);
      if (!rooms.has(name)) room.reenter(false);
      rooms.set(name, room);
      await room.entered;
      await room.store.arm();
      return room;
    },
    async close() {
      if (link.state === "open") {
        const patience = new Promise((resolve) => later(GOODBYE_MS, () => resolve(null)));
        await Promise.race([link.request("session.close", {}).catch(() => {}), patience]);
      }
      link.end({ reason: "CLOSED_BY_CLIENT" });
    },
  };

  if (connectTimeoutMs) later(connectTimeoutMs, () => link.opened || link.end({ reason: "CONNECT_TIMEOUT" }));
  if (settings.warnUnsaved) page?.addEventListener("beforeunload", warn);
  link.dial();
  return opening.promise;
};
