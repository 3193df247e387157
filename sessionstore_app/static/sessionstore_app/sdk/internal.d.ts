/** What the modules of the SDK tell each other. No browser loads this file. */

import type * as Public from "./index.d.ts";

export type { ErrorDetail, Entry, ObserveInfo, Peer, State, StateDetail, Stop, WriteOp } from "./index.d.ts";

export type Connect = typeof Public.connect;
export type Later = (ms: number, run: () => void) => void;
/** Leaves the rooms that the server resumed and nobody here wants. */
export type LeaveStrays = (kept: Set<string>) => void;
export type OpenSession = (settings: Settings) => Promise<Public.Session<any>>;
export type Session = Mutable<Public.Session<any>>;
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

// bytes.js
export type AssertWithin = (reason: string, text: string, limit?: number) => void;

// listeners.js
type Callback = (...news: any[]) => void;
export type Guarded = (logger: Public.Logger, listener: Callback, ...news: any[]) => void;
export interface Listeners {
  /**
   * One function added twice is two listeners, and one that throws harms no other.
   * @param now  what the listener is told at once, if anything
   */
  add(listener: Callback, ...now: any[]): Public.Stop;
  emit(...news: any[]): void;
}
export type MakeListeners = (logger: Public.Logger) => Listeners;

// timer.js
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
/** What a page leaves in the storage so that, reloaded, it goes on as the same session. */
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
export type On = (type: string, listener: () => void) => void;
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
  /** The key whose older waiting set it makes pointless. */
  replaces?: string;
}
export interface Write extends WriteRequest, Deferred {
  op: number;
  /** It may have reached the server. */
  sent: boolean;
  /** It waited for a connection, or lost one. */
  late: boolean;
}
export interface Queue {
  size(): number;
  add(request: WriteRequest): Promise<any>;
  pump(): void;
  reopen(resumed: boolean): void;
  /** Gives up the waiting writes of one room, or all writes. */
  abandon(room: Room | null, error: Error): void;
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
  apply(news: Public.Entry[]): void;
  /** @param version  of the snapshot, or null where it is of another epoch */
  replace(news: Public.Entry[], version: number | null): void;
  /** Gives those who wait for an armed pattern its present values; an exact key without one as null. */
  greet(): void;
  /** The server does not allow it. */
  refuse(pattern: string): void;
  disarm(patterns: string[]): void;
  clear(): void;
}
export type Matches = (pattern: string, key: string) => boolean;
export type Covers = (patterns: Iterable<string>, key: string) => boolean;
export type Absent = (key: string, version?: number) => Public.Entry;
export type Tell = (observer: Observer, entry: Public.Entry, initial: boolean) => void;
/** What a pattern's new observer has to be told. */
export type Present = (observer: Observer, pattern: string) => Public.Entry[];
export type MakeObserved = (logger: Public.Logger, isOwn: (entry: Public.Entry) => boolean) => Observed;

// store.js, peers.js, room.js
export interface Store extends Public.Store<any> {
  patterns(): string[];
  /** Whether the values of all wanted patterns are held. */
  complete(): boolean;
  /** Keeps patterns observed for as long as the room is joined. */
  hold(patterns: string[]): void;
  /** @param version  of a snapshot, or null where it is of another epoch @param whole  whether it is a snapshot */
  adopt(entries: Public.Entry[], patterns: string[], version: number | null, whole: boolean): void;
  /** Our own write was answered. @param epoch  of the room when it was sent @returns the result */
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
/** In the words of the protocol. */
export type Written = (op: Public.WriteOp<any>) => object;
export type MakeStore = (room: Room, context: RoomContext) => Store;

export interface Peers extends Mutable<Public.Peers> {
  merge(change: { count: number } & Partial<Public.PeersNews>): void;
  /** After a join. Where `count` says that these are but the first page, nobody is taken to have left. */
  replace(all: Public.Peer[], count: number): void;
}
export type MakePeers = (logger: Public.Logger) => Peers;

export interface Joined extends Position {
  entries: Public.Entry[];
  roles: string[];
  peers: Public.Peer[];
  count: number;
  complete?: boolean;
}
/** Takes over what the server says about entries. @param reason  why the epoch is another, if it is */
export type Take = (
  news: { epoch: string; version?: number; entries?: Public.Entry[]; changes?: Public.Entry[] },
  patterns: string[],
  whole: boolean,
  reason?: string,
) => void;
export interface Room extends Mutable<Public.Room<any>> {
  store: Store;
  peers: Peers;
  /** Why it is ours no longer. */
  left: Error | null;
  /** Settled by the first join. */
  entered: Promise<any>;
  /** Its name, if it was not left. */
  present(): string;
  /** How far we followed the room, if all we observe is held. */
  position(): Position | undefined;
  /** @param kept  whether the server still has us in the room */
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
}
