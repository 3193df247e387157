/** What the modules of the SDK tell each other. No browser loads this file. */

import type * as Public from "./index.d.ts";

export type { ErrorDetail, Entry, ObserveInfo, Peer, State, StateDetail, Stop, WriteOp } from "./index.d.ts";

export type Connect = typeof Public.connect;
/** Takes over what the server says of this session, and tells what of its properties is new. */
export type Describe = (news: Pick<Opened, "properties" | "roles" | "permissions"> & { revision?: number }) => void;
export type OpenSession = (settings: Settings) => Promise<Public.Session<any>>;
export type Session = Mutable<Public.Session<any>>;
/** The session before the server has answered. */
export type Opening = Partial<Session> & Pick<Session, "properties">;
type Mutable<Type> = { -readonly [Member in keyof Type]: Type[Member] };

export interface Settings extends Public.Options {
  url: string;
  WebSocket: new (url: string) => Public.SocketLike;
  page: EventTarget | null;
  clock: Public.Clock;
  random: () => number;
  logger: Public.Logger;
  client: { name: string; version: string };
}

export type ErrorFor = (reason: string, detail?: Public.ErrorDetail) => any;

// properties.js
/** The values before, null for none, of those that are others after. Any name may be a key. */
export type Differences = (before: Public.Properties, after: Public.Properties) => Record<string, string | null>;

// bytes.js, where sizes are counted as the server does: compact JSON
export type AssertWithin = (reason: string, text: string, limit?: number) => void;

// listeners.js
type Callback = (...news: any[]) => void;
export type Guarded = (logger: Public.Logger, listener: Callback, ...news: any[]) => void;
/** Topics with a dot are the server's notifications; those with `message ` before the event are messages. */
export interface Listeners {
  /**
   * One function added twice is two listeners, and one that throws harms no other.
   * @param now  what the listener is told at once, if anything
   */
  on(topic: string, listener: Callback, ...now: any[]): Public.Stop;
  emit(topic: string, ...news: any[]): void;
}
export type MakeListeners = (logger: Public.Logger) => Listeners;

// timer.js, the one way to wait before trying again
/** Full jitter: the clients of a dead server come back spread over the window. */
export type Backoff = (random: () => number, firstMs: number, mostMs: number) => (tries: number) => number;
export interface RetryTimer {
  /** @returns the wait in ms */
  start(atLeastSeconds?: number | null): number;
  /** Runs what waits now. */
  hurry(): void;
  stop(): void;
  reset(): void;
}
export type MakeRetryTimer = (clock: Public.Clock, delay: (tries: number) => number, run: () => void) => RetryTimer;

// connection.js
/** `accept` sees a result before the next message of the same frame is read; the promise gets what it returns. */
export type Request = (method: string, params: object, accept?: (result: any) => any) => Promise<any>;
export interface Connection {
  latencyMs: number | null;
  request: Request;
  expectHeartbeat(seconds: number): void;
  /** Finds out within seconds whether the link works, where missing heartbeats would take half a minute. */
  probe(): void;
  /** @param reason  what open calls are told */
  close(reason: string): void;
}
export interface ConnectionOwner {
  connected(connection: Connection): void;
  /** A heartbeat came. */
  heard(): void;
  notified(method: string, params: any): void;
  disconnected(code: number, reason: string): void;
}
export type MakeConnection = (settings: Settings, owner: ConnectionOwner) => Connection;

// link.js
/**
 * What a page leaves in the storage so that, reloaded, it goes on as the same session. It is there only while no page
 * lives, for a duplicated tab copies the storage. A forbidden or damaged storage costs the resume, not the session.
 */
export interface Ticket {
  id?: string;
  token?: string;
  op: number;
}
export interface Position {
  epoch: string;
  version: number;
}
export interface Opened {
  session_id: string;
  resume_token: string;
  resumed: boolean;
  principal: string;
  roles: string[];
  permissions: string[];
  properties: Record<string, string>;
  heartbeat_seconds: number;
  reconnect_seconds: number;
  limits: Public.Limits;
  rooms: (Position & { room: string })[];
}
export interface LinkOwner {
  positions(): Record<string, Position | undefined>;
  /**
   * @param first  of this page: then rooms that the server resumed and nobody here wants are left after a while, for a
   *   reloaded page has as long to join again as the server would have waited for it
   */
  opened(result: Opened, first: boolean): void;
  notified(method: string, params: any): void;
  changed(state: Public.State, detail: Public.StateDetail): void;
  ended(error: Error): void;
}
export interface Link {
  state: Public.State;
  detail: Public.StateDetail;
  /** What the server last answered; any, for nobody asks before the first answer. */
  opened: any;
  latencyMs(): number | null;
  dial(): void;
  /** What the page does, until the session ends. */
  on(type: string, listener: (event: Event) => void): void;
  /** A number for the next write, never given twice within a session. */
  nextOp(): number;
  request: Request;
  /** A request that may be repeated: it is, while the server says "later", and not for ever. */
  ask: Request;
  /** The end of the session, from whichever side. */
  end(detail: Public.StateDetail, error?: Error): void;
}
export type Retry = (detail: Public.StateDetail, atLeastSeconds?: number | null) => void;
export type Open = (dialled: Connection, bearer?: string) => Promise<void>;
export type MakeLink = (settings: Settings, owner: LinkOwner) => Link;

// queue.js
export interface Deferred {
  promise: Promise<any>;
  resolve(value: any): void;
  reject(error: Error): void;
}
export interface WriteRequest {
  room: Room;
  method: string;
  params: object;
  /** Whether applying it twice is the same as once. */
  repeatable: boolean;
  /** The key whose older waiting set it makes pointless: only the last value is owed to anybody. */
  replaces?: string;
}
export interface Write extends WriteRequest, Deferred {
  op: number;
  /** It may have reached the server. */
  sent?: boolean;
  /** It waited for a connection, or lost one. Its caller may have stopped waiting. */
  late?: boolean;
}
/** One write is under way at a time: that keeps order, retry and `op` exact. */
export interface Queue {
  size(): number;
  add(request: WriteRequest): Promise<any>;
  pump(): void;
  reopen(resumed: boolean): void;
  /** Gives up the waiting writes of one room, or all writes. */
  abandon(room: Room | null | false, error: Error): void;
}
/** @param error  why it failed; none where it succeeded */
export type Remove = (write: Write, error?: Error) => void;
export type MakeDeferred = () => Deferred;
export type MakeQueue = (link: Link, keep: boolean, report: (error: Error) => void) => Queue;

// observed.js
export type Listener = (entry: Public.Entry, info: Public.ObserveInfo) => void;
export interface Observer {
  patterns: string[];
  /** Those patterns whose present values it was given. */
  ready: Set<string>;
  listener: Listener;
}
export interface Observed {
  /** What the server was told, and what we hold the values of. */
  armed: Set<string>;
  wanted(): string[];
  observe(patterns: string | string[], listener: Listener): Public.Stop;
  value(key: string): any;
  adopt: AdoptEntries;
  /** Gives those who wait for an armed pattern its present values; an exact key without one as null. */
  greet(): void;
  /** The server does not allow it. */
  refuse(pattern: string): void;
  disarm(patterns: string[]): void;
  clear(): void;
}
/**
 * Takes what is newer than what is held, and greets. A key gets or loses its value also where the news are as new as
 * what is held: what may not be read any more is shown without a value, and later again, under the version it has.
 * @param version  of which all of this is true; -1 where it may be old, as the answer to a write may; null where it is
 *   of another epoch, which is a snapshot: versions of ours mean nothing in that
 * @param patterns  that are observed from here on
 * @param whole  whether it is a snapshot: what it does not name has no value
 */
export type AdoptEntries = (
  news: Public.Entry[],
  patterns: string[],
  version: number | null,
  whole?: boolean,
) => void;
export type Covers = (patterns: Iterable<string>, key: string) => boolean;
export type Tell = (observer: Observer, entry: Public.Entry, initial: boolean) => void;
/** What a pattern's new observer has to be told. */
export type Present = (observer: Observer, pattern: string) => Public.Entry[];
export type MakeObserved = (logger: Public.Logger, link: Link) => Observed;

// store.js, peers.js, room.js
export interface Store extends Public.Store<any> {
  patterns(): string[];
  /** Whether the values of all wanted patterns are held. */
  complete(): boolean;
  /** Keeps patterns observed for as long as the room is joined. */
  hold(patterns: string[]): void;
  adopt: AdoptEntries;
  /**
   * Our own write was answered. @returns the result
   * @param epoch  of the room when it was sent: after a clear, the version of an older write means nothing
   */
  written(result: any, epoch: string | null): any;
  /** The server no longer knows what we observe. */
  disarm(): void;
  clear(): void;
  /** Tells the server what changed in our wants. */
  arm(): Promise<void>;
}
export type StoreWrite = (
  method: string,
  params: () => object,
  repeatable?: boolean,
  replaces?: string,
) => Promise<any>;
/** In the words of the protocol. Refuses NaN and functions: they would become null, and null deletes. */
export type Written = (op: Public.WriteOp<any> & Public.SetOptions) => object;
export type MakeStore = (room: Room, context: RoomContext) => Store;

export interface Peers extends Mutable<Public.Peers> {
  merge(change: { count: number } & Partial<Public.PeersNews>): void;
  /** After a join. Where `count` says that these are but the first page, nobody is taken to have left. */
  replace(all: Public.Peer[], count: number): void;
}
export type MakePeers = (listeners: Listeners) => Peers;

export interface Joined extends Position {
  entries: Public.Entry[];
  roles: string[];
  peers: Public.Peer[];
  count: number;
  complete?: boolean;
  type?: string;
}
/** Takes over what the server says about entries. @param reason  why the epoch is another, if it is */
export type Take = (
  news: { epoch: string; version?: number; entries?: Public.Entry[]; changes?: Public.Entry[] },
  patterns: string[],
  whole?: boolean,
  reason?: string,
) => void;
export interface Room extends Mutable<Public.Room<any>> {
  store: Store;
  peers: Peers;
  /** Why it is ours no longer. */
  left: Error | null;
  /** Settled by the first join. */
  entered: Promise<any>;
  /** Asks about this room, if it was not left. */
  ask: Request;
  /** Its name, if it was not left. */
  present(): string;
  /** How far we followed the room, if all we observe is held. */
  position(): Position | undefined;
  /**
   * Joins again, which brings peers and roles that changed while nobody could tell us.
   * @param kept  whether the server still has us in the room
   */
  reenter(kept?: boolean): void;
  /** We lost the thread: start from what the server holds. */
  resync(): void;
  notified(method: string, params: any): void;
  /** Not ours any longer: left, refused, or the session ended. */
  depart(error: Error): void;
}
/** @param whole  whether the reply holds all entries, not only the later ones */
export type Adopt = (joined: Joined, patterns: string[], whole: boolean) => void;
export type MakeRoom = (name: string, context: RoomContext) => Room;
export interface RoomContext {
  link: Link;
  queue: Queue;
  logger: Public.Logger;
  report(error: Error): void;
  entered(room: Room, first: boolean): void;
  forget(room: Room, error: Error): void;
  clock: Public.Clock;
  listeners: Listeners;
  /** The parts, once they are loaded. */
  sessions?: SessionsPart;
  locks?: Public.Locks;
}

// parts.js
/** @param names  its methods, with a space between; each loads it and calls the method of the same name */
export type MakePart = (
  context: RoomContext,
  load: () => Promise<{ partOf(context: RoomContext): any }>,
  names: string,
) => any;
export type MakeParts = (context: RoomContext) => Pick<Public.Session, "sessions" | "locks">;
/** The part of a session: made once, for it is asked by each call. */
export type PartOf<Name extends "sessions" | "locks"> = (context: RoomContext) => NonNullable<RoomContext[Name]>;

// sessions.js
/** Which sessions, in the words of the protocol. */
export type Aimed = (target: Public.Target) => {
  session_id?: string;
  filter?: string;
  room?: string;
};
export interface SessionsPart extends Omit<Public.Sessions, "set" | "listen"> {
  set(target: Public.Target, properties: Public.PropertyChanges): Promise<any>;
  listen: Listen;
}
export type MakeSessions = (context: RoomContext) => SessionsPart;

// listening.js
/** @param signal  the listener's undo */
export type Listen = (
  signal: AbortSignal,
  query: Public.ListenQuery,
  listener: (event: Public.SessionEvent) => void,
  options?: Public.ListenOptions,
) => void;
export type MakeListen = (context: RoomContext) => Listen;
/** A listener, from its beginning to its end, over all connections. */
export interface Ear extends Public.ListenOptions {
  /** By which the server names it on this connection. */
  id: unknown;
  signal: AbortSignal;
  sightings: Sightings;
}
/** Ends a listener. @param otherwise  who is told, if it does not care why */
export type Deafen = (ear: Ear, error: Error, otherwise?: (error: Error) => void) => void;
/** What overtakes the answer to a registration waits for it. */
export type OnNotified = (method: string, act: (ear: Ear, params: any) => void) => void;

// sightings.js
export interface Sighting {
  revision: number;
  state: string;
  properties: Public.Properties;
}
export interface Sightings {
  /** The server shows everyone anew from here on. @returns the query to ask it with */
  ask(): object;
  /**
   * The connection is gone. With `after` the server shows nobody at first, so it would not show who went meanwhile
   * either: from now on we ask for all, and leave out who opened too early.
   */
  lose(): void;
  /** Tells an event, unless it is known; the first of a session since we asked as what became of it meanwhile. */
  see(event: any): void;
  /** Everyone was shown. Who was known and did not come has closed. */
  settle(): void;
}
export type MakeSightings = (query: Public.ListenQuery, tell: (event: any) => void) => Sightings;
/** What became of a session while nobody could tell us; null: nothing. */
export type Meanwhile = (held: Sighting, event: any) => object | null;
/** It went; late news of it are known by their revisions. */
export type Forget = (id: string, revision: number) => void;

// locks.js
export interface Lock extends Mutable<Public.Lock> {
  lose(why: { reason: string }): void;
}
/** The newest of a name that was given back. */
export interface Returned {
  sequence: number;
  /** Settles with the answer; before it, asking for the lock again could give the same one. */
  done: Promise<unknown>;
}
export type MakeLocks = (context: RoomContext) => Public.Locks;
export type Lose = (lock: Lock, reason?: string) => void;
/** Asks again after each reconnect: what was under way then is gone on the server. */
export type Insist = (method: string, params: () => object, accept: (result: any) => any) => Promise<any>;
export type GiveBack = (lock: Lock) => Promise<boolean>;
/** What was granted; null where it was given back before the answer came. */
export type Granted = (name: string, sequence: number, scope: Public.LockScope) => any;
