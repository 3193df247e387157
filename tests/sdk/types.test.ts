/** Pins the public types: compiled, never run. A line that must not compile says so. */

import {
  connect,
  SessionStoreError,
  VersionConflict,
  type Entry,
  type Peer,
  type Session,
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

export async function untypedKeysAndErrors() {
  const session = await connect();
  const room = await session.join("any");
  try {
    await room.store.set("anything", { at: [1, null, "two"] });
  } catch (error) {
    if (error instanceof VersionConflict) same<Entry | undefined>()(error.current);
    if (error instanceof SessionStoreError) same<number | undefined>()(error.retryAfterSeconds);
  }
}
