/** Sizes in UTF-8 bytes. */

import { errorFor } from "./errors.js";

/** @import * as T from "./internal.js" */

export const utf8Bytes = (text = "") => new TextEncoder().encode(text).length;

/** @type {T.AssertWithin} */
export const assertWithin = (reason, text, limit = Infinity) => {
  const actual = utf8Bytes(text);
  if (actual > limit) throw errorFor(reason, { limit, actual });
};
