/** A clock, sockets and a page that a test drives by hand. Nothing here decides what a server would do. */

import { connect } from "../../sessionstore_app/static/sessionstore_app/sdk/index.js";

/** Lets everything that is already decided happen; no time passes. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));

class FakeClock {
  #now = 0;
  #lastId = 0;
  #timers = new Map();

  now = () => this.#now;

  setTimeout = (run, ms) => {
    this.#timers.set(++this.#lastId, { run, at: this.#now + ms });
    return this.#lastId;
  };

  clearTimeout = (id) => void this.#timers.delete(id);

  get pending() {
    return this.#timers.size;
  }

  async advance(ms) {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.#now = due[1].at;
      due[1].run();
      await settle();
    }
    this.#now = end;
  }
}

class FakeSocket {
  sent = [];
  answered = new Set();
  closedWith = null;
  onopen = null;
  onmessage = null;
  onclose = null;

  constructor(url) {
    this.url = url;
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close(code) {
    this.closedWith = code;
  }

  /** What was asked with this method, oldest first. */
  calls(method) {
    return this.sent.filter((message) => message.method === method);
  }

  last(method) {
    return this.calls(method).at(-1);
  }

  async receive(frame) {
    this.onmessage?.({ data: typeof frame === "string" ? frame : JSON.stringify(frame) });
    await settle();
  }

  notify(method, params) {
    return this.receive({ jsonrpc: "2.0", method, params });
  }

  reply(call, result) {
    this.answered.add(call.id);
    return this.receive({ jsonrpc: "2.0", id: call.id, result });
  }

  refuse(call, reason, data = {}, code = -32000) {
    this.answered.add(call.id);
    return this.receive({ jsonrpc: "2.0", id: call.id, error: { code, message: reason, data: { reason, ...data } } });
  }

  async drop(code = 1006) {
    this.onclose?.({ code });
    await settle();
  }
}

export class FakeStorage extends Map {
  getItem = (key) => this.get(key) ?? null;
  setItem = (key, value) => void this.set(key, value);
  removeItem = (key) => void this.delete(key);
}

/** A listener that must not be called. What listeners throw is caught, so this fails outside of them. */
export const never = (message) => () =>
  queueMicrotask(() => {
    throw new Error(message);
  });

/** What a promise came to: its value, or the reason of its error. */
export const outcome = (promise) => promise.catch(({ reason }) => reason);

/** The same numbers for the same seed. */
export function seeded(seed) {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

export const ME = "session-1";

export const opened = (changes = {}) => ({
  session_id: ME,
  resume_token: "token-1",
  resumed: false,
  principal: "ada",
  roles: [],
  permissions: [],
  properties: {},
  heartbeat_seconds: 10,
  reconnect_seconds: 30,
  limits: { value_bytes: 1024, keys: 100, store_bytes: 65536, frame_bytes: 65536 },
  rooms: [],
  protocol: 1,
  ...changes,
});

export const entry = (key, value, version, session = "session-2") => ({
  key,
  value,
  version,
  by: { session_id: session, principal: session },
  at: "2030-01-01T00:00:00Z",
});

export const peer = (session_id, joined_at = "2030-01-01T00:00:00Z") => ({
  session_id,
  principal: session_id,
  roles: [],
  properties: {},
  state: "ACTIVE",
  joined_at,
});

export const joined = (changes = {}) => ({
  room: "standup",
  epoch: "e1",
  version: 0,
  roles: [],
  peers: [peer(ME)],
  count: 1,
  entries: [],
  ...changes,
});

export class World {
  clock = new FakeClock();
  sockets = [];
  log = [];
  page = new EventTarget();
  storage = new FakeStorage();

  get socket() {
    return this.sockets.at(-1);
  }

  options(changes) {
    const { clock, sockets, log, page, storage } = this;
    const write =
      (level) =>
      (...words) =>
        log.push([level, ...words]);
    return {
      url: "ws://example.test/ws/sessionstore/",
      WebSocket: class extends FakeSocket {
        constructor(url) {
          super(url);
          sockets.push(this);
        }
      },
      logger: { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") },
      random: () => 0.5,
      clock,
      page,
      storage,
      ...changes,
    };
  }

  /** Starts to connect; the promise is the test's to await. */
  dial(options = {}) {
    const connecting = connect(this.options(options));
    connecting.catch(() => {});
    return connecting;
  }

  /** The newest socket is accepted, and its session.open answered. */
  async accept(changes = {}) {
    this.socket.onopen({});
    await settle();
    await this.socket.reply(this.socket.last("session.open"), opened(changes));
  }

  /** The oldest call of this method that is not answered. Parts of the SDK that are loaded first take many turns. */
  async asked(method) {
    for (let turns = 0; turns < 100_000; turns++) {
      const call = this.socket.calls(method).find(({ id }) => !this.socket.answered.has(id));
      if (call) return call;
      await settle();
    }
    throw new Error(`${method} was not asked`);
  }

  /** Answers that call. @returns its params */
  async answer(method, result) {
    const call = await this.asked(method);
    await this.socket.reply(call, result);
    return call.params;
  }

  async connect(options = {}, changes = {}) {
    const connecting = this.dial(options);
    await settle();
    await this.accept(changes);
    return connecting;
  }

  async join(session, changes = {}, options = {}) {
    const joining = session.join("standup", options);
    await settle();
    await this.socket.reply(this.socket.last("room.join"), joined(changes));
    return joining;
  }

  /** Lets time pass until the next attempt. @returns how long it took, in ms */
  async redial() {
    const [dialled, since] = [this.sockets.length, this.clock.now()];
    while (this.sockets.length === dialled) {
      if (this.clock.now() - since > 60_000) throw new Error("nobody dials");
      await this.clock.advance(50);
    }
    return this.clock.now() - since;
  }

  /** The connection breaks, and a new one is accepted. */
  async reconnect(changes = {}, code = 1006) {
    await this.socket.drop(code);
    await this.redial();
    const rooms = [{ room: "standup", epoch: "e1", version: 0 }];
    await this.accept({ resumed: true, resume_token: "token-2", rooms, ...changes });
  }
}

/** Collects what observers of entries are told: [key, value, initial, own]. */
export function collector() {
  const told = [];
  const listen = ({ key, value }, { initial, own }) => told.push([key, value, initial, own]);
  return [told, listen];
}

export const gone = (key, version = 0) => ({ key, value: null, version, by: null, at: null });

export const changed = (changes, version = changes.at(-1).version, epoch = "e1") => ({
  room: "standup",
  epoch,
  version,
  changes,
});

/** A session in a room, with `observe` armed and these entries held. */
export async function observing(observe = [], entries = [], version = 10) {
  const world = new World();
  const session = await world.connect();
  const room = await world.join(session, { version, entries }, { observe });
  return { world, session, room, change: (...changes) => world.socket.notify("room.changed", changed(changes)) };
}
