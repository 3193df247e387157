"""`manage.py sessionstore_room`: look at rooms and change them from a shell; room types for clients to be written in.

It writes as the server, through the same services as everything else: versions, limits and news hold.
"""

from __future__ import annotations

import asyncio
import difflib
import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from sessionstore_app import conf
from sessionstore_app.core.definitions import Definition
from sessionstore_app.core.entries import Epoch
from sessionstore_app.core.errors import ParseError, SessionStoreError, VersionConflict
from sessionstore_app.core.patterns import EVERYTHING, check_pattern, check_room_name, compiled
from sessionstore_app.management import roomtext
from sessionstore_app.management.roomtext import Shown, entry_data, entry_line, entry_shown
from sessionstore_app.management.typeddicts import typeddicts
from sessionstore_app.management.typescript import typescript
from sessionstore_app.protocol import gate
from sessionstore_app.services import bridge, entrylog, hub, roomtypes
from sessionstore_app.services.news import Peer
from sessionstore_app.services.roomlist import find_room, rooms_matching
from sessionstore_app.services.rooms import rooms
from sessionstore_app.services.roomwatch import Emptied, News, RoomWatch, follow
from sessionstore_app.services.spaces import room_backend

# Exit codes beside 0, 1 (refused, or failed) and argparse's 2.
ABSENT: Final = 3
CONFLICT: Final = 4

Options = Mapping[str, Any]


class Command(BaseCommand):
    """One act a call."""

    help = "List, show, watch and change rooms and their stores."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """An act, and what it is about; or types."""
        self._misused = parser.error
        parser.add_argument(
            "--types",
            nargs="?",
            const="",
            metavar="TYPE",
            help="print room types as TypeScript: this one, that of a room of this name, or all",
        )
        parser.add_argument("--python", action="store_true", help="with --types: as Python instead")
        acts = parser.add_subparsers(dest="act", metavar="ACT")
        listing = self._add(acts, "list", "rooms with their peers, keys, bytes, version and age")
        listing.add_argument("pattern", nargs="?", default="*", help="only these: a name, meeting/*, */lobby or *")
        for act, text in _ABOUT_A_ROOM.items():
            about = self._add(acts, act, text)
            about.add_argument("room")
            if act in ("get", "set", "delete"):
                about.add_argument("key")
            if act == "set":
                about.add_argument(
                    "value", metavar="JSON", help="such as 3, true, '\"text\"' or '{\"a\": 1}'; null deletes"
                )
                about.add_argument("--ttl", type=float, metavar="SECONDS", help="it is deleted after so long")
            if act in ("set", "delete"):
                about.add_argument(
                    "--if-version",
                    type=int,
                    metavar="N",
                    help="only if it has this version; 0: only if it has no value",
                )
            if act == "watch":
                about.add_argument(
                    "--every", type=float, default=1.0, metavar="SECONDS", help="how often to look, by default 1"
                )

    def _add(self, acts: Any, act: str, text: str) -> ArgumentParser:
        parser: ArgumentParser = acts.add_parser(act, help=text, description=text)
        parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
        return parser

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it. Raises CommandError with the code to exit with."""
        act = options["act"]
        try:
            self._check(options)
            if options["types"] is not None:
                language = typeddicts if options["python"] else typescript
                self.stdout.write(language(_types(options["types"])), ending="")
            elif act == "watch":
                self._watch(options)
            else:
                self._print(_ACTS[act](options), as_json=options["as_json"])
        except SessionStoreError as error:
            code = CONFLICT if isinstance(error, VersionConflict) else 1
            raise CommandError(_told(error), returncode=code) from error
        except BrokenPipeError:
            # Whoever read has seen enough; the interpreter would complain once more when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _check(self, options: Options) -> None:
        asks_types = options["types"] is not None
        if asks_types is bool(options["act"]) or (options["python"] and not asks_types):
            self._misused("an act is required, or --types, which takes --python")
        if asks_types:
            return
        if "room" in options:
            check_room_name(options["room"], conf.current().room_length)
        place = room_backend(options.get("room", ""))
        if not place.survives_process and hub.running() is None:
            name = type(place).__name__
            raise CommandError(f"Entries are in the server's own memory ({name}); no other process can see them.")

    def _print(self, shown: Shown, *, as_json: bool) -> None:
        for line in [roomtext.as_json(shown.data)] if as_json else shown.lines:
            self.stdout.write(line)
        self.stdout.flush()

    def _watch(self, options: Options) -> None:
        if not options["every"] > 0:
            raise CommandError("--every is a number of seconds above 0.")
        try:
            asyncio.run(self._print_news(RoomWatch(options["room"]), options))
        except KeyboardInterrupt:
            self._note("Stopped.")

    async def _print_news(self, watch: RoomWatch, options: Options) -> None:
        await watch.look()
        self._note(f"Watching {roomtext.plain(watch.room)} from version {watch.version}. Ctrl-C ends it.")
        async with aclosing(follow(watch, options["every"])) as following:
            async for news in following:
                for line in (line for piece in news for line in _news_lines(piece, as_json=options["as_json"])):
                    self.stdout.write(line)
                self.stdout.flush()

    def _note(self, text: str) -> None:
        # Beside what is printed, but nothing that went wrong.
        self.stderr.write(text, lambda unstyled: unstyled)


def _told(error: SessionStoreError) -> str:
    at = "" if error.current is None else f" It is at version {error.current.version}."
    figures = "" if error.limit is None else f" The limit is {error.limit}, this is {error.actual}."
    cause = f" ({error.__cause__})" if error.__cause__ is not None else ""
    return f"{error}{cause}{at}{figures}"


def _news_lines(news: News, *, as_json: bool) -> list[str]:
    if isinstance(news, Emptied):
        told = {"event": "cleared", "epoch": news.epoch}
        return [roomtext.as_json(told)] if as_json else ["The room was cleared."]
    if as_json:
        return [roomtext.as_json({"event": "changed", **entry_data(entry)}) for entry in news.entries]
    return [entry_line(entry) for entry in news.entries]


def _types(name: str) -> Sequence[Definition]:
    """The room types of that name, or the type of the room of that name; all, if none is named."""
    known = roomtypes.definitions()
    if not known:
        raise CommandError("There are no room types: no app declares any in its rooms.py.")
    if not name:
        return known
    of_room = roomtypes.of(name)
    found = [each for each in known if each.name == name] or ([] if of_room is None else [of_room])
    if not found:
        names = [each.name for each in known]
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        meant = f"Did you mean {close[0]}?" if close else f"There are {', '.join(names)}."
        raise CommandError(f"No room type is named {roomtext.plain(name)}, and no room of that name has one. {meant}")
    return found


# --- acts


def _list(options: Options) -> Shown:
    pattern = check_pattern(options["pattern"], conf.current().room_length)
    return roomtext.rooms_shown(bridge.run(rooms_matching(compiled(frozenset({pattern})))), datetime.now(UTC))


def _show(options: Options) -> Shown:
    room = options["room"]
    found = bridge.run(find_room(room))
    if found is None:
        raise _no_room(room)
    reading = bridge.run(entrylog.read(room, found.epoch, EVERYTHING))
    return roomtext.room_shown(found, _all_peers(room), reading.entries, datetime.now(UTC))


def _all_peers(room: str) -> list[Peer]:
    peers = rooms.peers(room)
    page = peers
    while page:
        page = rooms.peers(room, after=page[-1].session_id)
        peers += page
    return peers


def _get(options: Options) -> Shown:
    _existing_epoch(options["room"])
    entry = rooms.get_entry(options["room"], options["key"])
    if entry.text is None:
        raise CommandError(f"The key {roomtext.plain(entry.key)} has no value.", returncode=ABSENT)
    return Shown(entry_data(entry), [roomtext.plain(entry.text)])


def _set(options: Options) -> Shown:
    try:
        value = gate.parse(options["value"], conf.current().json_depth)
    except ParseError as error:
        hint = "Text is in double quotes, and those in quotes of the shell: '\"text\"'."
        raise CommandError(f"The value is not JSON. {error} {hint}") from error
    entry = rooms.set(
        options["room"], options["key"], value, if_version=options["if_version"], ttl_seconds=options["ttl"]
    )
    return entry_shown(entry)


def _delete(options: Options) -> Shown:
    _existing_epoch(options["room"])
    return entry_shown(rooms.delete(options["room"], options["key"], if_version=options["if_version"]))


def _clear(options: Options) -> Shown:
    _existing_epoch(options["room"])
    epoch = rooms.clear(options["room"])
    return Shown({"room": options["room"], "epoch": epoch}, [f"Cleared; the new epoch is {epoch}."])


def _existing_epoch(room: str) -> Epoch:
    epoch = bridge.run(entrylog.current_epoch(room))
    if not epoch:
        raise _no_room(room)
    return epoch


def _no_room(room: str) -> CommandError:
    return CommandError(f"There is no room {roomtext.plain(room)}.", returncode=ABSENT)


_ABOUT_A_ROOM: Final[Mapping[str, str]] = {
    "show": "a room with its peers and entries",
    "get": "print the value of a key",
    "set": "write a value as the server",
    "delete": "delete a key",
    "clear": "empty the store of a room; its peers stay",
    "watch": "print changes of a room as they happen",
}
_ACTS: Final[Mapping[str, Callable[[Options], Shown]]] = {
    "list": _list,
    "show": _show,
    "get": _get,
    "set": _set,
    "delete": _delete,
    "clear": _clear,
}
