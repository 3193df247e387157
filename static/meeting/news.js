// What changed between two scenes, in words for people who do not see the tiles move. What concerns the very person who
// looks at this page is shown as well, by `notices`.

const MOST = 3;

/** @import { Person, Scene } from "./scene.js" */
/** @typedef {Map<string, Person>} People */

/**
 * @param {Scene | null} before @param {Scene} after
 * @returns {string[]} at most three sentences; a crowd is told as a number
 */
export function news(before, after) {
  if (!before) return [];
  const told = [
    ...comings(known(before), known(after)),
    ...hands(known(before), known(after)),
    ...spotlight(before.spotlight, after.spotlight),
    ...host(before, after),
  ];
  return told.length > MOST ? [`${after.count} people are here now.`] : told;
}

/** @param {Scene} scene @returns {People} */
const known = (scene) => new Map(scene.people.filter((person) => person.known).map((person) => [person.id, person]));

/** @param {People} before @param {People} after */
function comings(before, after) {
  const joined = [...after.values()].filter((person) => !before.has(person.id) && !person.isMe);
  const left = [...before.values()].filter((person) => !after.has(person.id) && !person.isMe);
  return [...joined.map(({ name }) => `${name} joined.`), ...left.map(({ name }) => `${name} left.`)];
}

/** @param {People} before @param {People} after */
function hands(before, after) {
  return [...after.values()].flatMap((person) => {
    const was = before.get(person.id)?.handPlace ?? 0;
    if (Boolean(was) === Boolean(person.handPlace) || person.isMe) return [];
    return [person.handPlace ? `${person.name} raised a hand.` : `${person.name} lowered the hand.`];
  });
}

/** @param {Person | null} before @param {Person | null} after */
function spotlight(before, after) {
  if (before?.id === after?.id) return [];
  if (!after) return before?.isMe ? [] : ["Nobody is in the spotlight now."];
  return after.isMe ? [] : [`${after.name} is in the spotlight.`];
}

/** @param {Scene} before @param {Scene} after */
const host = (before, after) => (after.manages && !before.manages && before.me ? ["You are the host now."] : []);
