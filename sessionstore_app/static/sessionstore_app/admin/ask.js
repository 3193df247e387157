/** Questions and news that the page waits with, in a dialog of its own. */

import { make } from "./dom.js";

/** Ask; true if it was answered with yes. Without `no`, it is news, and there is one button. */
export const ask = (text, yes, no = "") =>
  new Promise((resolve) => {
    const dialog = make("dialog", "live-dialog live-ask");
    const button = (label, value, kind) => {
      const made = make("button", `button ${kind}`, label);
      made.value = value;
      return made;
    };
    const form = make("form", "live-form", make("p", "", text));
    form.method = "dialog";
    form.append(make("p", "live-tools", button(yes, "yes", "default"), ...(no ? [button(no, "no", "")] : [])));
    dialog.append(form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
