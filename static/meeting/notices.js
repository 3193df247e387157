// What changed between two scenes for the very person who looks at this page. Shown to the eye and read out alike.

/** @import { Scene } from "./scene.js" */
/** @typedef {{text: string, tone: "plain" | "beam"}} Notice */

/** @param {Scene | null} before @param {Scene} after @returns {Notice[]} */
export function notices(before, after) {
  if (!before?.me || !after.me) return [];
  return [
    ...turned(before.me.inSpotlight, after.me.inSpotlight, [
      { text: "You are in the spotlight.", tone: "beam" },
      { text: "You are no longer in the spotlight.", tone: "plain" },
    ]),
    ...turned(before.muted, after.muted, [
      { text: "The host muted you: you can read the chat, but not write.", tone: "plain" },
      { text: "You can write in the chat again.", tone: "plain" },
    ]),
    ...turned(before.me.isSpeaker, after.me.isSpeaker, [
      { text: "You are a speaker now: you can pin messages.", tone: "plain" },
      { text: "You are no longer a speaker: you can read what is pinned, but not pin.", tone: "plain" },
    ]),
  ];
}

/** @param {boolean} was @param {boolean} is @param {[Notice, Notice]} told when it begins, and when it ends */
const turned = (was, is, [begins, ends]) => (was === is ? [] : [is ? begins : ends]);
