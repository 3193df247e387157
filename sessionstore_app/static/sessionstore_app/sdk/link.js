/** A session over many connections. */

import { assertWithin } from "./bytes.js";
import { RECONNECTED_AFTER } from "./closing.js";
import { makeConnection } from "./connection.js";
import { errorFor } from "./errors.js";
import { backoff, makeRetryTimer } from "./timer.js";

/** @import * as T from "./internal.js" */

const MOST_TRIES = 8;
const ENVELOPE_BYTES = 128;
const TRANSIENT = ["UNAVAILABLE", "RATE_LIMITED"];

/** @type {T.MakeLink} */
export const makeLink = (settings, owner) => {
  const { clock, random, logger, page, token } = settings;
  const ticketKey = `sessionstore:${settings.url}`;
  const unload = new AbortController();
  const pauses = new Set();
  /** @type {T.Connection?} */
  let connection = null;

  /** @returns {any} */
  const storage = () => (settings.storage === undefined ? globalThis.sessionStorage : settings.storage);
  const leaveTicket = () => {
    try {
      if (ticket.token) storage().setItem(ticketKey, JSON.stringify(ticket));
    } catch {}
  };
  const takeTicket = () => {
    try {
      const text = storage().getItem(ticketKey);
      storage().removeItem(ticketKey);
      return JSON.parse(text);
    } catch {}
  };
  /** @type {T.Ticket} */
  let ticket = takeTicket() ?? { op: 0 };

  /** @type {T.LinkOwner["changed"]} */
  const change = (state, detail) => {
    Object.assign(link, { state, detail });
    owner.changed(state, detail);
  };

  const hangUp = (reason = "") => {
    connection?.close(reason);
    connection = null;
    for (const pause of pauses) pause.hurry();
  };

  /** @type {T.Retry} */
  const retry = (detail, atLeastSeconds) => {
    hangUp(detail.reason);
    const retryInMs = redial.start(atLeastSeconds);
    change(link.opened ? "reconnecting" : "connecting", { ...detail, retryInMs });
  };

  const accept = (/** @type {T.Opened} */ result) => {
    const first = !link.opened;
    link.opened = result;
    ticket = { id: result.session_id, token: result.resume_token, op: ticket.op };
    if (!page) leaveTicket();
    connection?.expectHeartbeat(result.heartbeat_seconds);
    link.state = "open";
    owner.opened(result, first);
    change("open", {});
  };

  /** @type {T.Open} */
  const open = async (dialled, bearer) => {
    const { properties, client } = settings;
    const resume = ticket.token && { session_id: ticket.id, resume_token: ticket.token, rooms: owner.positions() };
    const params = { token: bearer, resume, properties, client, heartbeat: true, batch: true };
    try {
      await dialled.request("session.open", params, accept);
    } catch (/** @type {any} */ error) {
      const { reason, code, retryAfterSeconds } = error;
      if (dialled !== connection) return;
      if ([...TRANSIENT, "INTERNAL_ERROR"].includes(reason)) retry({ reason, code }, retryAfterSeconds);
      else link.end({ reason, code }, error);
    }
  };

  const dial = async () => {
    try {
      const bearer = typeof token === "function" ? await token() : token;
      if (link.state === "closed") return;
      connection = makeConnection(settings, {
        connected: (dialled) => open(dialled, bearer),
        notified: owner.notified,
        heard: redial.reset,
        disconnected: (code, reason) => (RECONNECTED_AFTER.includes(code) ? retry : link.end)({ code, reason }),
      });
    } catch (error) {
      logger.warn("sessionstore: cannot dial", error);
      if (link.state !== "closed") retry({ reason: "DIAL_FAILED" });
    }
  };

  const redial = makeRetryTimer(clock, backoff(random, 3000, 10000), dial);

  /** @type {T.Link} */
  const link = {
    state: "connecting",
    detail: {},
    /** @type {any} */
    opened: null,
    dial,
    on: (type, listener) => page?.addEventListener(type, listener, { signal: unload.signal }),
    latencyMs: () => connection?.latencyMs ?? null,
    nextOp() {
      ticket.op++;
      if (!page) leaveTicket();
      return ticket.op;
    },
    async request(method, params, accepted) {
      if (!connection || link.state !== "open") throw errorFor("DISCONNECTED", { hint: link.detail.reason });
      assertWithin("LIMIT_EXCEEDED", JSON.stringify(params), link.opened.limits.frame_bytes - ENVELOPE_BYTES);
      return connection.request(method, params, accepted);
    },
    async ask(method, params, accepted) {
      let wake = () => {};
      const timer = makeRetryTimer(clock, backoff(random, 500, 10000), () => wake());
      for (let tries = 0; ; tries++) {
        try {
          const result = await link.request(method, params, accepted);
          degrade();
          return result;
        } catch (/** @type {any} */ error) {
          degrade(error.reason === "UNAVAILABLE");
          if (!TRANSIENT.includes(error.reason) || tries >= MOST_TRIES) throw error;
          timer.start(error.retryAfterSeconds);
          pauses.add(timer);
          await new Promise((resolve) => (wake = () => resolve(pauses.delete(timer))));
        }
      }
    },
    end(detail, error) {
      if (link.state === "closed") return;
      unload.abort();
      redial.stop();
      takeTicket();
      hangUp(detail.reason);
      change("closed", detail);
      owner.ended(error ?? errorFor(detail.reason ?? "", detail));
    },
  };

  const degrade = (degraded = false) => {
    if (link.state === "open" && degraded !== !!link.detail.degraded) change("open", { degraded });
  };

  const verify = () => {
    if (link.state === "open") connection?.probe();
    redial.hurry();
  };
  link.on("online", verify);
  link.on("offline", verify);
  link.on("pagehide", leaveTicket);
  link.on("pageshow", takeTicket);
  return link;
};
