/** Waiting. */

/** @import * as T from "./internal.js" */

/** @type {T.Backoff} */
export const backoff = (random, firstMs, mostMs) => (tries) => random() * Math.min(mostMs, firstMs * 2 ** tries);

/** @type {T.MakeRetryTimer} */
export const makeRetryTimer = (clock, delay, run) => {
  let tries = 0;
  let waiting = 0;

  const stop = () => {
    clock.clearTimeout(waiting);
    waiting = 0;
  };

  const hurry = () => {
    if (!waiting) return;
    stop();
    run();
  };

  return {
    start(atLeastSeconds) {
      stop();
      const ms = Math.max((atLeastSeconds ?? 0) * 1000, delay(tries++));
      waiting = clock.setTimeout(hurry, ms);
      return ms;
    },
    hurry,
    stop,
    reset: () => (tries = 0),
  };
};
