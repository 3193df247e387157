/** Who is in the room. */

/** @import * as T from "./internal.js" */

/** @type {T.MakePeers} */
export const makePeers = (listeners) => {
  /** @type {Map<string, T.Peer>} */
  const known = new Map();

  /** @type {T.Peers} */
  const peers = {
    list: [],
    count: 0,
    observe: (listener) =>
      listeners.on("peers", listener, { peers: peers.list, count: peers.count, joined: [], left: [], updated: [] }),

    merge({ count, joined = [], left = [], updated = [] }) {
      for (const { session_id } of left) known.delete(session_id);
      for (const peer of [...joined, ...updated]) known.set(peer.session_id, peer);
      peers.list = [...known.values()].sort(
        (a, b) => Date.parse(a.joined_at) - Date.parse(b.joined_at) || (a.session_id < b.session_id ? -1 : 1),
      );
      peers.count = count;
      listeners.emit("peers", { peers: peers.list, count, joined, left, updated });
    },
    replace(all, count) {
      const ids = new Set(all.map(({ session_id }) => session_id));
      const gone = [...known.keys()].filter((id) => all.length >= count && !ids.has(id));
      const left = gone.map((session_id) => ({ session_id, reason: "LEFT" }));
      const joined = all.filter(({ session_id }) => !known.has(session_id));
      peers.merge({ count, joined, left, updated: all.filter(({ session_id }) => known.has(session_id)) });
    },
  };
  return peers;
};
