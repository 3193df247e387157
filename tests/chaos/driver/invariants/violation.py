"""What a check finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.driver.final import Final
from tests.chaos.driver.history import History


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken, in words, and what was involved: operations, what was told, rows."""

    invariant: str
    text: str
    evidence: tuple[object, ...] = ()


Check = Callable[[History, Final], list[Violation]]
