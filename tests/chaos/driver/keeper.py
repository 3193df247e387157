"""A process of server code: it keeps private stores and sweeps site sessions, as a view or a task would.

`python -m tests.chaos.driver.keeper` reads calls from standard input, JSON objects, one a line, and answers likewise:
`{"do": "get" | "set" | "items" | "sweep", "session": …, "key": …, "value": …}` → `{"result": …}` or `{"error": …}`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any


def _do(call: Mapping[str, Any]) -> Any:
    from sessionstore_app import private_store, site_sessions

    if call["do"] == "sweep":
        return site_sessions.expire(batch_size=10)
    store = private_store(call["session"])
    if call["do"] == "set":
        store.set(call["key"], call["value"])
        return None
    return store.get(call["key"]) if call["do"] == "get" else store.items()


def main() -> None:
    """Answer until the input ends."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    import django

    django.setup()
    from django.db import DatabaseError

    from sessionstore_app.core.errors import SessionStoreError

    for line in sys.stdin:
        try:
            answer = {"result": _do(json.loads(line))}
        except SessionStoreError as error:
            answer = {"error": error.reason}
        except DatabaseError as error:
            answer = {"error": "UNAVAILABLE", "text": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
