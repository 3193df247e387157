// What the page shows, computed from what the room knows. Pure: the same facts give the same scene on every screen.

import { toneOf } from "./palette.js";
import { readPerson, readProperties } from "./person.js";
import { readPins } from "./pinlist.js";
import { HOST, rankOf, SPEAKER } from "./roles.js";

const UNKNOWN = "Guest";

/**
 * @typedef {{session_id: string, roles: readonly string[], state: string, properties?: unknown}} Peer
 * @typedef {{me: string, roles: readonly string[], properties: unknown, may: May, peers: Peer[], count: number,
 *            persons: Map<string, unknown>, hands: Map<string, number>, spotlight: unknown, pinned: unknown,
 *            notes: unknown}} Facts
 * @typedef {{id: string, name: string, color: string, known: boolean, state: string, isHost: boolean, isMe: boolean,
 *            isSpeaker: boolean, muted: boolean, handPlace: number, inSpotlight: boolean}} Person
 * @typedef {{people: Person[], count: number, me: Person | null, role: string, manages: boolean, may: May,
 *            muted: boolean, spotlight: Person | null, pins: {id: string, text: string, pinnedBy: string}[],
 *            notes: string}} Scene
 */

/** @import { May } from "./rights.js" */

/**
 * Whose turn it is: 1 for the hand that was up first. By the version the server gave each hand, because clocks of
 * different machines disagree.
 * @param {Peer[]} peers @param {Map<string, number>} hands @returns {Map<string, number>}
 */
export function handPlaces(peers, hands) {
  const raised = peers.map((peer) => peer.session_id).filter((id) => hands.has(id));
  raised.sort((one, other) => Number(hands.get(one)) - Number(hands.get(other)));
  return new Map(raised.map((id, index) => [id, index + 1]));
}

/** The spotlight first, then raised hands in their order, then everybody as they joined. @param {Person[]} people */
export function tileOrder(people) {
  const rank = (/** @type {Person} */ person) => (person.inSpotlight ? 0 : person.handPlace || Infinity);
  return people
    .map((person, index) => ({ person, index, rank: rank(person) }))
    .sort((one, other) => (one.rank === other.rank ? one.index - other.index : one.rank - other.rank))
    .map(({ person }) => person);
}

/** What roles make of somebody. @param {string[]} roles */
export function standingOf(roles) {
  return { isHost: roles.includes(HOST), isSpeaker: roles.includes(SPEAKER) };
}

/** Somebody of whom nothing is known but the id. @param {string} id @returns {Person} */
export function strangerOf(id) {
  const standing = { isHost: false, isMe: false, isSpeaker: false, muted: false, handPlace: 0, inSpotlight: false };
  return { id, name: UNKNOWN, color: toneOf(id), known: false, state: "ACTIVE", ...standing };
}

/** @param {Facts} facts @returns {Scene} */
export function describe(facts) {
  const places = handPlaces(facts.peers, facts.hands);
  const people = facts.peers.map(({ session_id: id, state, roles, properties }) => {
    const stored = readPerson(facts.persons.get(id), id);
    const { name: said, muted, roles: everywhere } = readProperties(properties);
    const name = said || stored.name;
    return {
      ...strangerOf(id),
      ...standingOf([...roles, ...everywhere]),
      muted,
      name: name || UNKNOWN,
      color: stored.color,
      known: name !== "",
      state,
      isMe: id === facts.me,
      handPlace: places.get(id) ?? 0,
      inSpotlight: id === facts.spotlight,
    };
  });
  const { muted, roles } = readProperties(facts.properties);
  const role = rankOf([...facts.roles, ...roles]);
  return {
    people: tileOrder(people),
    count: facts.count,
    me: people.find((person) => person.isMe) ?? null,
    role,
    manages: role === HOST,
    may: facts.may,
    muted,
    spotlight: people.find((person) => person.inSpotlight) ?? null,
    pins: readPins(facts.pinned),
    notes: typeof facts.notes === "string" ? facts.notes : "",
  };
}
