"""Tokens for the peers of a room, each of another principal, made in a process of its own.

Run as `python -m tests.benchmarks.rulestokens '{"roles": ["host", "guest"]}'` in the project's environment; prints
JSON: one token for each role named.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import django

django.setup()

from sessionstore_app import mint_token  # noqa: E402 - Django has to be set up first


def main(arguments: dict[str, Any]) -> dict[str, list[str]]:
    return {"tokens": [mint_token(f"p{place}", roles=[role]) for place, role in enumerate(arguments["roles"])]}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
