/** Other sessions: reading them, acting on them, listening to them. */

import { errorFor } from "./errors.js";
import { makeListen } from "./listening.js";

/** @import * as T from "./internal.js" */

/** @type {T.Aimed} */
const aimed = (target) => {
  const { sessionId: session_id, filter, room } = typeof target === "string" ? { sessionId: target } : target;
  // Without either, some methods would mean this session itself.
  if (session_id === undefined && filter === undefined)
    throw errorFor("INVALID_PARAMS", { hint: "say which: a session's id, or a filter" });
  return { session_id, filter, room };
};

const counted = (/** @type {{ count: number }} */ { count }) => count;

/** @type {T.MakeSessions} */
const makeSessions = (context) => {
  const { link } = context;

  /** @type {T.SessionsPart} */
  const sessions = {
    list: (query = {}) => link.ask("session.list", query),
    async *all(query) {
      /** @type {string | undefined} */
      let after;
      do {
        const page = await sessions.list({ ...query, after });
        yield* page.sessions;
        after = page.more ? page.sessions.at(-1)?.session_id : undefined;
      } while (after);
    },
    count: (query = {}) => link.ask("session.count", query),
    get: (target, keys = ["*F", "*U"]) =>
      link.ask(
        "session.get_properties",
        { ...aimed(target), properties: [keys].flat() },
        ({ properties }) => properties,
      ),
    set(target, properties) {
      const params = { ...aimed(target), properties };
      return params.filter === undefined
        ? link.ask("session.set_properties", params)
        : link.ask("session.set_properties_by_filter", params, counted);
    },
    terminate: (target) => link.ask("session.terminate", aimed(target), counted),
    changeRoles: (target, { add = [], remove = [] }) =>
      link.ask("session.change_roles", { ...aimed(target), add, remove }, counted),
    // Not asked again by itself: a message that was sent after all would come twice.
    send: (target, event, data = null) => link.request("session.send", { ...aimed(target), event, data }, counted),
    observeFor: (target, room, keys) =>
      link.ask("session.observe_for", { ...aimed(target), room, keys: [keys].flat() }, counted),
    listen: makeListen(context),
  };
  return sessions;
};

/** @type {T.PartOf<"sessions">} */
export const partOf = (context) => (context.sessions ??= makeSessions(context));
