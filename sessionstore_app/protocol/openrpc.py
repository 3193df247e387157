"""The OpenRPC document: every method with the shapes of its parameters, its result and its errors.

Made of the table that serves the methods (`methods`) and the one that describes them (`catalog`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

import msgspec

from sessionstore_app.core.errors import MethodNotFound, ParseError, SessionStoreError
from sessionstore_app.core.jsontext import Json
from sessionstore_app.protocol.catalog import CATALOG, errors_of
from sessionstore_app.protocol.methods import METHODS

OPENRPC: Final = "1.3.2"
_SCHEMAS: Final = "#/components/schemas/"
_ERRORS: Final = "#/components/errors/"

Schema = Mapping[str, Any]


def document(*, version: str, http_address: str, socket_address: str) -> dict[str, Any]:
    """The document as JSON-like data, not to be changed; the addresses are where this server is reached."""
    methods, schemas = _described()
    return {
        "openrpc": OPENRPC,
        "info": {
            "title": "Session store",
            "version": version,
            "description": "Shared room state, live sessions, locks and site sessions. Parameters go by name.",
        },
        "servers": [
            {"name": "HTTP", "url": http_address, "summary": "The methods with x-http; a request's body is a call."},
            {"name": "WebSocket", "url": socket_address, "summary": "All methods; a text frame is a call."},
        ],
        "methods": methods,
        "components": {"schemas": schemas, "errors": _errors()},
    }


def schema_name(schema: Schema) -> str:
    """The name of the component that a schema refers to; empty if it is written out."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


@cache
def _described() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The methods, and the shapes that they share."""
    rows = {name: row for name, row in CATALOG.items() if name in METHODS}
    answered = {name: row.result for name, row in rows.items() if row.is_http}
    shapes = [*(METHODS[name] for name in rows), *answered.values()]
    found, components = msgspec.json.schema_components(shapes, ref_template=f"{_SCHEMAS}{{name}}")
    params = dict(zip(rows, found, strict=False))
    results = dict(zip(answered, found[len(rows) :], strict=True))
    methods = [
        {
            "name": name,
            "summary": row.summary,
            "paramStructure": "by-name",
            "params": _params(_variants(params[name], components), row.example),
            "result": {"name": "result", "schema": results.get(name, {})},
            "errors": [{"$ref": f"{_ERRORS}{error.reason}"} for error in errors_of(name)],
            "x-http": row.is_http,
            # The whole object: what goes together, and what cannot be there.
            "x-params": {**params[name], "examples": [dict(row.example)]},
        }
        for name, row in rows.items()
    ]
    return methods, dict(sorted(components.items()))


def _variants(schema: Schema, components: Mapping[str, Schema]) -> list[Schema]:
    """The shapes that parameters may have: one, or several that a member tells apart."""
    refs = schema.get("anyOf", [schema])
    return [components[schema_name(ref)] for ref in refs]


def _params(variants: list[Schema], example: Mapping[str, Json]) -> list[dict[str, Any]]:
    """Each parameter that any of the shapes has; needed is what all of them need."""
    names = dict.fromkeys(name for shape in variants for name in shape["properties"])
    return [
        {
            "name": name,
            "required": all(name in shape["required"] for shape in variants),
            "schema": {
                **_either(shape["properties"][name] for shape in variants if name in shape["properties"]),
                **({"examples": [example[name]]} if name in example else {}),
            },
        }
        for name in names
    ]


def _either(schemas: Iterable[Schema]) -> Schema:
    """One schema for a parameter of several shapes: its own where they agree, else any of them."""
    distinct: list[Schema] = []
    for schema in schemas:
        if schema not in distinct:
            distinct.append(schema)
    if all(schema.keys() == {"enum"} for schema in distinct):
        return {"enum": [value for schema in distinct for value in schema["enum"]]}
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


@cache
def _errors() -> dict[str, Any]:
    known: set[type[SessionStoreError]] = {MethodNotFound, ParseError}
    known.update(error for name in CATALOG for error in errors_of(name))
    return {error.reason: _error(error) for error in sorted(known, key=lambda each: each.reason)}


def _error(error: type[SessionStoreError]) -> dict[str, Any]:
    message = (error.__doc__ or "").split("\n", 1)[0]
    return {"code": error.code, "message": message, "data": {"reason": error.reason, "hint": error.hint}}
