"""What rooms of a type hold, as JSON Schema with names that a language can use. Knows no language's spelling.

The declared types are turned by msgspec.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any, Final, TypeAlias

import msgspec

from sessionstore_app.core.definitions import Definition
from sessionstore_app.core.jsontext import Json
from sessionstore_app.core.patterns import is_exact

Schema: TypeAlias = Mapping[str, Any]
# What anything fits.
ANYTHING: Final[Schema] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyShape:
    """A key, or the keys of a pattern. `name` is what the declaration calls it."""

    name: str
    pattern: str
    schema: Schema
    default: Json

    @property
    def is_exact(self) -> bool:
        """Is it one key?"""
        return is_exact(self.pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomShape:
    """A room type. One that is open may hold other keys too."""

    name: str
    match: str
    doc: str
    keys: Sequence[KeyShape]
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """Room types and the types that their keys name: `parts` by their names, and `names` by what `$ref` calls them."""

    rooms: Sequence[RoomShape]
    parts: Mapping[str, Schema]
    names: Mapping[str, str]


def shapes(definitions: Sequence[Definition], reserved: Collection[str]) -> Shapes:
    """The shapes of these room types; no name is a `reserved` one, and none is given twice."""
    taken = set(reserved)
    rooms = [free(each.name, taken) for each in definitions]
    types = [key.type for each in definitions for key in each.keys]
    schemas, components = msgspec.json.schema_components(types, schema_hook=_anything, ref_template="{name}")
    names = {ref: free(_name(ref, schema), taken) for ref, schema in components.items()}
    following = iter(schemas)
    return Shapes(
        rooms=[_room(name, each, following) for name, each in zip(rooms, definitions, strict=True)],
        parts={names[ref]: schema for ref, schema in components.items()},
        names=names,
    )


def _anything(kind: type) -> dict[str, Any]:
    """Of a class that is not JSON's, as `object` is, nothing can be said; msgspec takes an empty schema for none."""
    return {"description": ""}


def _room(name: str, definition: Definition, schemas: Iterator[Schema]) -> RoomShape:
    return RoomShape(
        name=name,
        match=definition.match,
        # Not what it inherits: that is about room types as such.
        doc=cleandoc(vars(type(definition.hooks)).get("__doc__") or ""),
        keys=[
            KeyShape(name=key.name, pattern=key.pattern, schema=next(schemas), default=key.default)
            for key in definition.keys
        ],
        is_open=definition.extra is not None,
    )


def _name(ref: str, schema: Schema) -> str:
    """`Box[list[str]]` is BoxListStr; two of one name are told apart by where they are, which says nothing here."""
    words: list[str] = re.findall(r"\w+", schema.get("title", ref.rpartition(".")[2]))
    return words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:])


def free(name: str, taken: set[str]) -> str:
    """The name, with a number where it is taken; it is taken then."""
    numbered = (f"{name}{number}" for number in range(2, len(taken) + 3))
    found = next(each for each in (name, *numbered) if each not in taken)
    taken.add(found)
    return found


# --- what both languages ask of a schema


def options(schema: Schema) -> Sequence[Schema] | None:
    """The schemas of which a value fits one; None where that is not said."""
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return [{**schema, "type": kind} for kind in kinds]
    found: Sequence[Schema] | None = schema.get("anyOf") or schema.get("oneOf")
    return found


def constants(schema: Schema) -> Sequence[Json] | None:
    """The values that there are; None where they are not listed."""
    found: Sequence[Json] | None = [schema["const"]] if "const" in schema else schema.get("enum")
    return found


def members(schema: Schema) -> Mapping[str, tuple[Schema, bool]] | None:
    """The members of an object, and whether each must be there; None where any name may be one."""
    if "properties" not in schema:
        return None
    needed = schema.get("required", ())
    return {name: (each, name in needed) for name, each in schema["properties"].items()}


def others(schema: Schema) -> Schema:
    """What the members, or items, are that have no schema of their own."""
    found = schema.get("additionalProperties" if schema.get("type") == "object" else "items")
    return found if isinstance(found, Mapping) else ANYTHING


def either(texts: Iterable[str], anything: str) -> str:
    """Types of which one holds, spelled as both languages do."""
    told = list(dict.fromkeys(texts))
    return anything if anything in told or not told else " | ".join(told)
