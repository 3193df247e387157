"""What a client can make of an OpenRPC document and nothing else: calls, and a verdict on each reply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.support.http import Http
from tests.support.wire import Params

_HERE = "urn:openrpc"

Schema = Mapping[str, Any]


class Contract:
    """A document, ready to be held against calls and replies."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self._registry = Registry().with_resource(_HERE, DRAFT202012.create_resource(document))
        self._positions = {method["name"]: position for position, method in enumerate(document["methods"])}

    @property
    def http_methods(self) -> list[str]:
        """What HTTP serves."""
        return [name for name in self._positions if self.method(name)["x-http"]]

    def method(self, name: str) -> Mapping[str, Any]:
        """One method's description."""
        found: Mapping[str, Any] = self.document["methods"][self._positions[name]]
        return found

    def resolve(self, reference: str) -> Any:
        """What a reference within the document leads to. Raises KeyError."""
        assert reference.startswith("#/"), reference
        found: Any = self.document
        for part in reference[2:].split("/"):
            found = found[part]
        return found

    def reasons(self, name: str) -> set[str]:
        """The reasons of the errors that a method may give."""
        return {self.resolve(error["$ref"])["data"]["reason"] for error in self.method(name)["errors"]}

    def params_errors(self, name: str, params: Params) -> list[str]:
        """What is wrong with the parameters of a call."""
        return self._errors(f"methods/{self._positions[name]}/x-params", params)

    def assert_reply(self, name: str, reply: Params) -> None:
        """Fail where the document does not say that the method may be answered so."""
        if "error" not in reply:
            wrong = self._errors(f"methods/{self._positions[name]}/result/schema", reply["result"])
            assert not wrong, (name, reply["result"], wrong)
            return
        error = reply["error"]
        reason = error["data"]["reason"]
        assert reason in self.reasons(name), (name, error)
        assert reason != "INTERNAL_ERROR"
        assert error["code"] == self.document["components"]["errors"][reason]["code"]

    def _errors(self, pointer: str, value: Any) -> list[str]:
        validator = Draft202012Validator({"$ref": f"{_HERE}#/{pointer}"}, registry=self._registry)
        return [error.message for error in validator.iter_errors(value)]

    # --- making calls up

    def calls(self, name: str) -> Iterator[Params]:
        """Parameters made of the schemas: the fewest, all of them, and the document's own example."""
        schema = self.method(name)["x-params"]
        for choice in schema.get("anyOf", [schema]):
            yield self.value(choice, whole=False)
            yield self.value(choice, whole=True)
        yield from schema["examples"]

    def value(self, schema: Schema, *, whole: bool) -> Any:
        """A small value that fits a schema; `whole` with every member that it may have."""
        if "$ref" in schema:
            return self.value(self.resolve(schema["$ref"]), whole=whole)
        if "anyOf" in schema:
            return self.value(schema["anyOf"][0], whole=whole)
        if "enum" in schema:
            return schema["enum"][0]
        if schema.get("type") == "object":
            return self._object(schema, whole=whole)
        if schema.get("type") == "array":
            return [self.value(schema["items"], whole=whole)] * max(schema.get("minItems", 0), whole)
        return _plain(schema)

    def _object(self, schema: Schema, *, whole: bool) -> Params:
        members = schema.get("properties", {})
        wanted = members if whole else schema.get("required", ())
        return {name: self.value(members[name], whole=whole) for name in wanted}


def _plain(schema: Schema) -> Any:
    match schema.get("type"):
        case "string":
            return "a" * max(schema.get("minLength", 0), 1)
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case _:
            return None


class CheckedHttp(Http):
    """A caller who holds every reply to the document, and remembers which methods gave a result."""

    def __init__(self, host: str, token: str, contract: Contract) -> None:
        super().__init__(host, token)
        self._contract = contract
        self.answered: set[str] = set()

    async def ask(self, method: str, **params: Any) -> Params:
        """Call, check the reply, and return it."""
        reply = await super().ask(method, **params)
        self._contract.assert_reply(method, reply)
        if "result" in reply:
            self.answered.add(method)
        return reply
