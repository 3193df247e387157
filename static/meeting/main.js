// The meeting page: puts the parts together and decides what is shown when.

import { connect } from "../sessionstore_app/sdk/index.js";
import { Chat } from "./chat.js";
import { Confirm } from "./confirm.js";
import { Connection } from "./connection.js";
import { part, setAttribute, setText } from "./dom.js";
import { ending } from "./endings.js";
import { Invite } from "./invite.js";
import { Meeting } from "./meeting.js";
import { askName } from "./namedialog.js";
import { news } from "./news.js";
import { Notes } from "./notes.js";
import { notices } from "./notices.js";
import { People } from "./people.js";
import { PeopleKept } from "./peoplekept.js";
import { Pins } from "./pins.js";
import { RoleChip } from "./rolechip.js";
import { Sheet } from "./sheet.js";
import { Stage } from "./stage.js";
import { storageFor, tabStorage } from "./tabstorage.js";
import { Tiles } from "./tiles.js";
import { Toasts } from "./toast.js";
import { Unseen } from "./unseen.js";

/** @import { Session } from "../sessionstore_app/sdk/index.js" */
/** @import { Scene } from "./scene.js" */

const page = part("meeting");
const roomTitle = page.dataset.room ?? "";
const toasts = new Toasts(part("toasts"));
const connection = new Connection(part("connection"));

const unseen = new Unseen({ toggle: part("chat-toggle"), badge: part("chat-unseen") });
const chatSheet = new Sheet(
  { panel: part("chat"), toggle: part("chat-toggle"), close: part("chat-close"), first: part("chat-input") },
  { fixed: true },
);
const peopleSheet = new Sheet({
  panel: part("people"),
  toggle: part("people-toggle"),
  close: part("people-close"),
  first: part("people-title"),
});
chatSheet.onShow((open) => {
  if (open) unseen.clear();
  if (open && chatSheet.narrow.matches) peopleSheet.show(false);
});
peopleSheet.onShow((open) => open && chatSheet.show(false));
part("scrim").addEventListener("click", () => [chatSheet, peopleSheet].forEach((sheet) => sheet.show(false)));

new Invite(
  {
    buttons: [part("invite-button"), part("alone-invite")],
    dialog: /** @type {HTMLDialogElement} */ (part("invite-dialog")),
    field: /** @type {HTMLInputElement} */ (part("invite-link")),
  },
  (text) => toasts.show(text),
);

part("rejoin-button").addEventListener("click", () => window.location.reload());

start();

/**
 * The inspector, where the server is in debug mode: its page alone has a place for it, and no other even loads it.
 * @returns {Promise<{WebSocket?: typeof WebSocket, attach: (session: Session) => void}>}
 */
async function inspector() {
  const toggle = document.getElementById("inspect-toggle");
  if (!toggle) return { attach() {} };
  const { SessionStoreInspector, tapped } = await import("../sessionstore_app/inspector/index.js");
  const element = part("inspector");
  if (!(element instanceof SessionStoreInspector)) throw new TypeError("not upgraded");
  toggle.addEventListener("click", () => (element.open = !element.open));
  element.addEventListener("toggle", () => setAttribute(toggle, "aria-expanded", String(element.open)));
  return { WebSocket: tapped(), attach: (session) => (element.session = session) };
}

async function start() {
  const inspected = inspector();
  const dialog = /** @type {HTMLDialogElement} */ (part("name-dialog"));
  const name = await askName(dialog, /** @type {HTMLInputElement} */ (part("name")));
  try {
    const client = { name: "meeting page", version: "1" };
    const storage = storageFor(tabStorage(), roomTitle);
    const { WebSocket, attach } = await inspected;
    const session = await connect({ client, properties: { name }, storage, logger: console, WebSocket });
    attach(session);
    const meeting = await Meeting.enter(session, `meeting/${roomTitle}`, name, (error) => toasts.refusal(error));
    run(meeting);
  } catch (error) {
    console.error(error);
    const { reason, hint } = /** @type {import("./meeting.js").Refusal} */ (error);
    end(reason, hint);
  }
}

/** @param {Meeting} meeting */
function run(meeting) {
  const chat = chatOf(meeting);
  const tiles = new Tiles(part("tiles"), (id) => meeting.toggleSpotlight(id));
  const stage = new Stage(part("stage"), (id) => meeting.toggleSpotlight(id));
  const pins = new Pins(part("pins"), (id) => meeting.unpin(id));
  const people = peopleOf(meeting);
  const told = teller(meeting);
  const role = new RoleChip({
    button: part("role-button"),
    text: part("role-text"),
    dialog: /** @type {HTMLDialogElement} */ (part("rights-dialog")),
  });
  const field = /** @type {HTMLTextAreaElement} */ (part("notes"));
  const notes = new Notes({ part: part("notes-part"), field }, (text) => meeting.write(text));

  chat.open(meeting.epoch);
  meeting.onChat((message) => chat.receive(message));
  meeting.onCleared((epoch) => chat.open(epoch));
  meeting.onScene((scene) => {
    for (const shown of [tiles, stage, pins, chat, people, role, notes, told]) shown.render(scene);
  });
  meeting.onConnection((status) => {
    connection.render(status);
    if (status.state === "closed") end(status.reason);
  });
  part("hand-button").addEventListener("click", () => meeting.toggleHand());
  part("leave-button").addEventListener("click", () => meeting.leave());
  // Until here a click or an Enter would have been lost.
  for (const id of ["bar", "chat-form"]) part(id).inert = false;
}

/** @param {Meeting} meeting */
function chatOf(meeting) {
  const nodes = {
    log: part("chat-log"),
    form: /** @type {HTMLFormElement} */ (part("chat-form")),
    input: /** @type {HTMLInputElement} */ (part("chat-input")),
    send: /** @type {HTMLButtonElement} */ (part("chat-send")),
    empty: part("chat-empty"),
    muted: part("chat-muted"),
  };
  return new Chat(nodes, roomTitle, {
    say: (message) => meeting.say(message),
    pin: (message) => meeting.pin(message),
    unpin: (id) => meeting.unpin(id),
    heard: (message) => {
      // A closed sheet is no live region: say here that something came.
      if (!chatSheet.hidden) return;
      setText(part("news"), `New message from ${message.name || "a guest"}.`);
      unseen.add();
    },
  });
}

/** @param {Meeting} meeting */
function peopleOf(meeting) {
  const nodes = {
    title: part("people-title"),
    form: /** @type {HTMLFormElement} */ (part("people-filter")),
    input: /** @type {HTMLInputElement} */ (part("filter-input")),
    fault: part("filter-fault"),
    ready: part("filter-ready"),
    shown: part("people-shown"),
    list: part("people-list"),
    none: part("people-none"),
    foot: part("people-foot"),
    muteAll: part("mute-all"),
  };
  const confirm = new Confirm({
    dialog: /** @type {HTMLDialogElement} */ (part("confirm-dialog")),
    title: part("confirm-title"),
    text: part("confirm-text"),
    yes: part("confirm-yes"),
  });
  const kept = new PeopleKept(tabStorage(), roomTitle);
  const { open } = kept.read();
  const say = (/** @type {string} */ text) => toasts.show(text);
  const people = new People(nodes, meeting, kept, { ask: (question) => confirm.ask(question), say });
  peopleSheet.onShow((shown) => people.show(shown));
  if (open) peopleSheet.show(true, { focus: false });
  return people;
}

/**
 * The small things around the tiles: the count, the hand's button, the hint for who is alone, the spoken news.
 * @param {Meeting} meeting
 */
function teller(meeting) {
  /** @type {Scene | null} */
  let before = null;
  const hand = part("hand-button");
  return {
    /** @param {Scene} scene */
    render(scene) {
      setText(part("people-count"), String(scene.count));
      setAttribute(part("people-toggle"), "aria-label", `People, ${scene.count} here`);
      setAttribute(hand, "aria-pressed", String(meeting.handUp));
      setText(part("hand-label"), meeting.handUp ? "Lower hand" : "Raise hand");
      part("alone").hidden = scene.count !== 1;
      const told = news(before, scene);
      if (told.length) setText(part("news"), told.join(" "));
      for (const { text, tone } of notices(before, scene)) toasts.show(text, tone);
      before = scene;
    },
  };
}

/** The meeting is over for this page; the way back is a fresh start. @param {string} [reason] @param {string} [hint] */
function end(reason, hint) {
  const { title, text } = ending(reason, hint);
  setText(part("ended-title"), title);
  setText(part("ended-text"), text);
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  toasts.clear();
  page.hidden = true;
  part("ended").hidden = false;
  part("ended-title").focus();
}
