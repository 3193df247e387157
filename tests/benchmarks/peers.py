"""The generator's peers: raw sockets behind one epoll, opened, read and closed with as little Python as possible."""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable

from tests.benchmarks import wire
from tests.benchmarks.dialects import Dialect

READ_BYTES = 16_384
ACK_EVERY_BYTES = 65_536
HEARTBEAT = b'"session.heartbeat"'
OPENING_AT_ONCE = 32
OPEN_SECONDS = 60


class PeerLostError(Exception):
    """The server closed a socket that should have stayed."""


class Peer:
    """One socket; `step` counts the answered texts of its opening, and is -1 until the handshake is done."""

    __slots__ = (
        "acked_bytes",
        "deaf",
        "newest",
        "on_text",
        "ready",
        "rest",
        "room",
        "sock",
        "step",
        "text_bytes",
        "values",
    )

    def __init__(self, room: str, keys: int) -> None:
        self.room = room
        self.sock = socket.socket()
        self.rest = b""
        self.step = -1
        self.ready = False
        self.deaf = False
        self.text_bytes = 0
        self.acked_bytes = 0
        self.newest = 0
        self.values = [0] * keys
        self.on_text: Callable[[Peer, bytes], None] = ignore

    def send(self, text: str) -> None:
        self.send_frame(wire.TEXT, text.encode())

    def send_frame(self, opcode: int, payload: bytes) -> None:
        data = wire.frame(opcode, payload)
        if self.sock.send(data) < len(data):
            raise PeerLostError(f"The server no longer reads from a socket in {self.room}")


def ignore(peer: Peer, payload: bytes) -> None:
    """What a peer does with texts that nobody measures."""


class Crowd:
    """Peers of one server."""

    def __init__(self, port: int, dialect: Dialect) -> None:
        self.port = port
        self.dialect = dialect
        self._acknowledges = dialect.acknowledges
        self.peers: list[Peer] = []
        self.frames = 0
        # Peers of a room are mostly sent the same bytes: split them once.
        self._split_data = b""
        self._split_frames: list[tuple[int, bytes]] = []
        self._by_fd: dict[int, Peer] = {}
        self._epoll = select.epoll()

    def open(self, peers: Iterable[Peer]) -> None:
        """Open and join, a few at a time, and return when all have."""
        waiting, opening = deque(peers), set[Peer]()
        deadline = time.monotonic() + OPEN_SECONDS
        while waiting or opening:
            while waiting and len(opening) < OPENING_AT_ONCE:
                opening.add(self._connect(waiting.popleft()))
            self.pump(1)
            opening = {peer for peer in opening if not peer.ready}
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(waiting) + len(opening)} sockets were not open after {OPEN_SECONDS} s")

    def pump(self, timeout: float) -> int:
        """Read what has arrived, once; the number of sockets that had something."""
        ready = self._epoll.poll(timeout)
        for fd, _ in ready:
            peer = self._by_fd[fd]
            data = peer.sock.recv(READ_BYTES)
            if not data:
                raise PeerLostError(f"The server dropped a socket in {peer.room}")
            if peer.step < 0:
                self._upgrade(peer, peer.rest + data)
            else:
                self._feed(peer, peer.rest + data if peer.rest else data)
        return len(ready)

    def settle(self, quiet_seconds: float, limit_seconds: float = 30) -> None:
        """Read on until nothing but heartbeats has come for a while: joins are over, a measurement can begin."""
        start = heard = time.monotonic()
        while heard - start < limit_seconds:
            frames = self.frames
            self.pump(0.1)
            if self.frames != frames:
                heard = time.monotonic()
            elif time.monotonic() - heard > quiet_seconds:
                return
        raise TimeoutError(f"The server was not quiet for {quiet_seconds} s within {limit_seconds} s")

    def deafen(self, peer: Peer) -> None:
        """Stop reading from one socket for good, as a phone does that was put to sleep."""
        self._epoll.unregister(peer.sock)
        peer.deaf = True

    def close(self) -> None:
        """End every session in the way the server likes best, and wait until it has let go of the sockets."""
        farewell = self.dialect.closing()
        for peer in self.peers:
            if farewell and not peer.deaf:
                peer.send(farewell)
                peer.on_text = ignore
        if farewell:
            self._read_out()
        self._epoll.close()
        for peer in self.peers:
            peer.sock.close()
        self.peers.clear()

    def _read_out(self) -> None:
        remaining = {peer.sock.fileno(): peer for peer in self.peers if not peer.deaf}
        deadline = time.monotonic() + OPEN_SECONDS
        while remaining and time.monotonic() < deadline:
            for fd, _ in self._epoll.poll(1):
                peer = remaining.get(fd)
                if peer is None or self._still_talks(peer):
                    continue
                self._epoll.unregister(fd)
                del remaining[fd]
        if remaining:
            raise TimeoutError(f"{len(remaining)} sessions were not closed after {OPEN_SECONDS} s")

    def _still_talks(self, peer: Peer) -> bool:
        try:
            data = peer.sock.recv(READ_BYTES)
        except ConnectionResetError:
            return False
        frames, peer.rest = wire.split(peer.rest + data)
        return bool(data) and all(opcode != wire.CLOSE for opcode, _ in frames)

    def _connect(self, peer: Peer) -> Peer:
        peer.sock.connect(("127.0.0.1", self.port))
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.sock.setblocking(False)
        self._by_fd[peer.sock.fileno()] = peer
        self._epoll.register(peer.sock, select.EPOLLIN)
        self.peers.append(peer)
        peer.sock.send(wire.handshake(self.port, self.dialect.path(peer.room)))
        return peer

    def _upgrade(self, peer: Peer, data: bytes) -> None:
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            peer.rest = data
            return
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            raise PeerLostError(f"The handshake was refused: {head[:200]!r}")
        peer.rest = b""
        self._advance(peer)
        if rest:
            self._feed(peer, rest)

    def _advance(self, peer: Peer) -> None:
        peer.step += 1
        opening = self.dialect.opening(peer.room)
        if peer.step < len(opening):
            peer.send(opening[peer.step])
        else:
            peer.ready = True

    def _feed(self, peer: Peer, data: bytes) -> None:
        if data != self._split_data:
            self._split_frames, peer.rest = wire.split(data)
            self._split_data = b"" if peer.rest else data
        elif peer.rest:
            peer.rest = b""
        for opcode, payload in self._split_frames:
            if opcode != wire.TEXT:
                self._control(peer, opcode, payload)
            elif not (self._acknowledges and self._answers_heartbeat(peer, payload)):
                self._hear(peer, payload)

    def _hear(self, peer: Peer, payload: bytes) -> None:
        self.frames += 1
        if peer.ready:
            peer.on_text(peer, payload)
        elif self.dialect.opened(payload, peer.step):
            self._advance(peer)

    def _answers_heartbeat(self, peer: Peer, payload: bytes) -> bool:
        """Acknowledge as clients have to, and say whether the text was a heartbeat and nothing more."""
        peer.text_bytes += len(payload)
        is_heartbeat = HEARTBEAT in payload
        if is_heartbeat or peer.text_bytes - peer.acked_bytes >= ACK_EVERY_BYTES:
            peer.acked_bytes = peer.text_bytes
            peer.send(f'{{"jsonrpc":"2.0","method":"session.ack","params":{{"bytes":{peer.text_bytes}}}}}')
        # In an array it came with something else.
        return is_heartbeat and payload.startswith(b"{")

    def _control(self, peer: Peer, opcode: int, payload: bytes) -> None:
        if opcode == wire.PING:
            peer.send_frame(wire.PONG, payload)
        elif opcode == wire.CLOSE:
            code = int.from_bytes(payload[:2], "big")
            raise PeerLostError(f"The server closed a socket in {peer.room} with code {code}")
