/** The few ways in which the inspector makes and changes elements. Text goes in as text, never as markup. */

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {string | number | boolean | null | undefined} Attribute */

/**
 * @param {string} tag
 * @param {Record<string, any>} [properties] attributes, and `text`, `on: {event: listener}`
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function el(tag, { text, on = {}, ...attributes } = {}, ...children) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value);
  for (const [event, listener] of Object.entries(on)) node.addEventListener(event, listener);
  node.append(...children);
  return node;
}

/**
 * What others wrote: its direction is its own.
 * @param {string} tag @param {string} text @param {string} [name] of a class
 */
export const foreign = (tag, text, name) => el(tag, { text, dir: "auto", class: name });

/** A picture for the eye only. @param {string} path */
export function icon(path) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

/** @param {Element} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {Element} node @param {string} name @param {Attribute} value */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value === true ? "" : String(value));
}

/**
 * Makes `nodes` the children of `parent`, in that order. What stays where it is is not touched, so that it keeps its
 * focus, its selection and what is open in it.
 * @param {Element} parent @param {Element[]} nodes
 */
export function arrange(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of Array.from(parent.children)) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, index) => {
    if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null);
  });
}

/**
 * The views of things that have a name: made when a thing is new, dropped when it is gone.
 * @template Thing
 * @template {{node: Element}} View
 */
export class Views {
  /** @type {Map<string | number, View>} */
  #views = new Map();

  /** @param {Element} parent @param {(thing: Thing) => View} make */
  constructor(parent, make) {
    this.parent = parent;
    this.make = make;
  }

  /** @param {[string | number, Thing][]} things @param {(view: View, thing: Thing, isNew: boolean) => void} update */
  show(things, update) {
    const before = this.#views;
    this.#views = new Map();
    for (const [name, thing] of things) {
      const view = before.get(name) ?? this.make(thing);
      this.#views.set(name, view);
      update(view, thing, !before.has(name));
    }
    arrange(
      this.parent,
      [...this.#views.values()].map(({ node }) => node),
    );
  }
}
