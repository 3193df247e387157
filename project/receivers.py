"""What the demo's server does when somebody leaves a meeting."""

from django.dispatch import receiver

from sessionstore_app import errors, rooms
from sessionstore_app.signals import peer_left


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
