"""What the page of methods shows: the OpenRPC document in words, cut into pieces that a template only lays out.

Nothing here is markup, and nothing is asked of a server.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from sessionstore_app.protocol.openrpc import Schema, schema_name

Document = Mapping[str, Any]
# Text, and the type of which the page has a section; empty for plain text.
Piece = tuple[str, str]


def page(document: Document) -> dict[str, Any]:
    """All that the page shows."""
    errors = document["components"]["errors"]
    sections = [_method(method, errors) for method in document["methods"]]
    return {
        "info": document["info"],
        "servers": document["servers"],
        "groups": [
            {"noun": noun, "methods": list(methods)}
            for noun, methods in groupby(sections, key=lambda section: section["noun"])
        ],
        "types": [_type(name, document["components"]["schemas"][name]) for name in sorted(_shown_types(document))],
        "errors": [{"reason": reason, **error} for reason, error in sorted(errors.items(), key=_by_code)],
    }


def _by_code(item: tuple[str, Mapping[str, Any]]) -> int:
    return -int(item[1]["code"])


def _method(method: Mapping[str, Any], errors: Mapping[str, Any]) -> dict[str, Any]:
    example = method["x-params"]["examples"][0]
    request = {"jsonrpc": "2.0", "id": 1, "method": method["name"], "params": example}
    variants = method["x-params"].get("anyOf", ())
    return {
        "name": method["name"],
        "noun": method["name"].partition(".")[0],
        "summary": method["summary"],
        "is_http": method["x-http"],
        "params": [
            {
                "name": param["name"],
                "required": param["required"],
                "words": list(words(param["schema"])),
                "default": _default(param["schema"]),
            }
            for param in method["params"]
        ],
        "variants": [schema_name(variant) for variant in variants],
        "result": list(words(method["result"]["schema"])) if method["x-http"] else [],
        "reasons": [schema_name(error) for error in method["errors"]],
        "example": json.dumps(request, ensure_ascii=False),
    }


def _type(name: str, schema: Schema) -> dict[str, Any]:
    required = schema.get("required", ())
    return {
        "name": name,
        "description": schema.get("description", ""),
        "members": [
            {"name": member, "required": member in required, "words": list(words(shape))}
            for member, shape in schema.get("properties", {}).items()
        ],
    }


def _shown_types(document: Document) -> set[str]:
    """The types that methods refer to, and those that these refer to; parameters are shown with their method."""
    schemas = document["components"]["schemas"]
    found: set[str] = set()
    waiting: set[str] = set()
    for method in document["methods"]:
        waiting |= {name for shape in (method["params"], method["result"]) for name in _referred(shape)}
        waiting |= {schema_name(variant) for variant in method["x-params"].get("anyOf", ())}
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= set(_referred(schemas[name])) - found
    return found


def _referred(shape: object) -> Iterable[str]:
    if isinstance(shape, Mapping):
        if "$ref" in shape:
            yield schema_name(shape)
        for member in shape.values():
            yield from _referred(member)
    elif isinstance(shape, list):
        for item in shape:
            yield from _referred(item)


def _default(schema: Schema) -> str:
    """The default as JSON; empty where there is none, or nothing to be said of it."""
    default = schema.get("default")
    return "" if default is None else json.dumps(default, ensure_ascii=False)


# --- schemas in words


def words(schema: Schema) -> Iterable[Piece]:
    """A schema in words: `text or null`, `list of Entry`, `number over 0`."""
    if "$ref" in schema:
        yield schema_name(schema), schema_name(schema)
    elif "anyOf" in schema:
        yield from _joined([list(words(choice)) for choice in schema["anyOf"]], " or ")
    elif "enum" in schema:
        yield " or ".join(json.dumps(value, ensure_ascii=False) for value in schema["enum"]), ""
    elif schema.get("type") == "array":
        yield "list of ", ""
        yield from words(schema.get("items", {}))
        if schema.get("minItems"):
            yield f", at least {schema['minItems']}", ""
    elif schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        yield "object of ", ""
        yield from words(schema["additionalProperties"])
    else:
        yield _plain(schema), ""


def _joined(choices: list[list[Piece]], between: str) -> Iterable[Piece]:
    for position, pieces in enumerate(choices):
        if position:
            yield between, ""
        yield from pieces


_NAMES: Mapping[str, str] = {"string": "text", "boolean": "true or false", "null": "null"}
_FORMATS: Mapping[str, str] = {"date-time": "time in ISO 8601"}


def _plain(schema: Schema) -> str:
    kind = str(schema.get("type", "any JSON"))
    name = _FORMATS.get(schema.get("format", "")) or _NAMES.get(kind, kind)
    unit = " characters" if kind == "string" else ""
    bounds = ", ".join(f"{word} {schema[bound]:,}" for bound, word in _BOUNDS if schema.get(bound) is not None)
    if not bounds:
        return name
    return f"{name} {bounds}" if bounds.startswith("over") else f"{name} of {bounds}{unit}"


_BOUNDS = (
    ("exclusiveMinimum", "over"),
    ("minimum", "at least"),
    ("minLength", "at least"),
    ("maximum", "at most"),
    ("maxLength", "at most"),
)
