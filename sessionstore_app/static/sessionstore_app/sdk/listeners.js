/** Callbacks. */

/** @import * as T from "./internal.js" */

/** @type {T.Guarded} */
export const guarded = (logger, listener, ...news) => {
  try {
    listener(...news);
  } catch (error) {
    logger.error("sessionstore: a listener failed", error);
  }
};

/** @type {T.MakeListeners} */
export const makeListeners = (logger) => {
  const boxes = new Set();
  return {
    on(topic, listener, ...now) {
      const box = { topic, listener };
      boxes.add(box);
      if (now.length) guarded(logger, listener, ...now);
      return () => void boxes.delete(box);
    },
    emit(topic, ...news) {
      for (const box of [...boxes]) if (box.topic === topic && boxes.has(box)) guarded(logger, box.listener, ...news);
    },
  };
};
