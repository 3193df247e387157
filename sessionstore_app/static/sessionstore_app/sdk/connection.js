/** One WebSocket. */

import { utf8Bytes } from "./bytes.js";
import { CLOSE_REASONS } from "./closing.js";
import { errorFor } from "./errors.js";

/** @import * as T from "./internal.js" */

const ACK_BYTES = 65536;
const OPEN_MS = 10000;
const PROBE_MS = 5000;
const MISSED_HEARTBEATS = 2.5;

/** @type {T.MakeConnection} */
export const makeConnection = ({ url, WebSocket, clock, logger }, owner) => {
  const socket = new WebSocket(url);
  const calls = new Map();
  let lastId = 0;
  let bytes = 0;
  let ackedBytes = 0;
  let silenceMs = OPEN_MS;
  let watch = 0;
  let probe = 0;

  const send = (message = {}) => socket.send(JSON.stringify({ jsonrpc: "2.0", ...message }));

  const lost = (code = 1006) => {
    const reason = CLOSE_REASONS.get(code) ?? "CONNECTION_LOST";
    connection.close(reason);
    owner.disconnected(code, reason);
  };

  const rewatch = () => {
    clock.clearTimeout(watch);
    watch = clock.setTimeout(lost, silenceMs);
  };

  const ack = () => {
    ackedBytes = bytes;
    send({ method: "session.ack", params: { bytes } });
  };

  const settle = (/** @type {any} */ { id, result, error }) => {
    const call = calls.get(id);
    if (!call) return;
    connection.latencyMs = clock.now() - call.at;
    if (error) {
      const { code, message, data = {} } = error;
      call.reject(errorFor(data.reason ?? message, { ...data, code, retryAfterSeconds: data.retry_after_seconds }));
    } else call.resolve(call.accept(result));
    calls.delete(id);
  };

  const dispatch = (/** @type {any} */ message) => {
    if (message.method === "session.heartbeat") {
      rewatch();
      ack();
      owner.heard();
    } else if (message.method) owner.notified(message.method, message.params);
    else settle(message);
  };

  /** @type {T.Connection} */
  const connection = {
    latencyMs: null,
    request: (method, params, accept = (result) => result) =>
      new Promise((resolve, reject) => {
        calls.set(++lastId, { resolve, reject, accept, at: clock.now() });
        send({ id: lastId, method, params });
      }),
    expectHeartbeat(seconds) {
      silenceMs = seconds * 1000 * MISSED_HEARTBEATS;
      rewatch();
    },
    probe() {
      probe ||= clock.setTimeout(lost, PROBE_MS);
      connection.request("session.ping", {}).catch(() => {});
    },
    close(reason) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(1000);
      clock.clearTimeout(watch);
      clock.clearTimeout(probe);
      for (const { reject } of calls.values()) reject(errorFor("DISCONNECTED", { hint: reason }));
      calls.clear();
    },
  };

  socket.onopen = () => owner.connected(connection);
  socket.onclose = ({ code }) => lost(code);
  socket.onmessage = ({ data }) => {
    bytes += utf8Bytes(data);
    clock.clearTimeout(probe);
    probe = 0;
    try {
      for (const message of [JSON.parse(data)].flat()) dispatch(message);
      if (bytes - ackedBytes >= ACK_BYTES) ack();
    } catch (error) {
      logger.error("sessionstore: an unreadable frame", error);
      lost();
    }
  };
  rewatch();
  return connection;
};
