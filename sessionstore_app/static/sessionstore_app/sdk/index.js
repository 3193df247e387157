/** `connect()` and the errors. */

import { openSession } from "./session.js";

export * from "./errors.js";
export { quote } from "./properties.js";
export { CLOSE_REASONS } from "./closing.js";

/** @import * as T from "./internal.js" */

/** @type {T.Connect} */
export const connect = async (options = {}) => {
  const { WebSocket = globalThis.WebSocket } = options;
  if (!WebSocket) throw new TypeError("no WebSocket here: pass options.WebSocket");
  const address = new URL(options.url ?? "/ws/sessionstore/", globalThis.location?.href);
  address.protocol = address.protocol.replace("http", "ws");
  return openSession({
    page: "addEventListener" in globalThis ? globalThis : null,
    clock: {
      now: () => performance.now(),
      setTimeout: (run, ms) => setTimeout(run, ms),
      clearTimeout: (timer) => clearTimeout(timer),
    },
    random: Math.random,
    logger: console,
    client: { name: "sessionstore-js", version: "0.1.0" },
    ...options,
    WebSocket,
    url: address.href,
  });
};
