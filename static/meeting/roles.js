// Roles: those of a session in its room, and those it has everywhere, which are in its property `$Roles`.

export const HOST = "host";
export const SPEAKER = "speaker";
export const GUEST = "guest";

/** The one that says most. @param {readonly string[]} roles @returns {string} */
export const rankOf = (roles) => [HOST, SPEAKER].find((role) => roles.includes(role)) ?? GUEST;

/** What `$Roles` holds: names in quotes, joined by commas. @param {unknown} text @returns {string[]} */
export function rolesIn(text) {
  const names = typeof text === "string" ? text.matchAll(/"((?:[^"\\]|\\.)*)"/gsu) : [];
  return Array.from(names, ([, name]) => name.replace(/\\(.)/gsu, "$1"));
}
