/** Listeners of session events, over many connections. */

import { errorFor } from "./errors.js";
import { guarded } from "./listeners.js";
import { makeSightings } from "./sightings.js";

/** @import * as T from "./internal.js" */

/** @type {T.MakeListen} */
export const makeListen = ({ link, listeners, logger, report }) => {
  /** @type {Set<T.Ear>} */
  const ears = new Set();
  /** @type {Map<unknown, T.Ear>} */
  const registered = new Map();
  /** @type {(() => void)[]} */
  let early = [];
  let asked = 0;
  let opened = link.opened;

  /** @type {T.Deafen} */
  const close = (ear, error, otherwise) => {
    ears.delete(ear);
    registered.delete(ear.id);
    const { onClosed = otherwise, signal } = ear;
    if (onClosed && !signal.aborted) guarded(logger, onClosed, error);
  };

  const unlisten = (/** @type {unknown} */ listener_id) => {
    link.ask("session.unlisten", { listener_id }).catch((error) => logger.debug("sessionstore:", error));
  };

  const register = async (/** @type {T.Ear} */ ear) => {
    asked++;
    try {
      await link.ask("session.listen", ear.sightings.ask(), ({ listener_id }) => {
        if (ear.signal.aborted) return unlisten(listener_id);
        ear.id = listener_id;
        registered.set(listener_id, ear);
        for (const again of early.splice(0)) again();
      });
    } catch (/** @type {any} */ error) {
      if (error.reason !== "DISCONNECTED") close(ear, error, report);
    }
    asked--;
    if (!asked) early = [];
  };

  /** @type {T.OnNotified} */
  const on = (method, act) => {
    const heard = (/** @type {any} */ params) => {
      const ear = registered.get(params.listener_id);
      if (ear) act(ear, params);
      else if (asked) early.push(() => heard(params));
    };
    listeners.on(method, heard);
  };
  on("session.event", (ear, { listener_id, ...event }) => ear.sightings.see(event));
  on("session.listening", (ear, { count }) => {
    ear.sightings.settle();
    const { onReady, signal } = ear;
    ear.onReady = undefined;
    if (onReady && !signal.aborted) guarded(logger, onReady, count);
  });
  on("session.listener_closed", (ear, { reason }) => close(ear, errorFor(reason), report));

  listeners.on("state", (state, detail) => {
    if (state === "open" && opened === link.opened) return;
    opened = link.opened;
    registered.clear();
    early = [];
    for (const { sightings } of ears) sightings.lose();
    if (state === "open") for (const ear of ears) register(ear);
    if (state === "closed") for (const ear of ears) close(ear, errorFor(detail.reason ?? "", detail));
  });

  return (signal, query, listener, { onReady, onClosed } = {}) => {
    const tell = (/** @type {any} */ event) => signal.aborted || guarded(logger, listener, event);
    /** @type {T.Ear} */
    const ear = { id: null, signal, onReady, onClosed, sightings: makeSightings({ ...query }, tell) };
    if (link.state === "closed") return close(ear, errorFor("DISCONNECTED", { hint: link.detail.reason }), report);
    if (signal.aborted) return;
    ears.add(ear);
    signal.addEventListener("abort", () => {
      ears.delete(ear);
      if (registered.delete(ear.id)) unlisten(ear.id);
    });
    if (link.state === "open") register(ear);
  };
};
