/** A room's page: what is in the room this second, and what staff do there. */

import "./json-editor.js";
import { ask } from "./ask.js";
import { byId, filled, post } from "./dom.js";
import { live } from "./live.js";
import { makeEditor } from "./roomeditor.js";
import { makeRoomView } from "./roomview.js";

const RETRY_MS = 2000;
const page = JSON.parse(byId("room-page").textContent);
const { room, acts, labels } = page;
const view = makeRoomView(page, {
  edit: (entry) => editor.open(entry),
  remove: async (entry) => {
    const isSure = await ask(filled(labels.sureDelete, entry.key), labels.delete, labels.cancel);
    if (isSure) await act("delete", { key: entry.key, version: entry.version });
  },
});
const editor = makeEditor({ acts, labels, entry: view.entry });

const act = (name, fields) =>
  post(acts[name], fields).catch((error) => {
    ask(filled(labels.failed, [error.message, error.told?.hint].filter(Boolean).join(" ")), labels.understood);
  });

const watch = async (call) => {
  try {
    view.replace(await call("room.watch", { room }));
  } catch (error) {
    // What passes is waited for, as long as this is the connection.
    if (!view.refused(error.reason)) setTimeout(() => call === ring && watch(call), RETRY_MS);
  }
};

/** What a notification does; those of other rooms do not come here. */
const told = {
  "room.changed": view.changed,
  "room.snapshot": view.snapshot,
  "room.cleared": view.cleared,
  "room.peers": view.peers,
  "room.message": view.message,
};

// Looked at only by whoever opens it; but what went over the socket before is there then.
const { tapped } = await import("../inspector/index.js");
let ring = null;
live({
  path: page.socket,
  WebSocket: tapped(),
  changed: view.state,
  opened: (call) => watch((ring = call)),
  notified: (method, params) => {
    if (method === "room.unwatched") watch(ring);
    else if (params.room === room) told[method]?.(params);
  },
});

const inspector = byId("inspector");
inspector.addEventListener(
  "toggle",
  () => {
    const shown = document.createElement("session-store-inspector");
    shown.setAttribute("inline", "");
    inspector.append(shown);
  },
  { once: true },
);

if (acts.set) {
  byId("new-key").addEventListener("click", () => editor.open(null));
  byId("clear-room").addEventListener("click", async () => {
    if (await ask(labels.sureClear, labels.empty, labels.cancel)) await act("clear", {});
  });
  byId("broadcast").addEventListener("submit", async (event) => {
    event.preventDefault();
    const { elements } = event.target;
    const sent = await act("broadcast", { event: elements.event.value, text: elements.text.value });
    byId("broadcast-told").value = sent ? filled(labels.sent, String(sent.peers)) : "";
  });
}
