"""Who is in a room. Pure: what is told is merged, and readers hear what is new."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sessionstore_app.client.forms import Departure, Peer, PeersChange, peer_of
from sessionstore_app.client.streams import Queued, Readers


class Roster:
    """The peers that are known, the first to join first. Of many they are the first page, and who came since."""

    def __init__(self) -> None:
        self._known: dict[str, Peer] = {}
        self.peers: tuple[Peer, ...] = ()
        self.count = 0
        self.readers: Readers[Queued[PeersChange]] = Readers()

    def merge(self, told: Mapping[str, Any]) -> None:
        """Take what `room.peers` tells."""
        self._merge(
            count=told["count"],
            joined=[peer_of(each) for each in told.get("joined", ())],
            left=[Departure(session_id=each["session_id"], reason=each["reason"]) for each in told.get("left", ())],
            updated=[peer_of(each) for each in told.get("updated", ())],
        )

    def replace(self, told: Iterable[Mapping[str, Any]], count: int) -> None:
        """Take these for all there are, if they are as many as there are; who went meanwhile has LEFT."""
        peers = [peer_of(each) for each in told]
        ids = {peer.session_id for peer in peers}
        gone = [id for id in self._known if id not in ids] if len(peers) >= count else []
        self._merge(
            count=count,
            joined=[peer for peer in peers if peer.session_id not in self._known],
            left=[Departure(session_id=id, reason="LEFT") for id in gone],
            updated=[peer for peer in peers if self._known.get(peer.session_id, peer) != peer],
        )

    def _merge(self, *, count: int, joined: list[Peer], left: list[Departure], updated: list[Peer]) -> None:
        for each in left:
            self._known.pop(each.session_id, None)
        self._known.update((peer.session_id, peer) for peer in (*joined, *updated))
        self.peers = tuple(sorted(self._known.values(), key=lambda peer: (peer.joined_at, peer.session_id)))
        news = bool(joined or left or updated or count != self.count)
        self.count = count
        if not news:
            return
        change = PeersChange(
            peers=self.peers, count=count, joined=tuple(joined), left=tuple(left), updated=tuple(updated)
        )
        for reader in self.readers:
            reader.put(change)
