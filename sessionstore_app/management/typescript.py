"""Room types as TypeScript: an interface for each, as the SDK's `connect` takes it, and the types that it names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from inspect import cleandoc
from typing import Final

from sessionstore_app.core.definitions import Definition
from sessionstore_app.core.jsontext import Json
from sessionstore_app.management.roomshapes import (
    KeyShape,
    RoomShape,
    Schema,
    constants,
    either,
    members,
    options,
    others,
    shapes,
)

_SIMPLE: Final[Mapping[str, str]] = {
    "null": "null",
    "boolean": "boolean",
    "integer": "number",
    "number": "number",
    "string": "string",
}
# What no type may be called, and no parameter of an index signature.
_WORDS: Final = (
    "any as bigint boolean break case catch class const continue debugger default delete do else enum export extends"
    " false finally for function if implements import in instanceof interface let never new null number object package"
    " private protected public return static string super switch symbol this throw true try type typeof undefined"
    " unknown var void while with yield"
)
_RESERVED: Final = frozenset(_WORDS.split())
_IDENTIFIER: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_HEAD: Final = "/** Made by `manage.py sessionstore_room --types`: change the room types, and make it anew. */\n"

Names = Mapping[str, str]


def typescript(definitions: Sequence[Definition]) -> str:
    """A module that exports a type for each room type, and for each type that those name."""
    found = shapes(definitions, _RESERVED)
    blocks = [_HEAD.rstrip()]
    blocks += ["\n".join(_room(room, found.names)) for room in found.rooms]
    blocks += ["\n".join(_part(name, schema, found.names)) for name, schema in found.parts.items()]
    return "\n\n".join(blocks) + "\n"


def _room(room: RoomShape, names: Names) -> Iterator[str]:
    yield from _comment("\n".join(filter(None, (room.doc, f"Rooms `{room.match}`."))))
    yield f"export interface {room.name} {{"
    for key in room.keys:
        if key.default is not None:
            yield from _comment(f"Where there is no value: {json.dumps(key.default, ensure_ascii=False)}", "  ")
        yield f"  {_key(key)}: {_type(key.schema, names)};"
    if room.is_open:
        yield "  [other: string]: any;"
    yield "}"


def _key(key: KeyShape) -> str:
    if key.is_exact:
        return _member(key.pattern)
    parameter = key.name if _IDENTIFIER.fullmatch(key.name) and key.name not in _RESERVED else "key"
    start, end = (re.sub(r"[`\\]|\$(?=\{)", r"\\\g<0>", part) for part in key.pattern.split("*"))
    return f"[{parameter}: {f'`{start}${{string}}{end}`' if start or end else 'string'}]"


def _part(name: str, schema: Schema, names: Names) -> Iterator[str]:
    yield from _comment(schema.get("description", ""))
    found = members(schema)
    if found is None:
        yield f"export type {name} = {_type(schema, names)};"
        return
    yield f"export interface {name} {{"
    for member, (each, is_needed) in found.items():
        yield from _comment(each.get("description", ""), "  ")
        yield f"  {_member(member)}{'' if is_needed else '?'}: {_type(each, names)};"
    yield "}"


def _type(schema: Schema, names: Names) -> str:
    if "$ref" in schema:
        return names[schema["$ref"]]
    if (values := constants(schema)) is not None:
        return either(map(_literal, values), "any")
    if (several := options(schema)) is not None:
        return either((_type(each, names) for each in several), "any")
    kind = schema.get("type", "")
    if kind == "array":
        return _array(schema, names)
    if kind == "object":
        return f"{{ [member: string]: {_type(others(schema), names)} }}"
    return _SIMPLE.get(kind, "any")


def _array(schema: Schema, names: Names) -> str:
    first: Sequence[Schema] | None = schema.get("prefixItems")
    if first is None:
        if schema.get("maxItems") == 0:
            return "[]"
        return f"{_grouped(_type(others(schema), names))}[]"
    needed = schema.get("minItems", 0)
    items = [_grouped(_type(each, names)) + ("" if at < needed else "?") for at, each in enumerate(first)]
    if schema.get("items") is not False and "maxItems" not in schema:
        items.append("...any[]")
    return f"[{', '.join(items)}]"


def _grouped(text: str) -> str:
    return f"({text})" if " | " in text else text


def _literal(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def _member(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else _literal(name)


def _comment(text: str, indent: str = "") -> Iterator[str]:
    lines = cleandoc(text).replace("*/", "*\\/").splitlines()
    if len(lines) == 1:
        yield f"{indent}/** {lines[0]} */"
    elif lines:
        yield f"{indent}/**"
        yield from (f"{indent} * {line}".rstrip() for line in lines)
        yield f"{indent} */"
