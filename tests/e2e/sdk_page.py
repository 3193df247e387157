"""An otherwise blank page of the demo's origin that a test drives through the SDK alone, as a program would use it.

Every built-in prototype that a hostile key could reach is frozen before the SDK is loaded.
"""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

# A file that the browser shows as text: of the demo's origin, without a script of its own.
_BLANK = "/static/sessionstore_app/sdk/index.js"
_FREEZE = "for (const type of [Object, Array, Map, Function]) Object.freeze(type.prototype);"
_CONNECT = """async () => {
  const sdk = await import("/static/sessionstore_app/sdk/index.js");
  const session = await sdk.connect();
  globalThis.held = { sdk, session };
  return session.id;
}"""
_JOIN = """async ({ room, observe }) => {
  const { held } = globalThis;
  Object.assign(held, { room: await held.session.join(room), seen: [], values: new Map() });
  const { seen, values } = held;
  if (observe.length) held.room.store.observe(observe, ({ key, value }, { initial, own }) => {
    seen.push([key, value, initial, own]);
    values.set(key, value);
  });
}"""


class SdkPage:
    """A page with a session. Code finds `sdk`, `session`, `given`, `held`, and of the room joined last `room`, `store`,
    `seen` (what was observed, in order) and `values` (what is observed now)."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        page.add_init_script(_FREEZE)
        page.goto(f"{origin}{_BLANK}")
        self.session_id: str = page.evaluate(_CONNECT)

    def join(self, room: str, *, observe: list[str] | None = None) -> None:
        """Join a room and observe these patterns."""
        self.page.evaluate(_JOIN, {"room": room, "observe": observe or []})

    def run(self, code: str, given: Any = None) -> Any:
        """Run the body of an async function and give what it returns."""
        return self.page.evaluate(_with_names("async", code), given)

    def wait_until(self, condition: str, given: Any = None) -> None:
        """Wait until an expression is true."""
        self.page.wait_for_function(_with_names("", f"return {condition};"), arg=given)

    def refusal(self, code: str, given: Any = None) -> dict[str, Any]:
        """What the error says that `code` fails with."""
        caught = """
          const { name, constructor, reason, hint, code, limit, actual, current } = error;
          const isTyped = error instanceof sdk.SessionStoreError && error instanceof Error;
          const isNamed = Object.entries(sdk).filter(([, type]) => type === constructor).map(([name]) => name)[0];
          return { isTyped, isNamed, reason, hint, code, limit, actual, current };"""
        answer: dict[str, Any] | None = self.run(f"try {{ {code} }} catch (error) {{ {caught} }}", given)
        assert answer is not None, "it was not refused"
        return answer


def _with_names(color: str, code: str) -> str:
    names = "const { held } = globalThis; const { sdk, session, room, seen, values } = held; const { store } = room;"
    return f"{color} (given) => {{ {names} {code} }}"
