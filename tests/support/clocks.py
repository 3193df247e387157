"""Server processes whose clock is wrong, by libfaketime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

_WHERE = Path("/usr/lib")
_LIBRARY = "*/faketime/libfaketimeMT.so.1"


def find_faketime() -> str | None:
    """The library's file, where Debian has it."""
    return next((str(found) for found in _WHERE.glob(_LIBRARY)), None)


def wrong_clock(ahead: str) -> Mapping[str, str]:
    """The environment of a process that believes it is so much later, as in `+1h`; timers go as they should.

    Skips the test where libfaketime is not installed.
    """
    library = find_faketime()
    if library is None:
        pytest.skip("WRONG CLOCKS ARE NOT TESTED: no libfaketime in /usr/lib.")
    return {"LD_PRELOAD": library, "FAKETIME": ahead, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
