// The few ways in which this page makes and changes elements. Text goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} id @returns {HTMLElement} an element that the page's template promises */
export function part(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`The page has no element #${id}.`);
  return node;
}

/**
 * @param {string} tag
 * @param {Record<string, any>} properties attributes, and `text`, `testid`, `on: {event: listener}`
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function el(tag, { text, testid, on = {}, ...attributes } = {}, ...children) {
  const node = document.createElement(tag);
  if (testid) node.dataset.testid = testid;
  if (text !== undefined) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value);
  for (const [event, listener] of Object.entries(on)) node.addEventListener(event, listener);
  node.append(...children);
  return node;
}

/** A picture for the eye only: what it means stands in the text or the label beside it. @param {string} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** Leaves what is right alone, so that live regions do not speak twice. @param {Element} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {Element} node @param {string} name @param {string | number | boolean | null | undefined} value */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value === true ? "" : String(value));
}

/**
 * Make `nodes` the children of `parent`, in that order, moving as few as possible. A browser drops the focus of a node
 * that moves: whoever was using the keyboard there gets it back.
 * @param {Element} parent @param {Element[]} nodes
 */
export function arrange(parent, nodes) {
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const wanted = new Set(nodes);
  for (const child of Array.from(parent.children)) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, index) => {
    if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null);
  });
  if (focused instanceof HTMLElement && focused.isConnected && focused !== document.activeElement) focused.focus();
}

/** @param {{text: string, href?: string}[]} parts @returns {(Node | string)[]} */
export function linked(parts) {
  return parts.map(({ text, href }) =>
    href ? el("a", { text, href, target: "_blank", rel: "noopener noreferrer nofollow" }) : text,
  );
}

/** @param {number} length @returns {string} letters and digits nobody can foresee */
export function randomId(length = 12) {
  const letters = "abcdefghijklmnopqrstuvwxyz0123456789";
  return Array.from({ length }, () => letters[randomBelow(letters.length)]).join("");
}

/** @param {number} limit at most 65,536 @returns {number} */
export function randomBelow(limit) {
  return Math.floor((crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32) * limit);
}
