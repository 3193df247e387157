"""What the demo's server does when somebody leaves a meeting."""

from django.dispatch import receiver

from sessionstore_app import rooms
from sessionstore_app.core.close import CloseReason
from sessionstore_app.signals import peer_left


@receiver(peer_left)
async def remember_removal(*, room: str, session_id: str, reason: str, **_: object) -> None:
    """Note who was removed; how long it is remembered, the meeting says."""
    if room.startswith("meeting/") and reason == CloseReason.CLOSED_BY_CONTROLLER.name:
        await rooms.aset(room, f"removed/{session_id}", True)
