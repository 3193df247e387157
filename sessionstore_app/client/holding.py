"""What is held of a room's store, and what of it is news to whom. Pure: knows no socket, no clock, no task.

It keeps an entry for each key that matches a wanted pattern, deleted ones too: their version tells a late repeat from
news. A reader is told what is there once the server watches his pattern, then each change once. What this session may
not read any more is held as an entry without a value, and what it may again comes back under the version it has.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sessionstore_app.client.streams import Conflated, Readers
from sessionstore_app.core.entries import Entry
from sessionstore_app.core.patterns import is_exact, pattern_set

NONE: frozenset[str] = frozenset()


class Held:
    """The entries of one room, as far as somebody here wants them."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self.readers: Readers[Conflated] = Readers()
        # Wanted until the room is left, by whoever joined.
        self.kept = NONE
        # Watched by the server.
        self.armed = NONE

    def wanted(self) -> frozenset[str]:
        """The patterns that somebody here wants."""
        return self.kept.union(*(reader.patterns for reader in self.readers))

    def is_complete(self) -> bool:
        """True if the server watches all that is wanted: what is held then needs only what is newer."""
        return self.wanted() <= self.armed

    def present(self) -> dict[str, Entry]:
        """The entries that have a value, by key."""
        return {key: entry for key, entry in self._entries.items() if entry.exists}

    def find(self, key: str) -> Entry | None:
        """The entry of a key, if it has a value."""
        found = self._entries.get(key)
        return found if found is not None and found.exists else None

    # --- news

    def apply(self, news: Iterable[Entry], *, as_of: int = -1) -> None:
        """Take what is newer than what is held. `as_of`: the room's version of which all of it is true, if it is told;
        the answer to a write may be older than what was told since.
        """
        wanted = pattern_set(self.wanted())
        for entry in news:
            if wanted.matches(entry.key):
                self._put(entry, as_of)

    def replace(self, news: Iterable[Entry], version: int | None) -> None:
        """Take this for all there is, as of `version`; None where versions have begun anew."""
        told = list(news)
        if version is None:
            # Whatever comes is newer than anything of another epoch.
            self._entries = {key: replace(entry, version=-1) for key, entry in self._entries.items()}
        as_of = version or 0
        self.apply(told, as_of=as_of)
        for key in self._entries.keys() - {entry.key for entry in told}:
            self._put(Entry(key=key, version=as_of), as_of)

    def arm(self, patterns: Iterable[str]) -> None:
        """The server watches these now, and what there is has been applied."""
        self.armed |= frozenset(patterns)
        self.greet()

    def greet(self) -> None:
        """Tell each reader what is there under those of his patterns that are watched since."""
        for reader in self.readers:
            ready = reader.patterns & self.armed
            fresh = ready - reader.ready
            if not fresh:
                continue
            told, known = pattern_set(fresh), pattern_set(reader.ready)
            reader.ready |= fresh
            for key in filter(is_exact, fresh - self._entries.keys()):
                reader.put(Entry(key=key))
            for key, entry in self._entries.items():
                if told.matches(key) and (key in fresh or (entry.exists and not known.matches(key))):
                    reader.put(entry)

    # --- an end

    def disarm(self, patterns: Iterable[str]) -> None:
        """The server watches these no more; what nobody wants is dropped."""
        self.armed -= frozenset(patterns)
        wanted = pattern_set(self.wanted())
        self._entries = {key: entry for key, entry in self._entries.items() if wanted.matches(key)}

    def refuse(self, pattern: str, error: Exception) -> None:
        """The server does not let this be watched: who asked for it is told."""
        self.kept -= {pattern}
        for reader in self.readers:
            if pattern in reader.patterns:
                reader.end(error)

    def end(self, error: Exception | None) -> None:
        """Nothing more comes. What is held stays readable."""
        self.readers.end(error)
        self.armed = NONE

    def _put(self, entry: Entry, as_of: int) -> None:
        held = self._entries.get(entry.key, Entry(key=entry.key, version=-1))
        turned = entry.exists is not held.exists
        # Rights that come and go show and hide a value, and write nothing.
        if entry.version <= held.version and not (turned and as_of >= held.version):
            return
        self._entries[entry.key] = entry
        if not entry.exists and not turned:
            return
        for reader in self.readers:
            if pattern_set(reader.ready).matches(entry.key):
                reader.put(entry)
