/**
 * `<session-store-inspector>`: when it is rendered, and what it is given. It floats above the page while it has the
 * attribute `open`; with `inline` it stands where it is written.
 */

import { pageHub } from "./hub.js";
import { sayer } from "./labels.js";
import { Panel } from "./panel.js";
import { css } from "./style.js";

/** @import { Session } from "../sdk/index.js" */
/** @import { Hub } from "./hub.js" */
/** @import { Labels } from "./labels.js" */
/** @import { Attached } from "./panel.js" */

const sheet = new CSSStyleSheet();
sheet.replaceSync(css);

export class SessionStoreInspector extends HTMLElement {
  static observedAttributes = ["open"];

  #root = this.attachShadow({ mode: "open" });
  #hub = pageHub;
  /** @type {Partial<Labels>} */
  #labels = {};
  /** @type {Attached | null} */
  #attached = null;
  #panel = this.#makePanel();
  #isDue = false;
  #isSeen = false;
  /** @type {Element | null} */
  #opener = null;
  /** @type {(() => void)[]} */
  #stops = [];
  #stopSession = () => {};

  constructor() {
    super();
    this.#root.adoptedStyleSheets = [sheet];
    this.#root.append(this.#panel.node);
    this.#root.addEventListener("animationend", ({ target }) => {
      if (target instanceof Element) target.removeAttribute("data-flash");
    });
    this.#root.addEventListener("keydown", (event) => this.#escape(/** @type {KeyboardEvent} */ (event)));
  }

  /** Whom it asks. Default: the page's own, to which `tapped()` reports. */
  get hub() {
    return this.#hub;
  }

  set hub(/** @type {Hub} */ hub) {
    this.#hub = hub;
    this.#remake();
  }

  /** Texts in another language, of those in `LABELS`. */
  get labels() {
    return this.#labels;
  }

  set labels(/** @type {Partial<Labels>} */ labels) {
    this.#labels = labels;
    this.#remake();
  }

  /** The SDK's session, which knows more of the connection: when it tries again, and how many writes wait. */
  get session() {
    return this.#attached?.session ?? null;
  }

  set session(/** @type {Session | null} */ session) {
    this.#stopSession();
    this.#stopSession = () => {};
    this.#attached = null;
    if (session)
      this.#stopSession = session.onState((_, detail) => {
        this.#attached = { session, detail };
        this.#changed();
      });
    this.#changed();
  }

  get open() {
    return this.hasAttribute("open");
  }

  set open(/** @type {boolean} */ open) {
    this.toggleAttribute("open", open);
  }

  get inline() {
    return this.hasAttribute("inline");
  }

  connectedCallback() {
    const seen = new IntersectionObserver((entries) => {
      this.#isSeen = entries.some(({ isIntersecting }) => isIntersecting);
      this.#changed();
    });
    // A wider panel has room for sections that were left out before.
    const sized = new ResizeObserver(() => this.#changed());
    seen.observe(this);
    sized.observe(this);
    this.#stops = [() => seen.disconnect(), () => sized.disconnect(), this.#hub.onChange(() => this.#changed())];
  }

  disconnectedCallback() {
    for (const stop of this.#stops.splice(0)) stop();
    this.#isSeen = false;
  }

  /** @param {string} _ @param {string | null} before @param {string | null} now */
  attributeChangedCallback(_, before, now) {
    if ((before === null) === (now === null) || !this.isConnected) return;
    if (now !== null) {
      this.#opener = document.activeElement;
      if (!this.inline) this.#panel.title.focus();
    } else if (this.#opener instanceof HTMLElement && this.matches(":focus-within")) this.#opener.focus();
    this.dispatchEvent(new Event("toggle"));
  }

  /** In a search field the key empties the field first. @param {KeyboardEvent} event */
  #escape({ key, target }) {
    const isSearching = target instanceof HTMLInputElement && target.value;
    if (key === "Escape" && !this.inline && !isSearching) this.open = false;
  }

  #makePanel() {
    return new Panel(sayer(this.#labels), {
      close: () => (this.open = false),
      grow: () => this.toggleAttribute("tall"),
      clear: () => this.#hub.clearFrames(),
      changed: () => this.#changed(),
    });
  }

  #remake() {
    const old = this.#panel.node;
    this.#panel = this.#makePanel();
    old.replaceWith(this.#panel.node);
    if (!this.isConnected) return;
    this.disconnectedCallback();
    this.connectedCallback();
  }

  /** However many frames came: once for all of them, and not at all where nobody sees it. */
  #changed() {
    if (this.#isDue || !this.#isSeen) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      if (this.#isSeen) this.#panel.render(this.#hub.picture, this.#attached);
    });
  }
}
