"""Room types made ready for use: found by a room's name, their rules compiled, their faults named.

What is wrong with a class is a list of `Problem`s, so that a check can tell all of them at once. Knows no storage.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import inspect

from sessionstore_app.core import jsontext
from sessionstore_app.core.declared import in_ms, is_count, is_from_json, is_seconds, may_be
from sessionstore_app.core.entries import Author, Change, Lifetime
from sessionstore_app.core.errors import InvalidKey, SessionStoreError
from sessionstore_app.core.keyrules import KeyRule, bounded
from sessionstore_app.core.limits import StoreLimits
from sessionstore_app.core.patterns import PatternSet, check_pattern, check_room_name, compiled, is_exact, overlap
from sessionstore_app.core.removal import RemovalRule, removal_rule
from sessionstore_app.core.roomtypes import Extra, Key, RoomType
from sessionstore_app.core.rules import CREATOR, EVERYONE, OWNER, PERMISSIONS, Permission, Rule, Standing, Who, rule

# What a role may do to other peers of the room.
PEER_PERMISSIONS: Final = frozenset({"view_session", "modify_session", "send_to_session", "register_handler"})
_LENGTH: Final = 128
_DEPTH: Final = 32
_LIMITS: Final = frozenset({"value_bytes", "keys", "store_bytes"})
_OPEN_RULE: Final = rule(EVERYONE)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with a room type, and what would mend it."""

    text: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Definition:
    """A room type, compiled. Keys that it does not declare are `extra`: None refuses them."""

    name: str
    match: str
    hooks: RoomType
    keys: tuple[KeyRule, ...]
    extra: KeyRule | None
    roles: Mapping[str, frozenset[str]]
    rules: Mapping[str, Rule]
    properties: Mapping[str, Rule] | None
    limits: Mapping[str, int]
    grace_seconds: float | None
    backend: str
    removals: tuple[RemovalRule, ...]
    # Keys that not every peer may read.
    guarded: tuple[KeyRule, ...] = ()
    _exact: Mapping[str, KeyRule] = field(default_factory=dict)
    # Ready to match: each change is looked up a few times, and once more for each role that it is told to.
    _patterns: tuple[tuple[PatternSet, KeyRule], ...] = ()

    def key(self, key: str) -> KeyRule | None:
        """The rule of a key; None for one that is not declared and refused."""
        found = self._exact.get(key)
        if found is not None:
            return found
        for names, each in self._patterns:
            if names.matches(key):
                return each
        return self.extra

    def shape(self, change: Change, by: Author | None, value_bytes: int | None = None) -> Change:
        """A change as its key takes it; `value_bytes` bounds keys without a limit of their own, None where the store
        does. Raises InvalidKey, InvalidValue or ValueTooLarge.
        """
        found = self.key(change.key)
        if found is not None and found.value_bytes is None and value_bytes is not None:
            found = bounded(found, value_bytes)
        if found is not None:
            return found.shape(change.key, change, by)
        if change.text is None and change.operation is None:
            # What an earlier version of the type left behind can be taken away.
            return change
        raise self.no_such_key(change.key)

    def no_such_key(self, key: str) -> InvalidKey:
        """The refusal of a key that is not declared."""
        meant = _meant(tuple(each.pattern for each in self.keys), key[:64])
        return InvalidKey(f"{self.name} has no key {key[:64]}.", hint=f"{meant} Or let the type say extra = OPEN.")

    def store_limits(self, base: StoreLimits, changes: Sequence[Change]) -> StoreLimits:
        """How much a room holds, where one of these changes is written; a key's own limit is looked at by its rule."""
        limits = replace(base, **self.limits) if self.limits else base
        found = (self.key(change.key) for change in changes)
        most = max((each.value_bytes or 0 for each in found if each is not None), default=0)
        return limits if most <= limits.value_bytes else replace(limits, value_bytes=most)

    def permissions(self, roles: Collection[str]) -> frozenset[str]:
        """What these roles may do to other peers."""
        return frozenset().union(*(self.roles.get(role, frozenset()) for role in roles))

    def shows_property(self, key: str, who: Standing) -> bool:
        """May it see this property of peers, where the type says of which that is so?"""
        return self.properties is not None and key in self.properties and self.properties[key].allows(who)

    @property
    def public_properties(self) -> tuple[str, ...] | None:
        """Properties that every peer sees; None: the settings'."""
        if self.properties is None:
            return None
        return tuple(key for key, seen_by in self.properties.items() if seen_by.is_open)

    @property
    def every_rule(self) -> Iterator[tuple[str, Rule]]:
        """All rules of the type, each with where it stands."""
        yield from self.rules.items()
        for key, seen_by in (self.properties or {}).items():
            yield f"properties, {key}", seen_by
        for each in self.keys:
            yield f"{each.name}, read", each.read
            yield f"{each.name}, write", each.write

    @property
    def is_read_by_all(self) -> bool:
        """True if every peer may read every key."""
        return not self.guarded


# Whoever asks for the wrong key again and again costs no more than once.
@lru_cache(maxsize=256)
def _meant(known: tuple[str, ...], key: str) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"Did you mean {close[0]}?" if close else f"There are {', '.join(known) or 'none'}."


def define(kind: type[RoomType]) -> tuple[Definition, list[Problem]]:
    """Compile a room type, and say what is wrong with it; a definition with problems must not be used."""
    maker = _Maker(kind)
    return maker.definition(), maker.problems


def overlaps(definitions: Sequence[Definition]) -> Iterator[Problem]:
    """Types that a room's name could match both of."""
    for at, one in enumerate(definitions):
        for other in definitions[:at]:
            if overlap(one.match, other.match):
                yield Problem(
                    f"The room types {other.name} ({other.match}) and {one.name} ({one.match}) match the same names.",
                    "Let each name begin with what is its own type's alone, as in meeting/* and lesson/*.",
                )


class _Maker:
    """Compiles one class; what is wrong is noted, and something harmless takes its place."""

    def __init__(self, kind: type[RoomType]) -> None:
        self.kind = kind
        self.problems: list[Problem] = []

    def definition(self) -> Definition:
        kind = self.kind
        roles = self._roles()
        keys = tuple(self._key(name, key, at) for at, (name, key) in enumerate(self._declared()))
        self._check_keys(keys)
        properties = self._properties()
        made = Definition(
            name=kind.__name__,
            match=self._match(),
            hooks=self._hooks(),
            keys=keys,
            extra=self._extra(len(keys)),
            roles=roles,
            rules={name: self._rule(getattr(kind, name), name) for name in ("join", "broadcast", "clear", "see_peers")},
            properties=properties,
            limits=self._limits(),
            grace_seconds=kind.grace_seconds,
            backend=kind.backend if isinstance(kind.backend, str) else "default",
            removals=tuple(self._removals()),
            guarded=tuple(each for each in keys if not each.read.is_open),
            _exact={each.pattern: each for each in keys if is_exact(each.pattern)},
            _patterns=tuple((compiled(frozenset({each.pattern})), each) for each in keys if not is_exact(each.pattern)),
        )
        self._check_rules(made)
        self._check_options()
        return made

    def _hooks(self) -> RoomType:
        try:
            return self.kind()
        except Exception as error:  # whatever its own __init__ may raise
            self._problem(f"It cannot be made: {error}", "A room type is made without arguments, once a process.")
            return RoomType()

    def _check_options(self) -> None:
        if not isinstance(self.kind.backend, str):
            self._problem(f"backend is {self.kind.backend!r}.", "It is an alias of BACKENDS.")
        if not isinstance(self.kind.extra, Extra):
            self._problem(f"extra is {self.kind.extra!r}.", "It is REFUSED or OPEN.")
        grace = self.kind.grace_seconds
        if grace is not None and grace != 0 and not is_seconds(grace):
            self._problem(f"grace_seconds is {grace!r}.", "It is a number of seconds, 0 or more, or None.")

    def _problem(self, text: str, hint: str) -> None:
        found = Problem(f"{self.kind.__name__}: {text}", hint)
        if found not in self.problems:
            self.problems.append(found)

    def _declared(self) -> list[tuple[str, Key]]:
        found: dict[str, Key] = {}
        for base in reversed(self.kind.__mro__):
            for name, declared in vars(base).items():
                if isinstance(declared, Key) and hasattr(RoomType, name):
                    self._problem(
                        f"{name} is an option of room types, not a key.",
                        f'Call the attribute otherwise, and give the key\'s name: Key(…, pattern="{name}").',
                    )
                elif isinstance(declared, Key):
                    found[name] = declared
                else:
                    # What a subclass sets to something else, it does not want.
                    found.pop(name, None)
        return list(found.items())

    def _roles(self) -> dict[str, frozenset[str]]:
        given = self.kind.roles
        if isinstance(given, str) or not isinstance(given, Iterable):
            self._problem(f"roles is {given!r}.", "Give a list of roles, or map each to what it may do to peers.")
            return {}
        named = {
            role: [granted] if isinstance(granted, str) else granted or ()
            for role, granted in (given if isinstance(given, Mapping) else dict.fromkeys(given, ())).items()
        }
        for role, granted in named.items():
            unknown = sorted(set(granted) - PEER_PERMISSIONS)
            if unknown:
                known = ", ".join(sorted(PEER_PERMISSIONS))
                self._problem(f"The role {role} is given {unknown[0]!r}.", f"A role may do to peers: {known}.")
        return {role: frozenset(granted) & PEER_PERMISSIONS for role, granted in named.items()}

    def _key(self, name: str, key: Key, position: int) -> KeyRule:
        pattern = self._checked(key.pattern or name, name, name)
        made = KeyRule(
            name=name,
            pattern=pattern,
            position=position,
            read=self._rule(key.read, f"{name}, read"),
            write=self._rule(key.write, f"{name}, write"),
            type=key.type,
            decoder=self._decoder(name, key.type),
            dies_with_session=key.lifetime is Lifetime.SESSION,
            ttl_ms=in_ms(key.ttl),
            names_session=key.names_session,
            cap=key.cap,
            unique=key.unique,
            skip_equal=key.skip_equal,
            value_bytes=key.value_bytes,
        )
        self._check_key(name, key)
        return self._with_default(name, key, made)

    def _decoder(self, name: str, value_type: Any) -> msgspec.json.Decoder[object] | None:
        if value_type is Any:
            return None
        try:
            made: msgspec.json.Decoder[object] = msgspec.json.Decoder(value_type)
        except Exception as error:  # whatever a type may raise that is none
            self._problem(f"{name} has a type that cannot be read from JSON: {error}", "Name one msgspec understands.")
            return None
        if not is_from_json(value_type):
            self._problem(
                f"{name} has the type {value_type!r}, which no JSON is.", "Make it a msgspec.Struct or a dataclass."
            )
        return made

    def _with_default(self, name: str, key: Key, made: KeyRule) -> KeyRule:
        if key.default is None:
            return made
        try:
            default = msgspec.to_builtins(key.default, str_keys=True)
            jsontext.check(default, _DEPTH)
            text = jsontext.dumps(default)
            made.check(name, text)
        except (SessionStoreError, TypeError, ValueError) as error:
            self._problem(f"{name} has a default that it could not hold: {error}", "Give one of the key's own type.")
            return made
        return replace(made, default=jsontext.loads(text))

    def _check_key(self, name: str, key: Key) -> None:
        if key.names_session and key.lifetime is Lifetime.SESSION:
            self._problem(f"{name} goes with two sessions.", "Say names_session or lifetime=SESSION, not both.")
        if (key.cap is not None or key.unique) and not may_be(key.type, inspect.CollectionType):
            self._problem(f"{name} has a cap or unique items, but is no list.", "Give it a type such as list[Item].")
        if key.names_session and not may_be(key.type, inspect.StrType):
            self._problem(f"{name} names a session, and is no text.", "Give it the type str.")
        if not isinstance(key.lifetime, Lifetime):
            self._problem(f"{name} has lifetime={key.lifetime!r}.", "It is ROOM or SESSION.")
        self._check_figures(name, key)

    def _check_figures(self, name: str, key: Key) -> None:
        if not isinstance(key.unique, str):
            self._problem(f"{name} has unique={key.unique!r}.", "It is the name of a member of its items.")
        for option in ("ttl", "for_seconds"):
            given = getattr(key, option)
            if not is_seconds(given) and (given is not None or option == "for_seconds"):
                self._problem(f"{name} has {option}={given!r}.", "It is a number of seconds above 0.")
        for option in ("cap", "value_bytes"):
            given = getattr(key, option)
            if given is not None and not is_count(given):
                self._problem(f"{name} has {option}={given!r}.", "It is an integer above 0.")

    def _check_keys(self, keys: Sequence[KeyRule]) -> None:
        for at, one in enumerate(keys):
            for other in keys[:at]:
                if overlap(one.pattern, other.pattern):
                    self._problem(
                        f"{other.name} ({other.pattern}) and {one.name} ({one.pattern}) name the same keys.",
                        "Give each key a pattern of its own.",
                    )

    def _rule(self, who: Who, where: str) -> Rule:
        try:
            return rule(who)
        except TypeError as error:
            self._problem(f"{where}: {error}", "Name roles, OWNER, CREATOR, EVERYONE, permission(…) or matching(…).")
            return rule(())

    def _check_rules(self, made: Definition) -> None:
        for where, each in made.every_rule:
            for role in sorted(each.roles - made.roles.keys()) if made.roles else ():
                close = difflib.get_close_matches(role, made.roles, n=1)
                hint = f"Did you mean {close[0]!r}?" if close else f"The type's roles are {', '.join(made.roles)}."
                self._problem(f"{where}: there is no role {role!r}.", hint)
            for grant in each.grants:
                if isinstance(grant, Permission) and grant.name not in PERMISSIONS:
                    hint = "Name one of those the protocol lists."
                    self._problem(f"{where}: there is no permission {grant.name!r}.", hint)
        for name in ("join", "broadcast", "clear", "see_peers"):
            if made.rules[name].names_owner:
                self._problem(f"{name} names OWNER, and nobody wrote it.", "OWNER is for keys; use CREATOR or a role.")

    def _properties(self) -> dict[str, Rule] | None:
        given = self.kind.properties
        if given is None:
            return None
        if isinstance(given, str) or not isinstance(given, Iterable):
            self._problem(f"properties is {given!r}.", "Give a list of properties, or map each to who sees it.")
            return {}
        named = given if isinstance(given, Mapping) else dict.fromkeys(given, EVERYONE)
        rules = {key: self._rule(who, f"properties, {key}") for key, who in named.items()}
        for key, seen_by in rules.items():
            if seen_by.properties or seen_by.grants & {OWNER, CREATOR}:
                self._problem(f"properties, {key}: this depends on more than roles.", "Name roles or permissions.")
        return rules

    def _limits(self) -> dict[str, int]:
        if not isinstance(self.kind.limits, Mapping):
            self._problem("limits is no mapping.", 'Name each with its figure, as in {"keys": 50}.')
            return {}
        for name, limit in self.kind.limits.items():
            if name not in _LIMITS:
                self._problem(f"There is no limit {name!r} of a room.", f"There are {', '.join(sorted(_LIMITS))}.")
            elif not is_count(limit):
                self._problem(f"The limit {name} is {limit!r}.", "It is an integer above 0.")
        return {name: limit for name, limit in self.kind.limits.items() if name in _LIMITS and is_count(limit)}

    def _extra(self, position: int) -> KeyRule | None:
        if self.kind.extra is not Extra.OPEN:
            return None
        return KeyRule(name="", pattern="", position=position, read=_OPEN_RULE, write=_OPEN_RULE)

    def _removals(self) -> Iterator[RemovalRule]:
        for name, key in self._declared():
            if key.without:
                try:
                    yield removal_rule(
                        rooms=self.kind.match,
                        keys=[key.pattern or name],
                        without=key.without,
                        for_ms=in_ms(key.for_seconds) or 1,
                        room_length=_LENGTH,
                        key_length=_LENGTH,
                        filter_length=4_096,
                        filter_depth=32,
                    )
                except SessionStoreError as error:
                    self._problem(f"{name}, without: {error}", error.advice)

    def _match(self) -> str:
        match = self.kind.match
        if not isinstance(match, str):
            self._problem(f"match={match!r} is no text.", "It is a name, or a pattern such as meeting/*.")
            return ""
        try:
            return check_room_name(match, _LENGTH) if is_exact(match) else check_pattern(match, _LENGTH)
        except SessionStoreError as error:
            self._problem(f"match={match!r} names no room: {error}", error.advice)
            return match

    def _checked(self, pattern: str, where: str, otherwise: str) -> str:
        if not isinstance(pattern, str):
            self._problem(f"{where}: the pattern {pattern!r} is no text.", "It is a key, or one such as hand/*.")
            return otherwise
        try:
            return check_pattern(pattern, _LENGTH)
        except SessionStoreError as error:
            self._problem(f"{where}: {pattern!r} names nothing: {error}", error.advice)
            return otherwise
