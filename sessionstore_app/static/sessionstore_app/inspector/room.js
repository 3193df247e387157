/** One room as the page has been told of it. Follows the protocol's rules for keeping a copy; knows no frame. */

/** @import { Peer, Principal } from "../sdk/index.js" */

/** More are forgotten, the oldest first. */
export const KEPT = 1000;

/**
 * A masked entry has no value here, whatever came.
 * @typedef {object} Shown
 * @property {string} key
 * @property {any} [value]
 * @property {boolean} [masked]
 * @property {number} [bytes] of a masked value
 * @property {number} version
 * @property {Principal | null} by
 * @property {string | null} at
 */

/** @typedef {{epoch?: string, version?: number, entries?: Shown[]}} Told */

/** @param {string} pattern @param {string} key */
export function matches(pattern, key) {
  if (pattern.endsWith("*")) return key.startsWith(pattern.slice(0, -1));
  return pattern.startsWith("*") ? key.endsWith(pattern.slice(1)) : key === pattern;
}

export class RoomPicture {
  epoch = "";
  version = 0;
  /** Watched from outside, not joined. */
  watched = false;
  count = 0;
  /** Raised with each change, so that who shows a room knows whether to look. */
  revision = 0;
  /** @type {Map<string, Shown>} */
  entries = new Map();
  /** @type {Map<string, Peer>} */
  peers = new Map();
  /** What the page observes. @type {Set<string>} */
  patterns = new Set();
  /** Versions of deleted keys: an older answer that comes late brings none of them back. @type {Map<string, number>} */
  #deleted = new Map();

  /** @param {string} name */
  constructor(name) {
    this.name = name;
  }

  /** All there is to see at one version. What is newer stays. @param {Told} told */
  replace({ epoch, version = 0, entries = [] }) {
    this.#goOn(epoch);
    const named = new Set(entries.map(({ key }) => key));
    for (const [key, held] of this.entries) if (!named.has(key) && held.version <= version) this.entries.delete(key);
    this.merge({ version, entries });
  }

  /** Some entries; of these patterns, all that there are. @param {Told} told @param {Iterable<string>} [patterns] */
  merge({ epoch, version = 0, entries = [] }, patterns = []) {
    this.#goOn(epoch);
    const named = new Set(entries.map(({ key }) => key));
    for (const pattern of patterns)
      for (const [key, held] of this.entries)
        if (matches(pattern, key) && !named.has(key) && held.version <= version) this.entries.delete(key);
    for (const entry of entries) this.#put(entry);
    this.version = Math.max(this.version, version);
    this.revision++;
  }

  /** News of what is observed, also because others made the page do so. @param {Told & {changes: Shown[]}} told */
  change({ epoch, version, changes }) {
    this.merge({ epoch, version, entries: changes });
    for (const { key } of changes) if (!this.isFollowed(key)) this.patterns.add(key);
  }

  /** @param {string} epoch the one that begins */
  clear(epoch) {
    this.#goOn(epoch);
    this.revision++;
  }

  /** @param {string[]} patterns what the page observes from now on */
  observe(patterns) {
    this.patterns = new Set(patterns);
    this.revision++;
  }

  /** Values that nobody tells the page of any more would be taken for the present ones. @param {string[]} patterns */
  unobserve(patterns) {
    const gone = (/** @type {string} */ key) =>
      patterns.some((pattern) => matches(pattern, key)) && !this.isFollowed(key);
    for (const key of [...this.entries.keys()].filter(gone)) this.entries.delete(key);
    this.revision++;
  }

  /** Whether the page is told when this key changes; else it has seen it once. @param {string} key */
  isFollowed(key) {
    return this.watched || [...this.patterns].some((pattern) => matches(pattern, key));
  }

  /** A page of peers, or all. @param {Peer[]} peers @param {number} count */
  meet(peers, count) {
    if (peers.length >= count) this.peers.clear();
    this.news({ count, joined: peers });
  }

  /** @param {{count: number, joined?: Peer[], left?: {session_id: string}[], updated?: Peer[]}} news */
  news({ count, joined = [], left = [], updated = [] }) {
    for (const { session_id } of left) this.peers.delete(session_id);
    for (const peer of [...joined, ...updated]) this.peers.set(peer.session_id, peer);
    shorten(this.peers);
    this.count = count;
    this.revision++;
  }

  /** @param {string} [epoch] */
  #goOn(epoch) {
    if (epoch === undefined || epoch === this.epoch) return;
    this.epoch = epoch;
    this.version = 0;
    this.entries.clear();
    this.#deleted.clear();
  }

  /** @param {Shown} entry */
  #put({ key, value, masked, bytes, version, by, at }) {
    const held = this.entries.get(key);
    const known = held?.version ?? this.#deleted.get(key) ?? 0;
    if (version < known || (version === known && held && !held.masked)) return;
    this.entries.delete(key);
    if (masked) this.entries.set(key, { key, masked, bytes, version, by, at });
    else if (value !== null && value !== undefined) this.entries.set(key, { key, value, version, by, at });
    if (this.entries.has(key)) this.#deleted.delete(key);
    else if (version) this.#deleted.set(key, version);
    shorten(this.entries);
    shorten(this.#deleted);
  }

}

/** @param {Map<string, unknown>} map */
function shorten(map) {
  for (const key of map.keys()) {
    if (map.size <= KEPT) return;
    map.delete(key);
  }
}
