/** Locks that this session holds or waits for. */

import { errorFor } from "./errors.js";
import { deferred } from "./queue.js";

/** @import * as T from "./internal.js" */

/** @type {typeof Symbol.asyncDispose} */
const DISPOSE = Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose");

/** @type {T.MakeLocks} */
const makeLocks = ({ link, listeners, clock }) => {
  /** @type {Map<string, T.Lock>} */
  const held = new Map();
  /** @type {Map<string, T.Returned>} */
  const returned = new Map();
  let reopening = deferred();
  let opened = link.opened;

  /** @type {T.Lose} */
  const lose = (lock, reason = "LOCK_NOT_HELD") => {
    if (held.get(lock.name) !== lock) return;
    held.delete(lock.name);
    lock.held = false;
    lock.lose({ reason });
  };

  listeners.on("lock.lost", ({ name, sequence }) => {
    const lock = held.get(name);
    if (lock && lock.sequence === sequence) lose(lock);
  });

  listeners.on("state", (state, detail) => {
    if (state === "open" && opened === link.opened) return;
    opened = link.opened;
    const { reason = "CONNECTION_LOST" } = detail;
    const kept = state === "open" ? opened.resumed : state !== "closed";
    for (const lock of [...held.values()]) {
      if (!kept || (state !== "open" && lock.scope === "connection")) lose(lock, reason);
      else if (state === "open") verify(lock);
    }
    if (state === "open") reopening.resolve(null);
    if (state === "closed") reopening.reject(errorFor(reason, detail));
    reopening.promise.catch(() => {});
    if (state !== "reconnecting") reopening = deferred();
  });

  const reopened = async () => {
    if (link.state === "closed") throw errorFor(link.detail.reason ?? "", link.detail);
    if (link.state !== "open") await reopening.promise;
  };

  /** @type {T.Insist} */
  const insist = async (method, params, accept) => {
    for (;;) {
      try {
        return await link.ask(method, params(), accept);
      } catch (/** @type {any} */ error) {
        if (error.reason !== "DISCONNECTED") throw error;
        await reopened();
      }
    }
  };

  /** @type {T.GiveBack} */
  const giveBack = async (lock) => {
    const { name, sequence } = lock;
    if (held.get(name) !== lock) return false;
    held.delete(name);
    lock.held = false;
    const releasing = insist(
      "lock.release",
      () => ({ name }),
      ({ released }) => released,
    );
    returned.set(name, { sequence, done: releasing.catch(() => {}) });
    try {
      return await releasing;
    } catch (error) {
      returned.delete(name);
      if (link.state === "closed") return false; // it went with the session
      throw error;
    }
  };

  /** @type {T.Granted} */
  const take = (name, sequence, scope) => {
    // Asked before it was given back, answered after: it is ours no longer.
    if (sequence <= (returned.get(name)?.sequence ?? -1)) return null;
    const present = held.get(name);
    if (present && present.sequence !== sequence) lose(present);
    else if (present) {
      if (scope === "connection") present.scope = scope;
      return present;
    }
    const { promise, resolve } = deferred();
    /** @type {T.Lock} */
    const lock = {
      ...{ name, sequence, scope, held: true, lost: promise, lose: resolve },
      release: () => giveBack(lock),
      [DISPOSE]: async () => void (await giveBack(lock)),
    };
    held.set(name, lock);
    return lock;
  };

  // It may have been taken away meanwhile; asking again tells.
  const verify = async (/** @type {T.Lock} */ lock) => {
    const { name, scope, sequence: known } = lock;
    try {
      await link.ask("lock.acquire", { name, scope, timeout_seconds: 0 }, ({ sequence }) => {
        if (sequence !== known && held.get(name) === lock) giveBack(take(name, sequence, scope)).catch(() => {});
      });
    } catch (/** @type {any} */ error) {
      if (error.reason === "LOCK_TIMEOUT") lose(lock);
    }
  };

  return {
    async acquire(name, { scope = "session", timeoutSeconds } = {}) {
      const since = clock.now();
      const left = () => timeoutSeconds && Math.max(0, timeoutSeconds - (clock.now() - since) / 1000);
      for (;;) {
        await returned.get(name)?.done;
        const lock = await insist(
          "lock.acquire",
          () => ({ name, scope, timeout_seconds: left() }),
          ({ sequence }) => take(name, sequence, scope),
        );
        if (lock) return lock;
      }
    },
    release(name, { force } = {}) {
      const lock = held.get(name);
      if (lock && !force) return giveBack(lock);
      return link.ask("lock.release", { name, force }, ({ released }) => {
        if (released && lock) lose(lock);
        return released;
      });
    },
    get: (name) => link.ask("lock.get", { name }),
    list: () => link.ask("lock.list", {}, ({ locks }) => locks),
  };
};

/** @type {T.PartOf<"locks">} */
export const partOf = (context) => (context.locks ??= makeLocks(context));
