// Why a meeting is over for this page, in words, and whether coming back makes sense.

const LEFT = { title: "You left the meeting", text: "The room stays as it is while somebody is in it." };
const LOST = { title: "The connection is closed", text: "The server ended it. Joining again starts a new one." };
const DENIED = { title: "This meeting is not open to you", text: "The server refused to let you in." };

const BY_REASON = new Map([
  ["CLOSED_BY_CLIENT", LEFT],
  [
    "SESSION_TAKEN_OVER",
    { title: "The meeting moved to another tab", text: "Only one tab can hold a seat. Join again to take a new one." },
  ],
  ["CLOSED_BY_CONTROLLER", { title: "You were removed from the meeting", text: "The host took you out of it." }],
  ["EXPIRED", { title: "Your sign-in has expired", text: "Sign in again, then join again." }],
  ["REVOKED", { title: "Your sign-in has ended", text: "You were signed out, or your rights have changed." }],
  [
    "MESSAGE_QUEUE_LIMIT_REACHED",
    { title: "Your connection could not keep up", text: "Join again when the network is better." },
  ],
]);

/**
 * @param {string | undefined} reason a close reason or an error's reason
 * @param {string | undefined} hint what the server says can be done
 * @returns {{title: string, text: string}}
 */
export function ending(reason, hint) {
  if (reason === "ACCESS_DENIED") return { ...DENIED, text: hint || DENIED.text };
  return BY_REASON.get(reason ?? "") ?? { ...LOST, text: hint || LOST.text };
}
