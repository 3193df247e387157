"""What somebody may read of a room's keys: equal sights are told the same, so a change is encoded once for each.

A sight without `own` is the same for all of one role. Keys in `own` are shown to whoever wrote their present value, and
that differs from peer to peer.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sessionstore_app.core.definitions import Definition
from sessionstore_app.core.entries import Author, Entry
from sessionstore_app.core.rules import Rule, Standing, owns


@dataclass(frozen=True, slots=True)
class Sight:
    """What is hidden from somebody, by the places of the declared keys; `own` are shown if it wrote them."""

    hidden: frozenset[int]
    own: frozenset[int]
    # Whose own; None where nothing depends on it.
    who: Author | None
    of: Definition = field(repr=False)

    def shows(self, key: str) -> bool:
        """May it read this key, whoever wrote it?"""
        found = self.of.key(key)
        return found is not None and found.position not in self.hidden and found.position not in self.own

    def shows_own(self, key: str) -> bool:
        """May it read this key if it wrote what is there?"""
        found = self.of.key(key)
        return found is not None and found.position in self.own

    def owns(self, by: Author | None) -> bool:
        """Is it this author, or another session of the same principal?"""
        return self.who is not None and owns(self.who.session_id, self.who.principal, by)

    def shows_entry(self, entry: Entry) -> bool:
        """May it read this entry? What an own key held before it was deleted is nobody's."""
        return self.shows(entry.key) or (self.shows_own(entry.key) and (not entry.version or self.owns(entry.by)))

    def rule(self, key: str) -> Rule:
        """The rule of who may read a key."""
        found = self.of.key(key)
        return Rule(frozenset()) if found is None else found.read

    def can_name(self, key: str) -> bool:
        """May it ask for this key at all?"""
        return self.shows(key) or self.shows_own(key)


def sight(definition: Definition, who: Standing) -> Sight | None:
    """What it may read in a room of this type; None: everything."""
    # Where keys that are not declared are refused, what an earlier version of the type left behind is nobody's to read.
    if who.is_server or (definition.is_read_by_all and definition.extra is not None):
        return None
    hidden: set[int] = set()
    own: set[int] = set()
    for each in definition.guarded:
        if not each.read.allows(who):
            (own if each.read.names_owner else hidden).add(each.position)
    return Sight(frozenset(hidden), frozenset(own), _author(who) if own else None, definition)


def _author(who: Standing) -> Author:
    return Author(who.session_id, who.principal)
