"""Channel layers that misbehave on purpose, as real ones do (P9): they lose, repeat, reorder, or are out of reach."""

from __future__ import annotations

from typing import Any

from channels.layers import InMemoryChannelLayer

DROP_EVERY, REPEAT_EVERY, SWAP_EVERY = 7, 5, 4


class LossyLayer(InMemoryChannelLayer):  # type: ignore[misc]  # Channels has no types
    """Loses every 7th message to a group, delivers every 5th twice, and every 4th only after the next one."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.is_lossy = True
        self.sent = self.dropped = self.repeated = self.swapped = 0
        self._held: list[tuple[str, dict[str, Any]]] = []

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        if not self.is_lossy:
            await super().group_send(group, message)
            return
        self.sent += 1
        if self.sent % DROP_EVERY == 0:
            self.dropped += 1
            return
        if self.sent % SWAP_EVERY == 0:
            self.swapped += 1
            self._held.append((group, message))
            return
        await super().group_send(group, message)
        if self.sent % REPEAT_EVERY == 0:
            self.repeated += 1
            await super().group_send(group, message)
        held, self._held = self._held, []
        for late in held:
            await super().group_send(*late)


class DeafLayer(InMemoryChannelLayer):  # type: ignore[misc]  # Channels has no types
    """Out of reach while `is_deaf`: it takes nothing, and who listens is told so."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.is_deaf = False

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        if self.is_deaf:
            raise ConnectionError("the layer is out of reach")
        await super().group_send(group, message)

    async def receive(self, channel: str) -> Any:
        message = await super().receive(channel)
        if self.is_deaf:
            raise ConnectionError("the layer is out of reach")
        return message

    async def send_anyway(self, group: str) -> None:
        """Let the listeners of a group notice in what state the layer is."""
        for channel in list(self.groups[group]):
            await self.send(channel, {"type": "said", "room": "none", "text": "{}"})
