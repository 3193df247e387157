/** The public types of the SDK. */

/// <reference lib="esnext.disposable" />

export type Json = null | boolean | number | string | Json[] | { [member: string]: Json };

export type State = "connecting" | "open" | "reconnecting" | "closed";
export type Stop = () => void;

export interface StateDetail {
  /** Why the connection is not there: the name of a close reason or of an error. */
  reason?: string;
  /** The code that belongs to it. */
  code?: number;
  /** How long until the next attempt. */
  retryInMs?: number;
  /** The server is reached, but it cannot reach its store; writes are repeated until it can. */
  degraded?: boolean;
}

export interface Clock {
  now(): number;
  /** @returns a handle that is not falsy */
  setTimeout(run: () => void, ms: number): any;
  clearTimeout(timer: any): void;
}

export type Logger = Pick<Console, "debug" | "info" | "warn" | "error">;

export interface SocketLike {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

export interface Options {
  /** Default: `/ws/sessionstore/` of the page's own host. */
  url?: string;
  /** A function is asked again before each attempt, so that a token that expires can be renewed. */
  token?: string | (() => string | Promise<string>);
  /** Proposed session properties; the project's settings decide which are taken. */
  properties?: Record<string, string>;
  /** Where a reloaded page finds its session again. Default: `sessionStorage`, if there is one; null: nowhere. */
  storage?: Pick<Storage, "getItem" | "setItem" | "removeItem"> | null;
  /** Whose online, offline, pagehide, pageshow and beforeunload events count. Default: the window, if there is one. */
  page?: EventTarget | null;
  WebSocket?: new (url: string) => SocketLike;
  clock?: Clock;
  random?: () => number;
  logger?: Logger;
  client?: { name: string; version: string };
  /** false: writes fail at once while there is no connection, instead of waiting for one. */
  queue?: boolean;
  /** Asks before a page is left while writes are not acknowledged. */
  warnUnsaved?: boolean;
  /** Gives up when the session is not open by then. Default: keeps trying. */
  connectTimeoutMs?: number;
}

export interface Principal {
  readonly session_id: string | null;
  readonly principal: string;
}

export interface Entry<Value = any> {
  readonly key: string;
  /** null: there is no such key, or this session may not read it. */
  readonly value: Value | null;
  readonly version: number;
  /** null: the server. */
  readonly by: Principal | null;
  readonly at: string | null;
  /** This write had been applied before, by an earlier attempt. */
  readonly duplicate?: boolean;
  /** Why there is no value where it is not that there is none: `ACCESS_DENIED`. */
  readonly reason?: string;
}

export interface Limits {
  readonly value_bytes: number;
  readonly keys: number;
  readonly store_bytes: number;
  readonly frame_bytes: number;
  readonly [name: string]: number;
}

export interface Peer {
  readonly session_id: string;
  readonly principal: string;
  readonly roles: readonly string[];
  readonly properties: Readonly<Record<string, string>>;
  readonly state: string;
  readonly joined_at: string;
}

export interface PeersNews {
  /** Everyone known here, the first to join first. */
  peers: Peer[];
  count: number;
  joined: Peer[];
  left: { session_id: string; reason: string }[];
  updated: Peer[];
}

export interface Message<Data = any> {
  event: string;
  data: Data;
  from: Principal;
  at: string;
}

export interface SessionMessage<Data = any> extends Omit<Message<Data>, "from"> {
  /** null: the server. */
  from: Principal | null;
}

export interface Cleared {
  /** LAST_PEER_LEFT, CLEARED, IDLE, STORE_LOST; UNKNOWN where it happened while this page was away. */
  reason: string;
  epoch: string;
}

export interface ObserveInfo {
  /** The value at the time of observing, not a change. */
  initial: boolean;
  /** Written by this session. */
  own: boolean;
}

/** `hand/*`, `*` + `/vote`, `*`, or a key of the store. */
export type Pattern<S> = Key<S> | `${string}*` | `*${string}`;
export type Key<S> = keyof S & string;
/** The type of the values that a key or pattern can have. */
export type ValueAt<S, P> = P extends keyof S ? S[P] : S[keyof S];

export interface Guard {
  /** Only if the entry has this version; 0: only if it has no value. */
  ifVersion?: number;
}

export interface WriteOptions extends Guard {
  ttlSeconds?: number;
  /** "session": the entry goes when this session ends. */
  lifetime?: "room" | "session";
}

export interface SetOptions extends WriteOptions {
  /** Only while this session holds the lock of this name. */
  lock?: string;
}

export interface WriteOp<S> extends WriteOptions {
  key: Key<S>;
  value?: S[keyof S] | null;
}

export type Update =
  | { do: "increment"; by?: number }
  | { do: "append"; item: unknown; cap?: number; unique?: string }
  | { do: "remove"; where: Record<string, unknown> }
  | { do: "merge"; patch: unknown };

export interface Store<S extends object = Record<string, any>> {
  /** Without a value: deletes. */
  set<K extends Key<S>>(key: K, value?: S[K] | null, options?: SetOptions): Promise<Entry<S[K]>>;
  delete<K extends Key<S>>(key: K, options?: Guard): Promise<Entry<S[K]>>;
  /** Computed by the server, so that no other writer's change is lost. */
  update<K extends Key<S>>(key: K, update: Update): Promise<Entry<S[K]>>;
  /** All or nothing. */
  write(ops: WriteOp<S>[]): Promise<{ version: number; entries: Entry<S[keyof S]>[] }>;
  get<K extends Key<S>>(key: K): Promise<S[K] | null>;
  getEntry<K extends Key<S>>(key: K): Promise<Entry<S[K]>>;
  snapshot(
    patterns?: Pattern<S> | Pattern<S>[],
  ): Promise<{ epoch: string; version: number; entries: Entry<S[keyof S]>[] }>;
  /** Gives the present value, for an exact key also its absence, then each change. */
  observe<P extends Pattern<S>>(
    patterns: P | P[],
    listener: (entry: Entry<ValueAt<S, P>>, info: ObserveInfo) => void,
  ): Stop;
  /** What is known here at this moment; undefined: the key is not observed. */
  value<K extends Key<S>>(key: K): S[K] | null | undefined;
}

/** What one may ask about beforehand; a key is read or written. */
export type Act<S> = [action: "read" | "write", key: Key<S>] | [action: "broadcast" | "clear" | "see_peers"];

export interface Peers {
  readonly list: Peer[];
  readonly count: number;
  observe(listener: (news: PeersNews) => void): Stop;
}

export interface Room<S extends object = Record<string, any>> {
  readonly name: string;
  readonly epoch: string | null;
  readonly version: number;
  readonly roles: string[];
  /** The name of its type; null: it has none. */
  readonly type: string | null;
  readonly joined: boolean;
  readonly store: Store<S>;
  readonly peers: Peers;
  /** Would it be allowed now? */
  can(...act: Act<S>): Promise<boolean>;
  /** A message that is not stored. Resolves to the number of receivers. */
  broadcast(event: string, data?: unknown): Promise<number>;
  onMessage<Data = any>(event: string, listener: (message: Message<Data>) => void): Stop;
  onCleared(listener: (cleared: Cleared) => void): Stop;
  leave(): Promise<void>;
}

export type Properties = Readonly<Record<string, string>>;
/** null takes a property away. */
export type PropertyChanges = Readonly<Record<string, string | null>>;
/** What was there before; null: it was not there. */
export type FormerProperties = Readonly<Record<string, string | null>>;

export interface PropertiesSet {
  changed: FormerProperties;
  /** Those that cannot be set, or not by this session. */
  ignored: string[];
}

/** A session's id, or one or many sessions; `room` leaves out those that are not in that room. */
export type Target = OneSession | ManySessions;
export type OneSession = string | { sessionId: string; room?: string; filter?: undefined };
export interface ManySessions {
  filter: string;
  room?: string;
  sessionId?: undefined;
}

export interface SessionQuery {
  /** Default: every session. */
  filter?: string;
  /** Only the peers of this room. */
  room?: string;
}

export interface ListQuery extends SessionQuery {
  /** Keys to show, `*F` for all fixed ones, `*U` for all others. */
  properties?: string[];
  /** How many a page holds. */
  limit?: number;
}

export interface ListedSession {
  readonly session_id: string;
  readonly state: "ACTIVE" | "DISCONNECTED";
  readonly properties: Properties;
}

export interface SessionsPage {
  sessions: ListedSession[];
  /** How many there are on all pages. */
  total: number;
  /** Whether another page follows. */
  more: boolean;
}

export interface SessionsCount {
  total: number;
  /** Sessions of one principal count once. */
  people: number;
  groups: { properties: Properties; count: number; people: number }[];
}

export interface SessionEvent {
  readonly session_id: string;
  readonly type: "STATE" | "PROPERTIES";
  readonly state: "ACTIVE" | "DISCONNECTED" | "RECONNECTED" | "FAILED_OVER" | "CLOSED";
  /** Those that were asked for; with CLOSED, the last ones. */
  readonly properties: Properties;
  readonly changed_properties: FormerProperties;
  /** The name of a close reason; null also where it closed while nobody could tell us. */
  readonly close_reason: string | null;
  /** false: it left the filter or the room, and nothing more comes of it. */
  readonly matches: boolean;
  readonly revision: number;
}

export interface ListenQuery extends SessionQuery {
  /** Keys to show, and whose changes are told. */
  properties?: string[];
  /** Only sessions that open after this time; then none is shown at first. */
  after?: Date | number | string;
}

export interface ListenOptions {
  /** Those that were there are told. */
  onReady?(count: number): void;
  /** It was refused, or the server or the session ended it. Without this, `onError` is told. */
  onClosed?(error: SessionStoreError): void;
}

/** What can be done to sessions, by those who may. Loaded when it is first used. */
export interface Sessions {
  /** One page. `after` is the last id of the page before. */
  list(query?: ListQuery & { after?: string }): Promise<SessionsPage>;
  /** All, page by page. */
  all(query?: ListQuery): AsyncGenerator<ListedSession, void, undefined>;
  /** @param query  `by`: keys by whose values the groups are formed */
  count(query?: SessionQuery & { by?: string[] }): Promise<SessionsCount>;
  /** @param properties  keys, `*F` or `*U`. Default: all */
  get(target: OneSession, properties?: string | string[]): Promise<Properties>;
  set(target: OneSession, properties: PropertyChanges): Promise<PropertiesSet>;
  /** Resolves to how many sessions matched. */
  set(target: ManySessions, properties: PropertyChanges): Promise<number>;
  terminate(target: Target): Promise<number>;
  changeRoles(target: Target, change: { add?: string[]; remove?: string[] }): Promise<number>;
  /** A message that is not stored. Resolves to the number of receivers. */
  send(target: Target, event: string, data?: unknown): Promise<number>;
  /** Makes them, as peers of that room, observe keys. */
  observeFor(target: Target, room: string, keys: string | string[]): Promise<number>;
  /** Who is there, then what happens to them; goes on over reconnects. */
  listen(query: ListenQuery, listener: (event: SessionEvent) => void, options?: ListenOptions): Stop;
}

export type LockScope = "session" | "connection";

export interface Lock extends AsyncDisposable {
  readonly name: string;
  /** Greater than that of anybody who held it before. */
  readonly sequence: number;
  readonly scope: LockScope;
  /** As far as is known here. */
  readonly held: boolean;
  /** Settled if it was taken away, and never by giving it back. */
  readonly lost: Promise<{ reason: string }>;
  /** Resolves to false where it was not held any more. */
  release(): Promise<boolean>;
}

export interface LockInfo {
  readonly name: string;
  readonly session_id: string;
  readonly principal: string;
  readonly server_name: string;
  readonly sequence: number;
  readonly scope: LockScope;
  /** How many wait for it. */
  readonly waiters: number;
}

export interface AcquireOptions {
  /** "connection": it is lost with the connection. Default: with the session. */
  scope?: LockScope;
  /** Default: waits as long as it takes. */
  timeoutSeconds?: number;
}

/** Loaded when it is first used. */
export interface Locks {
  /** Waits for it, also over reconnects. To ask again for what one holds gives the same, and one release frees it. */
  acquire(name: string, options?: AcquireOptions): Promise<Lock>;
  /** @param options  `force`: also if another session holds it */
  release(name: string, options?: { force?: boolean }): Promise<boolean>;
  /** null: it is free. */
  get(name: string): Promise<LockInfo | null>;
  list(): Promise<LockInfo[]>;
}

export interface Session<S extends object = Record<string, any>> {
  readonly id: string;
  readonly principal: string | null;
  readonly roles: string[];
  readonly permissions: string[];
  /** All of this session's own, as they are now. */
  readonly properties: Properties;
  readonly sessions: Sessions;
  readonly locks: Locks;
  readonly limits: Partial<Limits>;
  readonly resumed: boolean;
  readonly state: State;
  /** The last measured round trip of this connection. */
  readonly latencyMs: number | null;
  /** Writes that the server has not acknowledged. */
  readonly pendingWrites: number;
  /** Called at once, then on each change. */
  onState(listener: (state: State, detail: StateDetail) => void): Stop;
  /** Called for each room whose store can be used, at once for those that already can. */
  onSessionStoreAvailable(listener: (room: Room<S>) => void): Stop;
  setProperties(properties: PropertyChanges): Promise<PropertiesSet>;
  /** Called when they changed, whoever did that. `changed`: what those that differ were before. */
  onProperties(listener: (properties: Properties, changed: FormerProperties) => void): Stop;
  /** Messages to this session, not to a room. */
  onMessage<Data = any>(event: string, listener: (message: SessionMessage<Data>) => void): Stop;
  /** What went wrong without a caller, such as a write that was refused after it had waited for a connection. */
  onError(listener: (error: SessionStoreError) => void): Stop;
  /** Joining twice gives the same room. */
  join<R extends object = S>(name: string, options?: { observe?: NoInfer<Pattern<R>>[] }): Promise<Room<R>>;
  close(): Promise<void>;
}

/** Opens a session, or goes on with the one this page had before it was reloaded. */
export function connect<S extends object = Record<string, any>>(options?: Options): Promise<Session<S>>;

export interface ErrorDetail {
  /** What to do about it. */
  hint?: string;
  /** undefined: this client refused by itself. */
  code?: number;
  /** The present entry, for a conflict. */
  current?: Entry;
  retryAfterSeconds?: number;
  limit?: number;
  actual?: number;
  /** What is wrong with a filter, and where. */
  errors?: readonly FilterFault[];
  /** The rule of the room's type that refused. */
  rule?: RefusingRule;
}

export interface RefusingRule {
  readonly room_type: string;
  /** Such as `write`. */
  readonly action: string;
  /** Who may, in words: `role host`. Empty: server code. */
  readonly who: readonly string[];
  readonly key?: string;
  /** Keys and patterns of which this session may do that. */
  readonly allowed?: readonly string[];
}

export interface FilterFault {
  readonly message: string;
  readonly line: number;
  readonly column: number;
}

export class SessionStoreError extends Error implements ErrorDetail {
  constructor(reason: string, detail?: ErrorDetail);
  /** The name of the error in the protocol, or of the close reason that ended the session. */
  readonly reason: string;
  readonly hint?: string;
  readonly code?: number;
  readonly current?: Entry;
  readonly retryAfterSeconds?: number;
  readonly limit?: number;
  readonly actual?: number;
  readonly errors?: readonly FilterFault[];
  readonly rule?: RefusingRule;
}

export class ParseError extends SessionStoreError {}
export class InvalidRequest extends SessionStoreError {}
export class MethodNotFound extends SessionStoreError {}
export class InvalidParams extends SessionStoreError {}
export class InternalError extends SessionStoreError {}
export class NotOpen extends SessionStoreError {}
export class AccessDenied extends SessionStoreError {}
export class NoSuchSession extends SessionStoreError {}
export class NotJoined extends SessionStoreError {}
export class VersionConflict extends SessionStoreError {}
export class ValueTooLarge extends SessionStoreError {}
export class TooManyKeys extends SessionStoreError {}
export class StoreTooLarge extends SessionStoreError {}
export class InvalidKey extends SessionStoreError {}
export class InvalidFilter extends SessionStoreError {}
export class Unavailable extends SessionStoreError {}
export class RateLimited extends SessionStoreError {}
export class LimitExceeded extends SessionStoreError {}
export class InvalidValue extends SessionStoreError {}
export class LockNotHeld extends SessionStoreError {}
export class LockTimeout extends SessionStoreError {}
export class WrongTransport extends SessionStoreError {}
export class NotFound extends SessionStoreError {}
export class StoreDestroyed extends SessionStoreError {}
export class Disconnected extends SessionStoreError {}
export class OutcomeUnknown extends SessionStoreError {}

/** A string as a filter spells it: in quotes, with what needs it escaped. */
export function quote(value: string): string;
/** An error of the class that belongs to the reason; for tests of your own code. */
export function errorFor(reason: string, detail?: ErrorDetail): SessionStoreError;
/** The class of each reason. */
export const ERRORS: Map<string, typeof SessionStoreError>;
/** The names of the codes with which a server closes a WebSocket. */
export const CLOSE_REASONS: Map<number, string>;
