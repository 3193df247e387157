// The connection, in one word and one dot, and how much still waits to be sent: nobody should close the tab too soon.

import { setAttribute, setText } from "./dom.js";

const SHOWN_AS = new Map([
  ["open", "open"],
  ["closed", "closed"],
]);

/**
 * @typedef {{state: string, pending: number, latencyMs?: number | null, degraded?: boolean, reason?: string}} Status
 */

/**
 * @param {Status} status @param {boolean} online
 * @returns {string}
 */
export function connectionText({ state, pending, degraded }, online) {
  if (state === "open") return degraded ? "Slow connection" : "Connected";
  if (state === "closed") return "Disconnected";
  if (state === "connecting") return "Connecting…";
  const waiting = pending === 0 ? "" : pending === 1 ? " · 1 change waiting" : ` · ${pending} changes waiting`;
  return (online ? "Reconnecting…" : "Offline") + waiting;
}

export class Connection {
  /** @param {HTMLElement} node */
  constructor(node) {
    this.node = node;
    this.text = node.querySelector(".connection__text") ?? node;
    /** @type {Status} */
    this.last = { state: "connecting", pending: 0 };
    for (const event of ["online", "offline"]) window.addEventListener(event, () => this.render(this.last));
  }

  /** @param {Status} status */
  render(status) {
    this.last = status;
    setAttribute(this.node, "data-state", SHOWN_AS.get(status.state) ?? "reconnecting");
    setAttribute(this.node, "data-pending", status.pending);
    setText(this.text, connectionText(status, navigator.onLine));
    const { latencyMs } = status;
    const measured = status.state === "open" && typeof latencyMs === "number";
    setAttribute(this.node, "title", measured ? `Round trip ${Math.round(latencyMs)} ms` : null);
  }
}
