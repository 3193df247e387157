"""A thread that lives while there is work: jobs come to it by a queue, from any number of event loops."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable

from sessionstore_app.backends.waiting import MAX_BATCH, Caller, Pending


class Worker:
    """The queue, the thread `name` that `serve` runs in, and the loops that hand over jobs."""

    def __init__(self, name: str, serve: Callable[[], None]) -> None:
        self._name = name
        self._serve = serve
        # Of the thread that is or will be; one that was closed finishes a queue of its own.
        self._queue: queue.SimpleQueue[Pending | None] = queue.SimpleQueue()
        self._own = threading.local()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._callers: dict[asyncio.AbstractEventLoop, Caller] = {}

    # --- for callers

    def caller(self, loop: asyncio.AbstractEventLoop, begin: Callable[[Caller], object]) -> Caller:
        """What is known of a loop; `begin` is called at its first job."""
        found = self._callers.get(loop)
        if found is None:
            found = Caller(loop)
            with self._lock:
                # Each request may have a loop of its own, as under WSGI: those that have ended are forgotten.
                for ended in [known for known in self._callers if known.is_closed()]:
                    del self._callers[ended]
                self._callers[loop] = found
            begin(found)
        return found

    def put(self, *pending: Pending) -> None:
        """Hand over jobs, in their order."""
        with self._lock:
            for each in pending:
                self._queue.put(each)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._live, args=[self._queue], name=self._name, daemon=True)
                self._thread.start()

    def close(self) -> None:
        """End the thread; jobs already queued are done first."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is not None and thread.is_alive():
                self._queue.put(None)
                self._queue = queue.SimpleQueue()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    # --- in the thread

    def _live(self, own: queue.SimpleQueue[Pending | None]) -> None:
        self._own.queue = own
        self._serve()

    def take(self, add: Callable[[Pending], object], *, pause: float, is_busy: bool) -> bool:
        """Take what is queued, waiting `pause` seconds for the first; false when the thread should end."""
        for _ in range(MAX_BATCH):
            pending = self._next(pause, is_busy=is_busy)
            if isinstance(pending, bool):
                return pending
            add(pending)
            pause, is_busy = 0.0, True
        return True

    def _next(self, pause: float, *, is_busy: bool) -> Pending | bool:
        own: queue.SimpleQueue[Pending | None] = self._own.queue
        while True:
            try:
                pending = own.get(timeout=pause) if pause else own.get_nowait()
            except queue.Empty:
                if is_busy:
                    return True
                if self._retire(own):
                    return False
                continue
            if pending is None and is_busy:
                # Closed: what came before is still done, then the next look finds nothing.
                own.put(None)
                return True
            return pending is not None and pending

    def _retire(self, own: queue.SimpleQueue[Pending | None]) -> bool:
        """Stop being the thread, unless something came in the meantime: then nobody else would be started for it."""
        with self._lock:
            if not own.empty():
                return False
            if self._thread is threading.current_thread():
                self._thread = None
            return True
