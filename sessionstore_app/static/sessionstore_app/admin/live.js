/**
 * The admin's own socket: opens a session, asks and hears, and comes back by itself. What the page wants to know it asks
 * for each time it is opened, for nothing is remembered across a reconnect.
 */

const ACK_BYTES = 65536;
const LONGEST_PAUSE_MS = 15000;
// The server speaks at least so often; after a longer silence the connection is dead.
const SILENCE_MS = 30000;
// Closed for good: by somebody, or because this may not be.
const FINAL = new Set([4005, 4007, 4008, 4009, 4010, 4011, 4012, 4013, 4014, 4015]);
const encoder = new TextEncoder();

/** A refusal of the server: its `reason` says why. */
export class Refused extends Error {
  constructor({ message, data }) {
    super(message);
    this.reason = data?.reason ?? "INTERNAL_ERROR";
  }
}

/**
 * `opened(call)` is called each time the session is open, `notified(method, params)` with all that is told, and
 * `changed(state)` with connecting, live, offline or closed.
 */
export const live = ({ path, WebSocket = globalThis.WebSocket, opened, notified, changed }) => {
  const address = new URL(path, globalThis.location.href);
  address.protocol = address.protocol.replace("http", "ws");
  let socket = null;
  let failures = 0;
  let received = 0;
  let acknowledged = 0;
  let lastId = 0;
  let silence = 0;
  const calls = new Map();

  const send = (message) => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ jsonrpc: "2.0", ...message }));
  };

  const call = (method, params = {}) =>
    new Promise((resolve, reject) => {
      calls.set(++lastId, { resolve, reject });
      send({ id: lastId, method, params });
    });

  const acknowledge = () => {
    acknowledged = received;
    send({ method: "session.ack", params: { bytes: received } });
  };

  const take = ({ id, method, params, result, error }) => {
    if (method === "session.heartbeat") acknowledge();
    else if (method) notified(method, params);
    else if (error) calls.get(id)?.reject(new Refused(error));
    else calls.get(id)?.resolve(result);
    calls.delete(id);
  };

  const listen = () => {
    clearTimeout(silence);
    silence = setTimeout(() => socket?.close(), SILENCE_MS);
  };

  const closed = ({ code }) => {
    clearTimeout(silence);
    for (const { reject } of calls.values()) reject(new Refused({ message: "lost", data: { reason: "LOST" } }));
    calls.clear();
    socket = null;
    if (FINAL.has(code)) return changed("closed");
    changed("offline");
    setTimeout(dial, Math.min(LONGEST_PAUSE_MS, 500 * 2 ** failures++) * (0.5 + Math.random() / 2));
  };

  const dial = () => {
    received = acknowledged = 0;
    socket = new WebSocket(address.href);
    socket.onclose = closed;
    socket.onmessage = ({ data }) => {
      received += encoder.encode(data).length;
      listen();
      for (const message of [JSON.parse(data)].flat()) take(message);
      if (received - acknowledged > ACK_BYTES) acknowledge();
    };
    socket.onopen = () =>
      call("session.open", { client: { name: "sessionstore-admin" } }).then(
        () => {
          failures = 0;
          changed("live");
          opened(call);
        },
        () => socket?.close(),
      );
    listen();
  };

  // A page that is left must not wait for its return.
  addEventListener("pagehide", () => send({ id: ++lastId, method: "session.close", params: {} }));
  addEventListener("pageshow", (event) => {
    if (event.persisted) socket?.close();
  });
  changed("connecting");
  dial();
};
