"""How a command is told to stop: by Ctrl-C, or by a service manager's SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """An event that the first such signal sets; the second one does what it did before. Off the main thread, where
    Python lets nobody handle signals, it is never set.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def stop(_number: int, _frame: FrameType | None) -> None:
        restore()
        asked.set()

    for number in _SIGNALS:
        signal.signal(number, stop)
    try:
        yield asked
    finally:
        restore()
