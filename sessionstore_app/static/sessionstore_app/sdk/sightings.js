/** What one listener knows of sessions, and what is news to it. */

import { differences } from "./properties.js";

/** @import * as T from "./internal.js" */

const MOST_GONE = 1000;
const START = "$StartTime";

const settled = (state = "") => (state === "DISCONNECTED" ? state : "ACTIVE");

/** @type {T.Meanwhile} */
const meanwhile = (held, event) => {
  const { type, state } = event;
  const changed_properties = differences(held.properties, event.properties);
  const moved = settled(state) !== held.state || (type === "STATE" && settled(state) !== state);
  // ACTIVE would say that it opened just now.
  if (moved) return { ...event, type: "STATE", state: state === "ACTIVE" ? "RECONNECTED" : state, changed_properties };
  return Object.keys(changed_properties).length ? { ...event, type: "PROPERTIES", changed_properties } : null;
};

/** @type {T.MakeSightings} */
export const makeSightings = (query, tell) => {
  const { after, properties: keys = [] } = query;
  const hidesStart = !keys.includes(START) && !keys.includes("*F");
  /** @type {Map<string, T.Sighting>} */
  const known = new Map();
  /** Lest a repeat brings them back. @type {Map<string, number>} */
  const gone = new Map();
  /** @type {Set<string>?} */
  let came = null;
  let asked = query;
  let since = NaN;

  /** @type {T.Forget} */
  const forget = (id, revision) => {
    known.delete(id);
    gone.set(id, revision);
    if (gone.size > MOST_GONE) gone.delete([...gone.keys()][0]);
  };

  return {
    ask() {
      came = new Set();
      return asked;
    },
    lose() {
      if (after === undefined) return;
      since = new Date(after).getTime();
      asked = { ...query, after: undefined, properties: [...keys, START] };
    },
    see(event) {
      const { session_id: id, revision, state, properties, matches } = event;
      const held = known.get(id);
      const early = since && !(Number(properties[START]) > since);
      if (hidesStart) delete properties[START];
      if (early && !held) return;
      const missed = came && !came.has(id);
      came?.add(id);
      if (revision <= (held?.revision ?? gone.get(id) ?? -1)) return;
      const last = state === "CLOSED" || matches === false;
      if (last) forget(id, revision);
      else known.set(id, { revision, state: settled(state), properties });
      const news = held && missed && !last ? meanwhile(held, event) : event;
      if (news) tell(news);
    },
    settle() {
      const present = came ?? known;
      came = null;
      for (const [session_id, { revision, properties }] of [...known]) {
        if (present.has(session_id)) continue;
        forget(session_id, revision);
        const end = { type: "STATE", state: "CLOSED", close_reason: null, matches: true };
        tell({ session_id, revision, properties, changed_properties: {}, ...end });
      }
    },
  };
};
