/** Defines `<session-store-inspector>`, and gives the WebSocket that tells it. */

import { SessionStoreInspector } from "./element.js";

export { Hub } from "./hub.js";
export { LABELS } from "./labels.js";
export { tapped } from "./tap.js";
export { SessionStoreInspector };

const NAME = "session-store-inspector";
if (!customElements.get(NAME)) customElements.define(NAME, SessionStoreInspector);
