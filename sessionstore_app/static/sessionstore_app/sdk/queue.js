/** Writes that wait. */

import { errorFor } from "./errors.js";

/** @import * as T from "./internal.js" */

/** @type {T.MakeQueue} */
export const makeQueue = (link, keep, report) => {
  /** @type {T.Write[]} */
  let writes = [];
  let busy = false;

  /** @type {T.Remove} */
  const remove = (write, error) => {
    writes = writes.filter((other) => other !== write);
    if (!error) return;
    write.reject(error);
    if (write.late) report(error);
  };

  const delay = (/** @type {T.Write} */ write) => {
    write.late = true;
    write.promise.catch(() => {});
  };

  /** @type {T.Queue} */
  const queue = {
    size: () => writes.length,
    add(request) {
      const offline = link.state !== "open";
      if (link.state === "closed" || (offline && !keep)) throw errorFor("DISCONNECTED", { hint: link.detail.reason });
      const last = writes.at(-1);
      if (request.replaces && last?.replaces === request.replaces && last.room === request.room && !last.sent) {
        last.params = request.params;
        return last.promise;
      }
      const write = { ...request, ...deferred(), op: link.nextOp() };
      if (offline) delay(write);
      writes.push(write);
      queue.pump();
      return write.promise;
    },
    async pump() {
      const write = writes[0];
      if (busy || !write?.room.joined || link.state !== "open") return;
      busy = write.sent = true;
      const { room, method, params, op } = write;
      const { epoch } = room;
      try {
        write.resolve(await link.ask(method, { ...params, op }, (result) => room.store.written(result, epoch)));
        remove(write);
      } catch (/** @type {any} */ error) {
        busy = false;
        if (error.reason !== "DISCONNECTED") remove(write, error);
        else if (room.left || !keep) queue.abandon(keep && room, error);
        else writes.forEach(delay);
      }
      busy = false;
      queue.pump();
    },
    reopen(resumed) {
      for (const write of resumed ? [] : writes)
        if (write.sent && !write.repeatable) remove(write, errorFor("OUTCOME_UNKNOWN"));
      queue.pump();
    },
    abandon(room, error) {
      for (const write of writes)
        if (!room || (write.room === room && (!busy || !write.sent)))
          remove(write, write.sent ? errorFor("OUTCOME_UNKNOWN", { hint: error.message }) : error);
      queue.pump();
    },
  };
  return queue;
};

/** @type {T.MakeDeferred} */
export const deferred = () => {
  /** @type {any} */
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};
