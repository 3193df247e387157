/**
 * A text area that says, while one types, whether its JSON is strict: `<textarea data-json-editor>`. What is wrong is
 * told with line and column; nothing is forbidden by it, for the server decides. Ctrl+S saves the form.
 *
 * `data-json-optional` allows none, `data-json-object` wants an object, `data-json-depth` is how deep it may be nested.
 * What it says is in the data attributes of `#json-editor-words` (see the template json_words.html).
 */

import { faultOf, indented } from "./json-strict.js";

const PAUSE_MS = 200;

/** In English, where the page brings no words; `{…}` is filled in. */
export const WORDS = {
  at: "Line {line}, column {column}: {fault}",
  good: "This is JSON.",
  format: "Format",
  show: "Show the place",
  empty: "There is nothing.",
  end: "It ends too early.",
  after: "After the value there is more: {detail}",
  unexpected: "A value is expected, not {detail}",
  word: "“{detail}” is no value; text goes in double quotes.",
  number: "“{detail}” is no number of JSON.",
  integer: "The integer is beyond ±(2^53−1); a browser would round it.",
  range: "The number is too large.",
  string: "The string has no end.",
  control: "A line break or control character in a string is written with a backslash.",
  escape: "After a backslash comes one of \" \\ / b f n r t, or u and four digits.",
  nul: "A string holds a NUL character.",
  surrogate: "The string holds half a character (a lone surrogate).",
  quotes: "Strings are in double quotes.",
  name: "A name in double quotes is expected, not {detail}",
  colon: "A colon is expected after the name, not {detail}",
  comma: "A comma is missing before {detail}",
  trailing: "There is a comma after the last one.",
  duplicate: "The name “{detail}” is there twice.",
  depth: "It is nested deeper than {detail} levels.",
  object: "It has to be an object: { … }",
};

const DETAIL_LENGTH = 40;

const words = () => ({ ...WORDS, ...document.getElementById("json-editor-words")?.dataset });

const filled = (text, parts) => text.replace(/\{(\w+)\}/g, (blank, name) => parts[name] ?? blank);

const button = (label) => {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "button";
  made.textContent = label;
  return made;
};

/** Once for the document: its own stylesheet, where the page did not bring it. */
const style = () => {
  const { href } = new URL("./json-editor.css", import.meta.url);
  if ([...document.querySelectorAll("link[rel=stylesheet]")].some((known) => known.href === href)) return;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = href;
  document.head.append(link);
};

let number = 0;

/** Let a text area tell what is wrong with its JSON. Returns what looks at once. */
export const enhance = (area) => {
  const said = words();
  const { jsonDepth, jsonObject, jsonOptional } = area.dataset;
  const options = { deepest: Number(jsonDepth) || undefined, object: jsonObject !== undefined };
  const bar = document.createElement("div");
  const told = document.createElement("p");
  const format = button(said.format);
  const show = button(said.show);
  bar.className = "json-bar";
  told.id = `json-editor-${++number}`;
  told.className = "json-told";
  told.setAttribute("aria-live", "polite");
  bar.append(format, show, told);
  area.after(bar);
  area.spellcheck = false;
  area.setAttribute("aria-describedby", [area.getAttribute("aria-describedby"), told.id].filter(Boolean).join(" "));
  let fault = null;
  let waiting = 0;

  const say = (text, state) => {
    // The same words again would be read out again.
    if (told.textContent !== text) told.textContent = text;
    told.dataset.state = state;
    show.hidden = state !== "bad";
  };

  const look = () => {
    clearTimeout(waiting);
    const isLeftOut = area.value.trim() === "" && (jsonOptional !== undefined || area.value === area.defaultValue);
    fault = isLeftOut ? null : faultOf(area.value, options);
    area.setAttribute("aria-invalid", String(fault !== null));
    if (isLeftOut) return say("", "none");
    if (!fault) return say(said.good, "good");
    const detail = fault.detail.length > DETAIL_LENGTH ? `${fault.detail.slice(0, DETAIL_LENGTH)}…` : fault.detail;
    say(filled(said.at, { ...fault, fault: filled(said[fault.code], { detail }) }), "bad");
  };

  const write = (text) => {
    area.value = text;
    area.dispatchEvent(new Event("input", { bubbles: true }));
  };

  area.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(look, PAUSE_MS);
  });
  format.addEventListener("click", () => {
    look();
    if (!fault && area.value.trim()) write(indented(area.value));
    area.focus();
  });
  show.addEventListener("click", () => {
    area.focus();
    if (fault) area.setSelectionRange(fault.offset, Math.min(fault.offset + 1, area.value.length));
  });
  area.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || event.key.toLowerCase() !== "s" || !area.form) return;
    event.preventDefault();
    const save = area.form.querySelector("[type=submit]");
    area.form.requestSubmit(save ?? undefined);
  });
  look();
  return look;
};

style();
for (const area of document.querySelectorAll("textarea[data-json-editor]")) enhance(area);
