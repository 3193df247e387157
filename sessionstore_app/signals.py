"""Signals for server code. Each is sent once a happening, after commit, by the process that caused it.

Receivers may be sync or async; one that fails is logged and harms nobody.
"""

from django.dispatch import Signal

# room: str, epoch: str, version: int, entries: tuple[Entry, …]: what one write left behind; deleted ones have no value.
room_changed = Signal()
# room: str, epoch: str (the new one), reason: "LAST_PEER_LEFT", "CLEARED", "IDLE" or "STORE_LOST".
room_cleared = Signal()
# room: str, session_id: str.
peer_joined = Signal()
# room: str, session_id: str, reason: "LEFT" or the close reason's name.
peer_left = Signal()

# Of all that follow: session_id: str, state: str, properties: dict[str, str] (all it has now, or had last),
# changed_properties: dict[str, str | None] (old values of what changed, None for what is new), reason: str.
session_opened = Signal()
# Properties or roles were changed.
session_changed = Signal()
# Its socket is gone; it waits to be resumed.
session_disconnected = Signal()
# It was resumed: state is RECONNECTED, or FAILED_OVER where another process serves it now.
session_returned = Signal()
# It has ended; reason is the close reason's name. store: dict[str, …]: the last entries of its private store, which is
# destroyed after this.
session_closed = Signal()
