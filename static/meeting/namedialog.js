// Asks for a name, where this tab has none yet.

import { cleanName, isNamed, keepName, keptName, NAME_LENGTH } from "./person.js";

/**
 * @param {HTMLDialogElement} dialog @param {HTMLInputElement} input
 * @returns {Promise<string>} the name, once there is one
 */
export function askName(dialog, input) {
  if (isNamed()) return Promise.resolve(keptName());
  input.value = keptName();
  input.maxLength = NAME_LENGTH;
  // Nothing stands behind this dialog yet, so Escape must not close it.
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.showModal();
  input.select();
  return new Promise((resolve) => {
    dialog.addEventListener("submit", (event) => {
      event.preventDefault();
      const name = cleanName(input.value);
      input.setCustomValidity(name ? "" : "Please say what the others may call you.");
      if (!name) return input.reportValidity();
      keepName(name);
      dialog.close();
      return resolve(name);
    });
    input.addEventListener("input", () => input.setCustomValidity(""));
  });
}
