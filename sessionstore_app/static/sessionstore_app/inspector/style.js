/** How an inspector looks. A constructed sheet of its own shadow: a strict Content-Security-Policy allows it. */

import { frames } from "./style/frames.js";
import { ground } from "./style/ground.js";
import { panel } from "./style/panel.js";
import { rooms } from "./style/rooms.js";
import { session } from "./style/session.js";
import { sizes } from "./style/sizes.js";

// What comes later changes what came before.
export const css = [ground, panel, session, rooms, frames, sizes].join("\n");
