/** Observed entries. */

import { guarded } from "./listeners.js";

/** @import * as T from "./internal.js" */

const matches = (pattern = "", key = "") => {
  const [start, end] = pattern.split("*");
  return end === undefined ? key === start : key.startsWith(start) && key.endsWith(end);
};

/** @type {T.Covers} */
const covers = (patterns, key) => [...patterns].some((pattern) => matches(pattern, key));

const absent = (key = "", version = 0) => ({ key, value: null, version, by: null, at: null });

/** @type {T.MakeObserved} */
export const makeObserved = (logger, link) => {
  /** @type {Map<string, T.Entry>} */
  const entries = new Map();
  /** @type {Set<T.Observer>} */
  const observers = new Set();
  const armed = new Set();
  const wanted = () => [...new Set([...observers].flatMap(({ patterns }) => patterns))];

  /** @type {T.Tell} */
  const tell = (observer, entry, initial) => {
    const own = entry.by?.session_id === link.opened.session_id;
    if (observers.has(observer)) guarded(logger, observer.listener, entry, { initial, own });
  };

  const put = (/** @type {T.Entry} */ entry, asOf = entry.version) => {
    const held = entries.get(entry.key) ?? absent(entry.key, -1);
    const turned = (entry.value === null) !== (held.value === null);
    if (held.version >= entry.version && !(turned && asOf >= held.version)) return;
    entries.set(entry.key, entry);
    if (entry.value === null && !turned) return;
    for (const observer of observers) if (covers(observer.ready, entry.key)) tell(observer, entry, false);
  };

  /** @type {T.Present} */
  const present = (observer, pattern) => {
    const exact = !pattern.includes("*");
    if (exact && !entries.has(pattern)) return [absent(pattern)];
    return [...entries.values()].filter(
      ({ key, value }) => matches(pattern, key) && (value === null ? exact : !covers(observer.ready, key)),
    );
  };

  const greet = () => {
    for (const observer of [...observers]) {
      for (const pattern of observer.patterns.filter((each) => armed.has(each) && !observer.ready.has(each))) {
        const news = present(observer, pattern);
        observer.ready.add(pattern);
        for (const entry of news) tell(observer, entry, true);
      }
    }
  };

  return {
    armed,
    wanted,
    greet,
    observe(patterns, listener) {
      const observer = { patterns: [patterns].flat(), ready: new Set(), listener };
      observers.add(observer);
      return () => void observers.delete(observer);
    },
    value: (key) => (entries.has(key) || covers(armed, key) ? (entries.get(key)?.value ?? null) : undefined),
    adopt(news, patterns, version, whole) {
      const asOf = version ?? 0;
      if (version === null) for (const [key, held] of entries) entries.set(key, { ...held, version: -1 });
      for (const entry of news) if (covers(wanted(), entry.key)) put(entry, asOf);
      const named = new Set(news.map(({ key }) => key));
      for (const key of whole ? entries.keys() : []) if (!named.has(key)) put(absent(key, asOf));
      for (const pattern of patterns) armed.add(pattern);
      greet();
    },
    refuse(pattern) {
      for (const observer of observers) observer.patterns = observer.patterns.filter((each) => each !== pattern);
    },
    disarm(patterns) {
      for (const pattern of patterns) armed.delete(pattern);
      for (const key of entries.keys()) if (!covers(wanted(), key)) entries.delete(key);
    },
    clear: () => [entries, observers, armed].forEach((each) => each.clear()),
  };
};
