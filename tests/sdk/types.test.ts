/** Pins the public types: compiled, never run. A line that must not compile says so. */

import {
  connect,
  quote,
  AccessDenied,
  SessionStoreError,
  VersionConflict,
  type Entry,
  type FilterFault,
  type LockInfo,
  type ObserveInfo,
  type Peer,
  type PropertiesSet,
  type RefusingRule,
  type Room,
  type Session,
  type SessionEvent,
  type SessionsPage,
  type Stop,
} from "../../sessionstore_app/static/sessionstore_app/sdk/index.js";

interface Pin {
  id: string;
  text: string;
}

interface Meeting {
  pinned: Pin[];
  spotlight: string;
  [hand: `hand/${string}`]: number;
}

/** Fails to compile where the types differ. */
function same<Type>() {
  return <Other>(_: Other, ...proof: [Type] extends [Other] ? ([Other] extends [Type] ? [] : [never]) : [never]) =>
    proof;
}

export async function typedKeys() {
  const session = await connect<Meeting>({ token: async () => "secret", storage: null, queue: false });
  same<Session<Meeting>>()(session);
  const room = await session.join("standup", { observe: ["hand/*", "pinned"] });

  same<Pin[] | null>()(await room.store.get("pinned"));
  same<number | null>()(await room.store.get("hand/me"));
  same<string | null | undefined>()(room.store.value("spotlight"));
  same<Entry<Pin[]>>()(await room.store.set("pinned", [{ id: "1", text: "hello" }], { ifVersion: 3, ttlSeconds: 60 }));
  await room.store.set("spotlight");
  await room.store.delete("spotlight", { ifVersion: 0 });
  await room.store.update("pinned", { do: "append", item: { id: "1" }, cap: 3, unique: "id" });
  await room.store.write([{ key: "spotlight", value: null, lifetime: "session" }]);

  // @ts-expect-error a value of another key's type
  await room.store.set("spotlight", 5);
  // @ts-expect-error no such key
  await room.store.get("pined");
  // @ts-expect-error no such operation
  await room.store.update("pinned", { do: "prepend", item: 1 });
  // @ts-expect-error the present value is read-only
  (await room.store.getEntry("spotlight")).version = 1;
}

export function typedObservers(session: Session<Meeting>): Stop[] {
  return [
    session.onState((state, { retryInMs }) => {
      same<"connecting" | "open" | "reconnecting" | "closed">()(state);
      same<number | undefined>()(retryInMs);
    }),
    session.onError((error) => same<SessionStoreError>()(error)),
    session.onSessionStoreAvailable((room) => {
      room.store.observe("pinned", (entry, { initial, own }) => {
        same<Pin[] | null>()(entry.value);
        same<boolean>()(initial);
        same<boolean>()(own);
      });
      room.store.observe("hand/*", (entry) => same<number | null>()(entry.value));
      room.peers.observe(({ peers, count }) => {
        same<Peer[]>()(peers);
        same<number>()(count);
      });
      room.onMessage<{ text: string }>("chat", ({ data, from }) => {
        same<string>()(data.text);
        same<string | null>()(from.session_id);
      });
      room.onCleared(({ reason, epoch }) => [reason, epoch]);
    }),
  ];
}

export function typedPatterns({ store }: Room<Meeting>) {
  store.observe("spotlight", (entry) => same<Entry<string>>()(entry));
  store.observe("hand/ann", (entry) => same<Entry<number>>()(entry));
  store.observe(["pinned", "spotlight"], ({ value }) => same<Pin[] | string | null>()(value));
  store.observe("*", ({ value }) => same<Pin[] | string | number | null>()(value));
  store.observe("*/ann", ({ value }) => same<Pin[] | string | number | null>()(value));

  // @ts-expect-error no such key
  store.observe("pined", () => {});
  // @ts-expect-error no such key among others that there are
  store.observe(["pinned", "pined"], () => {});
  // @ts-expect-error no such key
  store.value("hands/ann");
  // @ts-expect-error no such key
  void store.write([{ key: "pined", value: null }]);
}

interface Open extends Meeting {
  [other: string]: any;
}

export async function openKeys({ store }: Room<Open>) {
  same<Pin[] | null>()(await store.get("pinned"));
  same<number | null>()(await store.get("hand/ann"));
  await store.set("whatever", { at: 1 });

  // @ts-expect-error a value of another key's type
  await store.set("spotlight", 5);
}

export async function askingBeforehand(room: Room<Meeting>, untyped: Room) {
  same<string | null>()(room.type);
  same<boolean>()(await room.can("write", "hand/ann"));
  same<boolean>()(await room.can("see_peers"));
  same<boolean>()(await untyped.can("read", "anything"));

  // @ts-expect-error which key?
  await room.can("write");
  // @ts-expect-error no such key
  await room.can("read", "pined");
  // @ts-expect-error it takes no key
  await room.can("clear", "pinned");
  // @ts-expect-error no such act
  await untyped.can("delete", "anything");
}

export async function untypedKeysAndErrors() {
  const session = await connect();
  same<Session<Record<string, any>>>()(session);
  const room = await session.join("any");
  room.store.observe("any*", ({ value, reason }, info) => {
    const text: string = value.at[0].text;
    same<string>()(text);
    same<string | undefined>()(reason);
    same<ObserveInfo>()(info);
  });
  try {
    await room.store.set("anything", { at: [1, null, "two"] });
  } catch (error) {
    if (error instanceof AccessDenied) same<RefusingRule | undefined>()(error.rule);
    if (error instanceof VersionConflict) same<Entry | undefined>()(error.current);
    if (error instanceof SessionStoreError) same<number | undefined>()(error.retryAfterSeconds);
  }
}

export async function typedSessions(session: Session) {
  const { sessions } = session;
  same<Readonly<Record<string, string>>>()(session.properties);
  same<Readonly<Record<string, string | null>>>()((await session.setProperties({ mood: "busy", old: null })).changed);
  same<PropertiesSet>()(await sessions.set("s1", { mood: null }));
  same<PropertiesSet>()(await sessions.set({ sessionId: "s1", room: "standup" }, { mood: null }));
  same<number>()(await sessions.set({ filter: "all", room: "standup" }, { mood: "busy" }));
  same<Readonly<Record<string, string>>>()(await sessions.get("s1", ["*F"]));
  same<number>()(await sessions.terminate({ filter: `$Country is ${quote("FR")}` }));
  same<number>()(await sessions.changeRoles("s1", { remove: ["host"] }));
  same<number>()(await sessions.send({ sessionId: "s1" }, "notice", { text: "hello" }));
  same<number>()(await sessions.observeFor({ filter: "all" }, "standup", "agenda"));
  same<SessionsPage>()(await sessions.list({ properties: ["mood"], limit: 10, after: "s1" }));
  same<number>()((await sessions.count({ by: ["mood"] })).people);
  for await (const { state } of sessions.all({ filter: "all" })) same<"ACTIVE" | "DISCONNECTED">()(state);

  // @ts-expect-error nobody is meant
  await sessions.terminate({ room: "standup" });
  // @ts-expect-error either a session or a filter
  await sessions.terminate({ sessionId: "s1", filter: "all" });
  // @ts-expect-error properties are strings
  await session.setProperties({ mood: 5 });
  // @ts-expect-error one page follows another by itself
  sessions.all({ after: "s1" });
}

export function typedListeners({ sessions, onProperties, onMessage }: Session): Stop[] {
  return [
    sessions.listen(
      { filter: "all", room: "standup", properties: ["mood"], after: new Date() },
      (event) => {
        same<SessionEvent>()(event);
        same<string | null>()(event.close_reason);
      },
      {
        onReady: (count) => same<number>()(count),
        onClosed: (error) => same<readonly FilterFault[] | undefined>()(error.errors),
      },
    ),
    onProperties((properties, changed) => [properties.mood, changed.mood]),
    onMessage<string>("notice", ({ data, from }) => {
      same<string>()(data);
      same<string | null | undefined>()(from?.session_id);
    }),
  ];
}

export async function typedLocks({ locks }: Session, room: Room) {
  {
    await using lock = await locks.acquire("slides", { scope: "connection", timeoutSeconds: 5 });
    same<number>()(lock.sequence);
    same<{ reason: string }>()(await lock.lost);
    await room.store.set("slide", 1, { lock: lock.name });
  }
  same<LockInfo | null>()(await locks.get("slides"));
  same<LockInfo[]>()(await locks.list());
  same<boolean>()(await locks.release("slides", { force: true }));

  // @ts-expect-error no such scope
  await locks.acquire("slides", { scope: "page" });
  // @ts-expect-error a write of several keys needs no lock
  await room.store.write([{ key: "slide", value: 1, lock: "slides" }]);
}
