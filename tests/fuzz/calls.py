"""Calls that Hypothesis draws from an OpenRPC document: most fit their schemas, some have one member that does not.

Knows schemas, and what a member of a certain name would plausibly hold, so that calls meet rooms, keys and sessions
that there are. Knows nothing of how calls are sent.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from hypothesis import strategies as st

from tests.support.openrpc import Contract, Schema
from tests.support.wire import Params
from tests.unit import generated
from tests.unit.filtertexts import Writer, nodes

Drawn: TypeAlias = st.SearchStrategy[Any]

# In values and names alike: no log may hold it.
CANARY: Final = "canary-7c1f"

_rooms = st.sampled_from(["fuzz/a", "fuzz/b", "fuzz/\u00e9", "x" * 128])
_keys = st.sampled_from(["a", "hand/a", "hand/b", CANARY, "k" * 128])
_patterns = st.sampled_from(["*", "hand/*", "*a", "a", "**", "__proto__"])
_properties = st.sampled_from(["team", "name", "$Country", "$Roles", "*F", "*U", CANARY])
_filters = st.builds(lambda node, seed: Writer(random.Random(seed)).text(node), nodes, st.integers(0, 99))
# What a member of this name holds, beside any text.
WORDS: Final[Mapping[str, Drawn]] = {
    "room": _rooms,
    "key": _keys,
    "keys": _patterns,
    "observe": _patterns,
    "properties": _properties,
    "by": _properties,
    "filter": st.just("all") | _filters,
    "unique": st.just("id"),
}
_texts = (
    st.just(CANARY) | generated.texts | st.sampled_from(["", "\x1b[31m", "\r\nforged: line", "%s%n", "{0}", "\u202e"])
)
# One beyond each end of what most members may be.
_whole = st.sampled_from([0, 1, 2, 50, 2**31, 2**53 - 1]) | st.integers(0, 2**53 - 1)
_values = st.sampled_from([CANARY, {CANARY: [CANARY]}, {"__proto__": {"id": 1}}, "x" * 1_024]) | generated.json_values


class Calls:
    """Draws parameters for the methods of one document. `words` go before WORDS."""

    def __init__(self, contract: Contract, words: Mapping[str, Drawn]) -> None:
        self._contract = contract
        self._words = {**WORDS, **words}

    def one(self, names: list[str]) -> Drawn:
        """A call of one of these methods: its name and its parameters."""
        return st.sampled_from(names).flatmap(lambda name: st.tuples(st.just(name), self._params(name)))

    def _params(self, name: str) -> Drawn:
        fitting = self._fitting(self._contract.method(name)["x-params"], "")
        return st.one_of(*[fitting] * 7, st.builds(_spoilt, fitting, generated.texts, _values))

    def _fitting(self, schema: Schema, name: str) -> Drawn:
        if "$ref" in schema:
            return self._fitting(self._contract.resolve(schema["$ref"]), name)
        if "anyOf" in schema:
            return st.one_of([self._fitting(choice, name) for choice in schema["anyOf"]])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        match schema.get("type"):
            case "object":
                return self._object(schema, name)
            case "array":
                items = self._fitting(schema["items"], name)
                return st.lists(items, min_size=schema.get("minItems", 0), max_size=4)
            case "string":
                return self._text(schema, name)
            case _:
                return _plain(schema)

    def _text(self, schema: Schema, name: str) -> Drawn:
        least, most = schema.get("minLength", 0), schema.get("maxLength", 1_000)
        anything = _texts.filter(lambda text: least <= len(text) <= most)
        word = self._words.get(name)
        return anything if word is None else st.one_of(*[word] * 7, anything)

    def _object(self, schema: Schema, name: str) -> Drawn:
        members: Mapping[str, Schema] = schema.get("properties", {})
        drawn = {member: self._fitting(inner, member) for member, inner in members.items()}
        wanted = {member: drawn.pop(member) for member in schema.get("required", ())}
        if members:
            # With all that they may have, most calls say two things that do not go together.
            named = {member: drawn[member] for member in ("session_id",) if member in drawn}
            few, whose = st.fixed_dictionaries(wanted), st.fixed_dictionaries(wanted | named)
            return st.one_of(few, whose, st.fixed_dictionaries(wanted, optional=drawn))
        inner = schema.get("additionalProperties", {})
        values = self._fitting(inner, "") if isinstance(inner, Mapping) else _values
        return st.dictionaries(self._words.get(name, _texts) | _texts, values, max_size=4)


def _plain(schema: Schema) -> Drawn:
    match schema.get("type"):
        case "integer":
            least, most = schema.get("minimum", -(2**53) + 1), schema.get("maximum", 2**53 - 1)
            return _whole.filter(lambda number: least <= number <= most)
        case "number":
            above, most = schema.get("exclusiveMinimum", schema.get("minimum", -1e9)), schema.get("maximum", 1e9)
            return st.floats(above, most, exclude_min="exclusiveMinimum" in schema)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case _:
            return _values


def _spoilt(params: Params, surprise: str, value: Any) -> Params:
    """One member is something else: one that there is, or one more."""
    names = sorted(params)
    name = names[len(surprise) % len(names)] if names and len(surprise) % 3 else surprise
    return {**params, name: value}
