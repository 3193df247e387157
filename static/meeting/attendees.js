// The list of people as the panel shows it: everybody, or those whom the host's listener sees. Pure.

import { readProperties } from "./person.js";
import { standingOf, strangerOf } from "./scene.js";

/** @import { Sighting } from "./roster.js" */
/** @import { Person, Scene } from "./scene.js" */

const collator = new Intl.Collator();

/**
 * Oneself first, then by name: in a list people look for a name, not for who came first.
 * @param {Scene} scene @param {Sighting[] | null} sightings null: nobody listens, so the room says who is there
 * @returns {Person[]}
 */
export function attendees({ people }, sightings) {
  const known = new Map(people.map((person) => [person.id, person]));
  const listed = sightings?.map((sighting) => seen(sighting, known.get(sighting.id))) ?? people;
  return listed.toSorted((one, other) => Number(other.isMe) - Number(one.isMe) || byName(one, other));
}

/** @param {Sighting} sighting @param {Person} person a listener also sees peers whom the room has not told of yet */
function seen({ id, state, properties }, person = strangerOf(id)) {
  const { name, muted, roles } = readProperties(properties);
  const isSpeaker = person.isSpeaker || standingOf(roles).isSpeaker;
  return { ...person, isSpeaker, muted, state, name: name || person.name };
}

/** @param {Person} one @param {Person} other */
const byName = (one, other) => collator.compare(one.name, other.name) || (one.id < other.id ? -1 : 1);
