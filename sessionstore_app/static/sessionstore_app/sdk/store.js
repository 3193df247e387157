/** A room store. */

import { assertWithin } from "./bytes.js";
import { makeObserved } from "./observed.js";

/** @import * as T from "./internal.js" */

/** @type {T.MakeStore} */
export const makeStore = (room, { link, queue, logger, report }) => {
  const observed = makeObserved(logger, link);
  /** @type {Promise<void>?} */
  let arming = null;

  /** @type {T.StoreWrite} */
  const write = (method, params, repeatable = true, replaces) => {
    try {
      return queue.add({ room, method, params: { room: room.present(), ...params() }, repeatable, replaces });
    } catch (error) {
      return Promise.reject(error);
    }
  };

  /** @type {T.Written} */
  const written = ({ key, value = null, ifVersion: if_version, ttlSeconds: ttl_seconds, lifetime, lock }) => {
    const text = JSON.stringify(value);
    if (value !== null && (text ?? "null") === "null") throw new TypeError("not a JSON value");
    assertWithin("VALUE_TOO_LARGE", text, link.opened.limits.value_bytes);
    return { key, value: JSON.parse(text), if_version, ttl_seconds, lifetime, lock };
  };

  const missing = () => observed.wanted().filter((pattern) => !observed.armed.has(pattern));

  const observe = async (/** @type {string[]} */ keys) => {
    try {
      await room.ask("room.observe", { keys }, ({ epoch, version, entries }) =>
        epoch === room.epoch ? store.adopt(entries, keys, version) : room.resync(),
      );
    } catch (/** @type {any} */ error) {
      if (error.reason === "DISCONNECTED" || room.left) throw error;
      if (keys.length > 1) for (const key of keys) await observe([key]);
      else {
        observed.refuse(keys[0]);
        report(error);
      }
    }
  };

  const armAll = async () => {
    await null;
    try {
      observed.greet();
      while (room.joined && link.state === "open") {
        const keys = [...observed.armed].filter((pattern) => !observed.wanted().includes(pattern));
        observed.disarm(keys);
        if (keys.length) await room.ask("room.unobserve", { keys });
        else if (missing().length) await observe(missing());
        else break;
      }
    } catch (error) {
      logger.debug("sessionstore:", error);
    } finally {
      arming = null;
    }
  };

  /** @type {T.Store} */
  const store = {
    set: (key, value, options = {}) =>
      write(
        "room.set",
        () => written({ ...options, key, value }),
        true,
        "ifVersion" in options || "lock" in options ? undefined : key,
      ),
    delete: (key, { ifVersion } = {}) => write("room.delete", () => ({ key, if_version: ifVersion })),
    update: (key, update) =>
      write(
        "room.update",
        () => JSON.parse(JSON.stringify({ key, ...update })),
        update.do === "append" ? !!update.unique : update.do !== "increment",
      ),
    write: (ops) => write("room.write", () => ({ ops: ops.map(written) })),
    get: (key) => room.ask("room.get", { key }, ({ value }) => value),
    getEntry: (key) => room.ask("room.get", { key }),
    snapshot: (patterns) => room.ask("room.snapshot", { keys: patterns && [patterns].flat() }),
    observe(patterns, listener) {
      room.present();
      const stop = observed.observe(patterns, listener);
      store.arm();
      return () => {
        stop();
        store.arm();
      };
    },
    value: observed.value,

    patterns: observed.wanted,
    complete: () => !missing().length,
    hold(patterns) {
      const more = patterns.filter((pattern) => !observed.wanted().includes(pattern));
      if (more.length) observed.observe(more, () => {});
    },
    adopt: observed.adopt,
    written(result, epoch) {
      if (epoch === room.epoch) store.adopt(result.entries ?? [result], [], -1);
      return result;
    },
    disarm: () => observed.armed.clear(),
    clear: observed.clear,
    arm: () => (arming ??= armAll()),
  };
  return store;
};
