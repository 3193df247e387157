// The landing page: a name, a meeting, and in.

import { part, randomBelow } from "./dom.js";
import { cleanName, keepName, keptName, NAME_LENGTH } from "./person.js";
import { cleanRoom, inventRoom, meetingPath } from "./roomname.js";

const form = /** @type {HTMLFormElement} */ (part("door"));
const name = /** @type {HTMLInputElement} */ (part("name"));
const room = /** @type {HTMLInputElement} */ (part("room"));
const suggestion = inventRoom(randomBelow);

name.value = keptName();
name.maxLength = NAME_LENGTH;
room.placeholder = suggestion;
(name.value ? room : name).focus();

for (const field of [name, room]) field.addEventListener("input", () => field.setCustomValidity(""));

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const me = cleanName(name.value);
  const where = room.value.trim() ? cleanRoom(room.value) : suggestion;
  name.setCustomValidity(me ? "" : "Please say what the others may call you.");
  room.setCustomValidity(where ? "" : "This name cannot be part of an address. Try letters or digits.");
  if (!form.reportValidity()) return;
  keepName(me);
  window.location.assign(meetingPath(where));
});
