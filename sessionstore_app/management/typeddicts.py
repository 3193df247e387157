"""Room types as Python: a TypedDict for each, and the types that it names, as the values come from the Python client.

The keys of a pattern are a type of their own, `dict[str, …]`, for a TypedDict has no place for them.
"""

from __future__ import annotations

import builtins
import json
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from inspect import cleandoc
from typing import Final

from sessionstore_app.core.definitions import Definition
from sessionstore_app.core.jsontext import Json
from sessionstore_app.management.roomshapes import (
    RoomShape,
    Schema,
    Shapes,
    constants,
    either,
    free,
    members,
    options,
    others,
    shapes,
)

_SIMPLE: Final[Mapping[str, str]] = {
    "null": "None",
    "boolean": "bool",
    "integer": "int",
    "number": "float",
    "string": "str",
}
_IMPORTED: Final = ("Any", "Literal", "NotRequired", "TypeAlias", "TypedDict")
_RESERVED: Final = frozenset((*_IMPORTED, *keyword.kwlist, *dir(builtins), "annotations"))
# What annotations are made of: a member of that name would hide it within its class.
_USED: Final = frozenset((*_IMPORTED, *_SIMPLE.values(), "list", "dict"))
_HEAD: Final = '"""Made by `manage.py sessionstore_room --types --python`: change the room types, and make it anew."""'


def typeddicts(definitions: Sequence[Definition]) -> str:
    """A module with a type for each room type, and for each type that those name."""
    found = shapes(definitions, _RESERVED)
    writer = _Writer(found)
    blocks = ["\n".join(writer.part(name, schema)) for name, schema in found.parts.items()]
    blocks += ["\n".join(block) for room in found.rooms for block in writer.room(room)]
    body = "\n\n\n".join(blocks)
    used = ", ".join(name for name in _IMPORTED if re.search(rf"\b{name}\b", body))
    return f"{_HEAD}\n\nfrom typing import {used}\n\n\n{body}\n"


class _Writer:
    """Writes shapes; no type is named twice."""

    def __init__(self, found: Shapes) -> None:
        self.names = found.names
        self.own = {*found.parts, *(room.name for room in found.rooms)}
        self.hidden = {*_USED, *keyword.kwlist, *self.own}
        taken = {*_RESERVED, *self.own}
        self.patterns = {
            (room.name, key.name): free(room.name + _camel(key.name), taken)
            for room in found.rooms
            for key in room.keys
            if not key.is_exact
        }

    def room(self, room: RoomShape) -> Iterator[Iterator[str]]:
        """A room type: its keys, then a type for each pattern."""
        told = [room.doc, f"Rooms {room.match}." + (" Other keys may be there too." if room.is_open else "")]
        for key in room.keys:
            if not key.is_exact:
                told.append(f"{key.pattern}: see {self.patterns[room.name, key.name]}.")
            if key.default is not None:
                told.append(f"{key.pattern}, where there is no value: {key.default!r}.")
        exact = {key.pattern: self._annotation(key.schema) for key in room.keys if key.is_exact}
        yield self._dictionary(room.name, exact, "\n".join(filter(None, told)), ", total=False")
        for key in room.keys:
            if not key.is_exact:
                name = self.patterns[room.name, key.name]
                yield self._alias(name, f"dict[str, {self.type(key.schema)}]", f"Keys {key.pattern} of {room.name}.")

    def part(self, name: str, schema: Schema) -> Iterator[str]:
        """A type that keys name."""
        found = members(schema)
        if found is None:
            return self._alias(name, self.type(schema), schema.get("description", ""))
        typed = {
            member: self._annotation(each) if is_needed else f"NotRequired[{self._annotation(each)}]"
            for member, (each, is_needed) in found.items()
        }
        return self._dictionary(name, typed, schema.get("description", ""), "")

    def _alias(self, name: str, text: str, doc: str) -> Iterator[str]:
        yield from _comment(doc)
        yield f"{name}: TypeAlias = {self._quoted(text)}"

    def _dictionary(self, name: str, typed: Mapping[str, str], doc: str, total: str) -> Iterator[str]:
        if any(self._needs_quotes(member) for member in typed):
            yield from _comment(doc)
            yield f"{name} = TypedDict("
            yield f"    {_text(name)},"
            yield "    {"
            yield from (f"        {_text(member)}: {text}," for member, text in typed.items())
            yield "    }," if not total else f"    }},\n    {total[2:]},"
            yield ")"
            return
        yield f"class {name}(TypedDict{total}):"
        yield from _docstring(doc)
        if doc and typed:
            yield ""
        yield from (f"    {member}: {text}" for member, text in typed.items())
        if not doc and not typed:
            yield "    pass"

    def _needs_quotes(self, member: str) -> bool:
        """Is it no name in a class, or one that would hide a type there?"""
        is_name = member.isascii() and member.isidentifier()
        return not is_name or member.startswith("__") or member in self.hidden

    def _annotation(self, schema: Schema) -> str:
        return self._quoted(self.type(schema))

    def _quoted(self, text: str) -> str:
        """In quotes where it names what may come later, and only there: NotRequired is read when the module is."""
        return _text(text) if any(name in self.own for name in re.findall(r"\w+", text)) else text

    def type(self, schema: Schema) -> str:
        """How a value is annotated. Lists are what arrays of any kind come as."""
        if "$ref" in schema:
            return self.names[schema["$ref"]]
        if (values := constants(schema)) is not None:
            return either(_constants(values), "Any")
        if (several := options(schema)) is not None:
            return either(map(self.type, several), "Any")
        kind = schema.get("type", "")
        if kind == "array":
            return f"list[{either(map(self.type, self._items(schema)), 'Any')}]"
        if kind == "object":
            return f"dict[str, {self.type(others(schema))}]"
        return _SIMPLE.get(kind, "Any")

    def _items(self, schema: Schema) -> Iterable[Schema]:
        first: Sequence[Schema] | None = schema.get("prefixItems")
        if first is None:
            return [others(schema)]
        is_closed = schema.get("items") is False or "maxItems" in schema
        return first if is_closed else [*first, others(schema)]


def _camel(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def _constants(values: Sequence[Json]) -> Iterator[str]:
    listed = [_text(value) if isinstance(value, str) else repr(value) for value in values]
    yield f"Literal[{', '.join(listed)}]"


def _text(text: str) -> str:
    # Of JSON's escapes Python knows all that this uses.
    quoted = json.dumps(text, ensure_ascii=False)
    if '"' in text and "'" not in text:
        return f"'{quoted[1:-1].replace(chr(92) + chr(34), chr(34))}'"
    return quoted


def _comment(text: str) -> Iterator[str]:
    return (f"# {line}".rstrip() for line in cleandoc(text).splitlines())


def _docstring(text: str) -> Iterator[str]:
    lines = cleandoc(text).replace("\\", "\\\\").replace('""', '\\"\\"').splitlines()
    if lines and lines[-1].endswith('"'):
        lines[-1] = lines[-1][:-1] + '\\"'
    if len(lines) == 1:
        yield f'    """{lines[0]}"""'
    elif lines:
        yield f'    """{lines[0]}'
        yield from (f"    {line}".rstrip() for line in lines[1:])
        yield '    """'
