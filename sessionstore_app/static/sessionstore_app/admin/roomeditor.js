/** The dialog that edits a key. It writes only over what it was opened with: a later version is shown beside it. */

import { byId, filled, post } from "./dom.js";

/** `entry(key)` is the entry as it is now. */
export const makeEditor = ({ acts, labels, entry }) => {
  const dialog = byId("editor");
  if (!dialog) return { open() {} };
  const [key, text, fault, conflict] = ["editor-key", "editor-text", "editor-fault", "editor-conflict"].map(byId);
  let version = 0;
  let theirs = null;

  const show = (element, message) => {
    element.hidden = !message;
    if (message) element.textContent = message;
  };

  const write = (value) => {
    text.value = value;
    text.dispatchEvent(new Event("input", { bubbles: true }));
  };

  const pretty = (json) => JSON.stringify(JSON.parse(json), null, 2);

  const clash = ({ current }) => {
    theirs = current;
    byId("conflict-text").textContent = filled(labels.stale, key.value);
    byId("conflict-theirs-title").textContent = filled(labels.theirs, String(current.version));
    byId("conflict-theirs").textContent = current.text ? pretty(current.text) : current.masked ? labels.masked : labels.deleted;
    byId("conflict-yours").textContent = text.value;
    byId("conflict-take").hidden = Boolean(current.masked);
    conflict.hidden = false;
  };

  const save = async () => {
    show(fault, "");
    conflict.hidden = true;
    byId("editor-save").disabled = true;
    try {
      await post(acts.set, { key: key.value, text: text.value, version });
      dialog.close();
    } catch (error) {
      if (error.told?.current) clash(error.told);
      else show(fault, [error.message, error.told?.hint].filter(Boolean).join(" "));
    } finally {
      byId("editor-save").disabled = false;
    }
  };

  byId("editor-form").addEventListener("submit", (event) => {
    event.preventDefault();
    save();
  });
  byId("editor-cancel").addEventListener("click", () => dialog.close());
  byId("conflict-overwrite").addEventListener("click", () => {
    ({ version } = theirs);
    save();
  });
  byId("conflict-take").addEventListener("click", () => {
    ({ version } = theirs);
    write(theirs.text ? pretty(theirs.text) : "null");
    conflict.hidden = true;
  });

  return {
    /** Edit an entry; null begins a new one. */
    open(edited) {
      const now = edited && (entry(edited.key) ?? edited);
      version = now?.version ?? 0;
      byId("editor-title").textContent = now ? filled(labels.editKey, now.key) : labels.newKey;
      byId("editor-key-row").hidden = Boolean(now);
      key.value = now?.key ?? "";
      show(fault, "");
      conflict.hidden = true;
      write(!now || now.masked ? "" : JSON.stringify(now.value, null, 2));
      dialog.showModal();
      (now ? text : key).focus();
    },
  };
};
