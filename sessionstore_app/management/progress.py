"""How far a command is, where somebody looks on."""

from __future__ import annotations

from django.core.management.base import OutputWrapper

_WIDTH = 24
# To the start of the line, and nothing behind what is written.
_ANEW = "\r\033[K"


class ProgressBar:
    """One line of a terminal, written over again and again. `total` is what was there at the beginning."""

    def __init__(self, out: OutputWrapper, total: int) -> None:
        self._out = out
        self._total = total

    def show(self, done: int, what: str) -> None:
        """So much is done; others may have done some of it, and there may be more by now."""
        share = min(done / self._total, 1.0) if self._total else 1.0
        bar = "#" * round(share * _WIDTH)
        self._out.write(f"{_ANEW}[{bar:-<{_WIDTH}}] {share:4.0%}  {what}", ending="")
        self._out.flush()

    def clear(self) -> None:
        """Leave an empty line."""
        self._out.write(_ANEW, ending="")
