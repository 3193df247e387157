/** All text that an inspector shows, in English. `{…}` stands for what is put in. */

/** @typedef {typeof LABELS} Labels */
/** @typedef {keyof Labels} Label */

export const LABELS = {
  title: "Session store inspector",
  close: "Close the inspector",
  taller: "Make the inspector taller",
  sections: "Section",
  idle: "no socket",
  connecting: "connecting",
  open: "open",
  reconnecting: "reconnecting",
  closed: "closed",
  degraded: "store away",
  closedBy: "{code} {reason}",
  retryIn: "again in {seconds} s",
  latency: "{ms} ms",
  latencyTitle: "The last round trip",
  pendingWrites: "{count} writes wait",
  session: "Session",
  noSession: "No session is open yet.",
  sessionId: "Id",
  principal: "Principal",
  anonymous: "anonymous",
  roles: "Roles",
  permissions: "Permissions",
  server: "Server",
  resumed: "Resumed",
  yes: "yes",
  no: "no",
  none: "none",
  properties: "Properties",
  rooms: "Rooms",
  noRooms: "The page is in no room.",
  watched: "watched",
  epoch: "epoch",
  version: "version",
  key: "Key",
  value: "Value",
  versions: "Version",
  written: "Written",
  noKeys: "No key has a value here.",
  moreKeys: "{count} more keys",
  unfollowed: "Read once: the page is not told when it changes.",
  maskedValue: "masked, {size}",
  byServer: "server",
  byYou: "you",
  peers: "Peers",
  morePeers: "{count} more peers",
  you: "you",
  away: "away",
  joinedAt: "joined {time}",
  frames: "Frames",
  noFrames: "No frame yet.",
  noMatch: "No frame matches.",
  filter: "Filter frames",
  pause: "Hold the list still",
  newFrames: "{count} new",
  clear: "Clear the list",
  in: "in",
  out: "out",
  batch: "batch of {count}",
  unreadable: "unreadable",
  binary: "binary",
  cut: "… the rest of {size} was not kept",
  bytes: "{count} B",
  kilobytes: "{count} KB",
};

/** @param {string} text @param {Record<string, unknown>} values */
export const fill = (text, values) =>
  text.replace(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(values, name) ? String(values[name]) : whole));

/** @typedef {(label: Label, values?: Record<string, unknown>) => string} Say */

/** @param {Partial<Labels>} labels @returns {Say} */
export const sayer = (labels) => {
  const all = { ...LABELS, ...labels };
  return (label, values = {}) => fill(all[label], values);
};
