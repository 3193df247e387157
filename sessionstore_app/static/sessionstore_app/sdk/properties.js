/** Session properties. */

/** @import * as T from "./internal.js" */

/** @type {T.Differences} */
export const differences = (before, after) => {
  const [old, now] = [before, after].map((each) => new Map(Object.entries(each)));
  const changed = [...old.keys(), ...now.keys()].filter((key) => old.get(key) !== now.get(key));
  return Object.fromEntries(changed.map((key) => [key, old.get(key) ?? null]));
};

export const quote = (value = "") => `"${value.replace(/["\\]/g, "\\$&")}"`;
