/** The lists of a room's page: keys, peers and the last changes. */

import { byId, filled, make, stranger } from "./dom.js";

const TAIL = 100;
const VALUE_LENGTH = 4000;
const FLASH_MS = 1200;

/** An id as the admin spells it in its addresses. */
const quoted = (id) => encodeURIComponent(id.replaceAll("_", "_5F"));

/** `page` is what the server said of the room; `edit` and `remove` are called with an entry. */
export const makeRoomView = ({ labels, acts, session, language }, { edit, remove }) => {
  const entries = new Map();
  const rows = new Map();
  const present = new Map();
  let version = 0;
  let count = 0;
  const clock = new Intl.DateTimeFormat(language, { timeStyle: "medium" });
  const day = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });

  const time = (at) => {
    if (!at) return "";
    const when = new Date(at);
    const shown = make("time", "", clock.format(when));
    shown.dateTime = at;
    shown.title = day.format(when);
    return shown;
  };

  const who = (by) => {
    if (!by) return labels.server;
    const name = stranger(by.principal || by.session_id);
    if (!session || !by.session_id) return name;
    const link = make("a", "", name);
    link.href = session.replace("SESSION", () => quoted(by.session_id));
    return link;
  };

  const value = (entry) => {
    if (entry.masked) return make("span", "live-masked", `••• ${filled(labels.bytes, String(entry.bytes))}`);
    const text = JSON.stringify(entry.value, null, 2);
    return make("pre", "", stranger(text.length > VALUE_LENGTH ? `${text.slice(0, VALUE_LENGTH)}…` : text));
  };

  const button = (label, run) => {
    const made = make("button", "button", label);
    made.type = "button";
    made.addEventListener("click", run);
    return made;
  };

  // On a phone there is no head of columns.
  const cell = (className, label, held) => {
    const made = make("td", className, held);
    made.dataset.label = label;
    return made;
  };

  const row = (entry) => {
    const made = make("tr", "", make("th", "", stranger(entry.key)));
    made.firstChild.scope = "row";
    made.dataset.key = entry.key;
    made.append(
      make("td", "live-value", value(entry)),
      cell("live-figure", labels.version, String(entry.version)),
      cell("live-who", labels.by, who(entry.by)),
      cell("live-time", labels.at, time(entry.at)),
    );
    if (acts.set) {
      const label = (text) => `${text}: ${entry.key}`;
      const tools = [button(labels.edit, () => edit(entries.get(entry.key))), button(labels.delete, () => remove(entries.get(entry.key)))];
      tools.forEach((tool) => tool.setAttribute("aria-label", label(tool.textContent)));
      made.append(make("td", "live-tools", ...tools));
    }
    return made;
  };

  const flash = (element) => {
    element.classList.add("live-flash");
    setTimeout(() => element.classList.remove("live-flash"), FLASH_MS);
  };

  const place = (entry, isNews) => {
    const made = row(entry);
    const old = rows.get(entry.key);
    const focused = old?.contains(document.activeElement) ? document.activeElement.textContent : null;
    if (old) old.replaceWith(made);
    else {
      const after = [...rows.keys()].filter((key) => key > entry.key).sort()[0];
      byId("entries").insertBefore(made, after === undefined ? null : rows.get(after));
    }
    rows.set(entry.key, made);
    if (focused) [...made.querySelectorAll("button")].find((tool) => tool.textContent === focused)?.focus();
    if (isNews) flash(made);
  };

  const drop = (key) => {
    rows.get(key)?.remove();
    rows.delete(key);
  };

  const figures = () => {
    byId("room-version").textContent = String(version);
    byId("room-keys").textContent = String(rows.size);
    byId("room-count").textContent = String(count);
    byId("entries").classList.toggle("live-empty", !rows.size);
    byId("entries").dataset.empty = labels.noKeys;
    byId("peers").dataset.empty = labels.nobody;
    byId("tail").dataset.empty = labels.noChanges;
  };

  const exists = (entry) => entry.masked || entry.value !== null;

  const take = (entry, isNews) => {
    entries.set(entry.key, entry);
    if (exists(entry)) place(entry, isNews);
    else drop(entry.key);
  };

  const trail = (...held) => {
    const tail = byId("tail");
    tail.prepend(make("li", "", ...held));
    while (tail.children.length > TAIL) tail.lastChild.remove();
  };

  const trailEntry = (entry) => {
    const what = exists(entry) ? value(entry) : make("em", "", labels.deleted);
    trail(time(entry.at), " ", make("strong", "", stranger(entry.key)), " ", make("span", "live-version", `v${entry.version}`), " ", who(entry.by), " ", what);
  };

  const replaceEntries = (told) => {
    entries.clear();
    rows.clear();
    byId("entries").replaceChildren();
    for (const entry of told) take(entry, false);
  };

  const peerOf = (peer) => {
    const details = [peer.roles.join(", "), ...Object.entries(peer.properties).flatMap(([key, text]) => (text ? [`${key}: ${text}`] : []))];
    const made = make("li", "", who(peer), " ", make("span", "live-quiet", stranger(details.filter(Boolean).join(" · "))));
    if (peer.state !== "ACTIVE") made.append(" ", make("em", "", labels.away));
    return made;
  };

  const showPeers = () => byId("peers").replaceChildren(...[...present.values()].map(peerOf));

  return {
    entry: (key) => entries.get(key),

    state(state) {
      const shown = byId("live-state");
      shown.dataset.state = state;
      shown.textContent = { connecting: labels.connecting, live: labels.live, offline: labels.offline, closed: labels.ended }[state];
    },

    refused(reason) {
      const final = { NOT_FOUND: labels.gone, ACCESS_DENIED: labels.denied }[reason];
      // A connection that was lost asks anew when it is back.
      if (reason === "LOST") return true;
      byId("live-state").dataset.state = final ? "closed" : "offline";
      byId("live-state").textContent = final ?? labels.offline;
      return Boolean(final);
    },

    replace(watched) {
      this.state("live");
      ({ version, count } = watched);
      replaceEntries(watched.entries);
      byId("tail").replaceChildren();
      [...watched.entries].sort((one, other) => one.version - other.version).slice(-TAIL).forEach(trailEntry);
      present.clear();
      for (const peer of watched.peers) present.set(peer.session_id, peer);
      showPeers();
      figures();
    },

    changed(told) {
      ({ version } = told);
      for (const entry of told.changes) {
        take(entry, true);
        trailEntry(entry);
      }
      figures();
    },

    snapshot(told) {
      ({ version } = told);
      replaceEntries(told.entries);
      figures();
    },

    cleared(told) {
      version = 0;
      replaceEntries([]);
      trail(time(new Date().toISOString()), " ", make("em", "", `${labels.cleared} (${told.reason})`));
      figures();
    },

    peers(told) {
      ({ count } = told);
      for (const peer of [...told.joined, ...told.updated]) present.set(peer.session_id, peer);
      for (const { session_id } of told.left) present.delete(session_id);
      showPeers();
      figures();
    },

    message(told) {
      const data = "data" in told ? JSON.stringify(told.data) : "";
      trail(time(told.at), " ", make("em", "", labels.message), " ", make("strong", "", stranger(told.event)), " ", who(told.from), " ", make("span", "", stranger(data)));
    },
  };
};
