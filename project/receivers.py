"""What the demo's server does when somebody leaves a meeting."""

from django.dispatch import receiver

from sessionstore_app import errors, rooms
from sessionstore_app.core.close import CloseReason
from sessionstore_app.signals import peer_left

# Longer than a page that is away tries to find its session again.
REMEMBERED_SECONDS = 600


@receiver(peer_left)
async def remember_removal(*, room: str, session_id: str, reason: str, **_: object) -> None:
    """Note who was removed: a page that was away meanwhile would else come back as somebody new."""
    if room.startswith("meeting/") and reason == CloseReason.CLOSED_BY_CONTROLLER.name:
        await rooms.aset(room, f"removed/{session_id}", True, ttl_seconds=REMEMBERED_SECONDS)


@receiver(peer_left)
async def clear_spotlight(*, room: str, session_id: str, **_: object) -> None:
    """Nobody stays in the spotlight after leaving; unless another was put there meanwhile."""
    if not room.startswith("meeting/"):
        return
    spotlight = await rooms.aget_entry(room, "spotlight")
    if spotlight.value != session_id:
        return
    try:
        await rooms.adelete(room, "spotlight", if_version=spotlight.version)
    except errors.VersionConflict:
        return
