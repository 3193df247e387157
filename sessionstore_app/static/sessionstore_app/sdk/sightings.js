/** What one listener knows of sessions, and what is news to it. */

import { differences } from "./properties.js";

/** @import * as T from "./internal.js" */

const MOST_FORGOTTEN = 1000;

const settled = (state = "") => (state === "DISCONNECTED" ? state : "ACTIVE");

/** What became of a session while nobody could tell us; null for nothing. @type {T.Meanwhile} */
const meanwhile = (held, event) => {
  const { type, state } = event;
  const changed_properties = differences(held.properties, event.properties);
  const moved = settled(state) !== held.state || (type === "STATE" && settled(state) !== state);
  // ACTIVE would say that it opened just now.
  if (moved) return { ...event, type: "STATE", state: state === "ACTIVE" ? "RECONNECTED" : state, changed_properties };
  return Object.keys(changed_properties).length ? { ...event, type: "PROPERTIES", changed_properties } : null;
};

/** @type {T.MakeSightings} */
export const makeSightings = (tell) => {
  /** @type {Map<string, T.Sighting>} */
  const known = new Map();
  /** The last revisions of sessions that went, lest a repeat brings them back. @type {Map<string, number>} */
  const gone = new Map();
  /** Who came since we registered; null once all have. @type {Set<string>?} */
  let came = null;

  /** @type {T.Forget} */
  const forget = (id, revision) => {
    known.delete(id);
    gone.delete(id);
    gone.set(id, revision);
    for (const oldest of gone.keys()) {
      if (gone.size <= MOST_FORGOTTEN) break;
      gone.delete(oldest);
    }
  };

  return {
    restart: () => void (came = new Set()),
    see(event) {
      const { session_id: id, revision, state, properties, matches } = event;
      const held = known.get(id);
      const missed = held && came && !came.has(id);
      came?.add(id);
      if (revision <= (held?.revision ?? gone.get(id) ?? -1)) return;
      const last = state === "CLOSED" || !matches;
      if (last) forget(id, revision);
      else known.set(id, { revision, state: settled(state), properties });
      const news = missed && !last ? meanwhile(held, event) : event;
      if (news) tell(news);
    },
    settle() {
      const present = came ?? known;
      came = null;
      for (const [session_id, { revision, properties }] of [...known]) {
        if (present.has(session_id)) continue;
        forget(session_id, revision);
        const ended = { type: "STATE", state: "CLOSED", close_reason: null, matches: true };
        tell({ session_id, ...ended, properties, changed_properties: {}, revision });
      }
    },
  };
};
