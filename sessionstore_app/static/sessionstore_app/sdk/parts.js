/** Loaded when first used. */

/** @import * as T from "./internal.js" */

/** @type {T.MakePart} */
const makePart = (context, load, names) => {
  const call =
    (name = "") =>
    async (/** @type {any[]} */ ...given) =>
      (await load()).partOf(context)[name](...given);
  return Object.fromEntries(names.split(" ").map((name) => [name, call(name)]));
};

/** @type {T.MakeParts} */
export const makeParts = (context) => {
  const names = "all listen list count get set terminate changeRoles send observeFor";
  const sessions = makePart(context, () => import("./sessions.js"), names);
  return {
    sessions: {
      ...sessions,
      async *all(query) {
        yield* await sessions.all(query);
      },
      listen(...given) {
        const ending = new AbortController();
        sessions.listen(ending.signal, ...given).catch(given[2]?.onClosed ?? context.report);
        return () => ending.abort();
      },
    },
    locks: makePart(context, () => import("./locks.js"), "acquire release get list"),
  };
};
