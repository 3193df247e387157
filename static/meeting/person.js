// Who I am: the name people see. Kept for the tab first, so that two windows of one browser can be two people.

import { TONES, toneOf } from "./palette.js";
import { rolesIn } from "./roles.js";
import { tidy } from "./text.js";
import { membersOf } from "./untrusted.js";

export const NAME_LENGTH = 40;
const KEPT_AS = "meeting-name";

/** @param {unknown} name @returns {string} */
export const cleanName = (name) => tidy(name, NAME_LENGTH);

/**
 * What the store says of a peer; anybody can write there, so anything else than a name and a known colour is ignored.
 * @param {unknown} value @param {string} id @returns {{name: string, color: string}}
 */
export function readPerson(value, id) {
  const { name, color } = membersOf(value);
  return { name: cleanName(name), color: TONES.find((tone) => tone === color) ?? toneOf(id) };
}

/**
 * What a peer's properties say. Nobody else can set them, but for a host: its name is this one before a stored one.
 * @param {unknown} properties @returns {{name: string, muted: boolean, roles: string[]}}
 */
export function readProperties(properties) {
  const { name, muted, $Roles } = membersOf(properties);
  return { name: cleanName(name), muted: muted === "yes", roles: rolesIn($Roles) };
}

/** @returns {string} the name of this tab, else the last one used in this browser, else nothing */
export function keptName(storages = pageStorages()) {
  return storages.map((storage) => cleanName(read(storage))).find(Boolean) ?? "";
}

/** Whether this very tab was given a name: a reload need not ask again. @returns {boolean} */
export function isNamed([tab] = pageStorages()) {
  return cleanName(read(tab)) !== "";
}

/** @param {string} name */
export function keepName(name, storages = pageStorages()) {
  for (const storage of storages) {
    try {
      storage?.setItem(KEPT_AS, name);
    } catch {
      // Storage is full or forbidden: the name then lives as long as the page.
    }
  }
}

/** @param {Storage | null | undefined} storage */
function read(storage) {
  try {
    return storage?.getItem(KEPT_AS);
  } catch {
    return null;
  }
}

/** Reading one throws where the browser forbids it. @returns {(Storage | null)[]} */
function pageStorages() {
  return [() => window.sessionStorage, () => window.localStorage].map((storage) => {
    try {
      return storage();
    } catch {
      return null;
    }
  });
}
