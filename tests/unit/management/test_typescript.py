"""Room types as TypeScript: what each type becomes, and that the compiler takes it, with the SDK."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sessionstore_app import Key, RoomType
from sessionstore_app.core.definitions import define
from sessionstore_app.management.typescript import typescript
from tests.support.node import CHECKOUT, assert_typed, needs_types
from tests.unit.management import kinds

SDK = CHECKOUT / "sessionstore_app" / "static" / "sessionstore_app" / "sdk" / "index.js"
USE = """
import { connect, type Entry } from %(sdk)s;
import type { Box22, Box2, BoxInt, Everything, Node, Record, Voting } from "./rooms";

type Same<One, Other> = [One] extends [Other] ? ([Other] extends [One] ? true : never) : never;

export async function use() {
  const { store } = await (await connect<Everything>()).join("all/1");
  const node: Node | null = await store.get("node");
  await store.set("node", { children: [{ children: node ? [node] : [] }, {}] });
  await store.set("pair", [1, null]);
  await store.set("point", [1]);
  await store.set("row", ["ann", 5, "more"]);
  await store.set("union", { type: "line", endPoint: null });
  await store.set("literal", "a");
  await store.set("mapping", { any: ["red", 'blue "sky"'] });
  await store.set("anything", { whatever: 1 });
  await store.set("custom_list", [{ whatever: 1 }]);
  await store.set('`"${x}\\\\', 1);
  await store.set("a-b/c", 1);
  await store.set("hand/ann", 1.5);
  await store.set("`${x}\\\\/ann", "text");
  await store.set("odd", { "a-b": 1, class: 2, __private: 3, "sehr schön": null, "quo'te": {}, Any: [] });
  const other: Box22 = { side: 1, line: { colour: "red" } };
  await store.set("other_box", other);

  // @ts-expect-error
  await store.set("pair", [1]);
  // @ts-expect-error
  await store.set("point", [1, 2, 3]);
  // @ts-expect-error
  await store.set("union", { type: "circle" });
  // @ts-expect-error
  await store.set("literal", "b");
  // @ts-expect-error
  await store.set("hand/ann", "high");
  // @ts-expect-error
  await store.set("hands/ann", 1);
  // @ts-expect-error
  await store.set("by_number", { 1: 3 });
  // @ts-expect-error
  await store.set("nothing", [1]);

  const votes = (await (await connect<Voting>()).join("a/voting")).store;
  votes.observe("ann/vote", (entry) => true satisfies Same<typeof entry, Entry<BoxInt>>);
  const open = (await (await connect<Box2>()).join("box")).store;
  await open.set("whatever", 1);
  const numbers = (await (await connect<Record>()).join("a/record")).store;
  await numbers.set("whatever", 1);
  // @ts-expect-error
  await numbers.set("whatever", "text");
}
"""


def made(value_type: Any, **options: Any) -> str:
    """The line of a key of this type."""
    (line,) = [each for each in lines(value_type, **options) if "key" in each]
    return line.strip().removesuffix(";").partition(": ")[2]


def lines(value_type: Any, **options: Any) -> list[str]:
    """A room type with one key."""
    kind = type("Place", (RoomType,), {"match": "place", "key": Key(value_type, **options)})
    return typescript([define(kind)[0]]).splitlines()


@pytest.mark.parametrize(
    ("value_type", "expected"),
    [
        (Any, "any"),
        (str, "string"),
        (float | int | None, "number | null"),
        (list[int | str], "(number | string)[]"),
        (dict[str, bool], "{ [member: string]: boolean }"),
        (tuple[int, str | None], "[number, (string | null)]"),
        (tuple[int, ...], "number[]"),
        (tuple[()], "[]"),
        (list, "any[]"),
        (dict, "{ [member: string]: any }"),
        (object, "any"),
        (kinds.CONSTANT, '"x"'),
        (kinds.NULLABLE, "string | null"),
        (kinds.ONE_OF, "number | boolean"),
        (kinds.UNHEARD_OF, "any"),
        (list[kinds.Custom], "any[]"),
        (int | Any, "any"),
        (kinds.Node, "Node"),
        (list[kinds.Node], "Node[]"),
        (kinds.Box[list[str]], "BoxListStr"),
    ],
)
def test_a_type_becomes_its_like(value_type: Any, expected: str) -> None:
    assert made(value_type) == expected


def test_docstrings_and_defaults_become_comments() -> None:
    shown = "\n".join(lines(list[kinds.Node], default=[]))
    assert "  /** Where there is no value: [] */\n  key: Node[];" in shown
    assert "/**\n * A tree.\n *\n * Its end is *\\/ and" in shown
    assert "/**\n * Rooms" not in shown
    assert "/** Rooms `place`. */\nexport interface Place {" in shown


def test_it_says_where_it_comes_from() -> None:
    assert lines(int)[0].startswith("/** Made by `manage.py sessionstore_room --types`")


@needs_types
def test_the_compiler_takes_types_of_everything_and_refuses_what_does_not_fit(tmp_path: Path) -> None:
    found = [define(kind) for kind in (kinds.Everything, kinds.Box2, kinds.Voting, kinds.Record)]
    assert [problem for _, problems in found for problem in problems] == []
    (tmp_path / "rooms.ts").write_text(typescript([definition for definition, _ in found]))
    (tmp_path / "use.ts").write_text(USE % {"sdk": json.dumps(str(SDK))})
    options = {"strict": True, "noEmit": True, "target": "ES2022", "module": "ESNext", "moduleResolution": "bundler"}
    project = {"compilerOptions": {**options, "types": [], "lib": ["ES2022", "DOM"]}, "files": ["use.ts"]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(project))
    assert_typed(tmp_path / "tsconfig.json")
