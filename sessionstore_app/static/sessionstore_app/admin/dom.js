/** What the admin's pages build their parts with: text is always text. */

/** An element with a class, and with what it holds: nodes, or text. */
export const make = (tag, className = "", ...held) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...held);
  return made;
};

/** A stranger's text, which turns nothing around it. */
export const stranger = (text) => make("bdi", "", text);

/** The element of an id. */
export const byId = (id) => document.getElementById(id);

/** A label with its one blank filled in. */
export const filled = (label, text) => label.replace("%s", () => text);

/** Send a form to an address of the admin; the answer's `result`, or an Error that has what it says as `told`. */
export const post = async (address, fields) => {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  const token = document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
  const response = await fetch(address, { method: "POST", body, headers: { "X-CSRFToken": token } });
  const told = await response.json().catch(() => ({ error: { message: `${response.status} ${response.statusText}` } }));
  if (told.error) throw Object.assign(new Error(told.error.message), { told: told.error });
  return told.result;
};
