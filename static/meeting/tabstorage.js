// What this tab keeps over a reload. Storage that is full, broken or forbidden only costs the memory.

export function tabStorage() {
  try {
    return window.sessionStorage;
  } catch {
    return null;
  }
}

/**
 * The part of a storage that belongs to one room. A session that is found again there is the one of this meeting: what
 * a host said of it elsewhere, that it is muted or a speaker, does not come along.
 * @param {Storage | null} storage @param {string} room
 * @returns {Pick<Storage, "getItem" | "setItem" | "removeItem"> | null}
 */
export function storageFor(storage, room) {
  const own = (/** @type {string} */ key) => `${key} ${room}`;
  return storage && {
    getItem: (key) => storage.getItem(own(key)),
    setItem: (key, value) => storage.setItem(own(key), value),
    removeItem: (key) => storage.removeItem(own(key)),
  };
}
