"""The generator's peers: raw sockets behind one epoll, opened, read and closed with as little Python as possible."""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable

from tests.benchmarks import wire
from tests.benchmarks.dialects import Dialect, RefusedError

READ_BYTES = 16_384
ACK_EVERY_BYTES = 65_536
HEARTBEAT, REFUSED = b'"session.heartbeat"', b'"error":'
AT_ONCE = 64
OPEN_SECONDS = 60


class PeerLostError(Exception):
    """The server closed a socket that should have stayed."""


class Peer:
    """One socket; `step` counts the answered texts of its opening, and is -1 until the handshake is done."""

    __slots__ = (
        "acked_bytes",
        "deaf",
        "on_text",
        "port",
        "ready",
        "rest",
        "room",
        "sock",
        "step",
        "text_bytes",
        "token",
        "values",
    )

    def __init__(self, room: str, keys: int, port: int, *, token: str = "") -> None:
        self.room = room
        self.token = token
        self.port = port
        self.sock = socket.socket()
        self.rest = b""
        self.step = -1
        self.ready = False
        self.deaf = False
        self.text_bytes = 0
        self.acked_bytes = 0
        self.values = before_first(keys)
        self.on_text: Callable[[Peer, bytes], None] = ignore

    def send(self, text: str) -> None:
        self.send_frame(wire.TEXT, text.encode())

    def send_frame(self, opcode: int, payload: bytes) -> None:
        data = wire.frame(opcode, payload)
        if self.sock.send(data) < len(data):
            raise PeerLostError(f"The server no longer reads from a socket in {self.room}")


def ignore(peer: Peer, payload: bytes) -> None:
    """What a peer does with texts that nobody measures."""


def before_first(keys: int) -> list[int]:
    """What a peer holds of each key at the start: the number one round of all keys before the key's first."""
    return [0, *range(1 - keys, 0)]


class Crowd:
    """Peers of servers that are spoken to alike."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._acknowledges = dialect.acknowledges
        self.peers: list[Peer] = []
        self.frames = 0
        self.refused = 0
        self._again: deque[tuple[float, Peer]] = deque()
        # Peers of a room are mostly sent the same bytes: split them once.
        self._split_data = b""
        self._split_frames: list[tuple[int, bytes]] = []
        self._by_fd: dict[int, Peer] = {}
        self._epoll = select.epoll()

    def open(self, peers: Iterable[Peer], at_once: int = AT_ONCE) -> None:
        """Open and join, a few at a time, and return when all have. Whoever is asked to come again does so."""
        waiting, opening = deque(peers), set[Peer]()
        deadline = time.monotonic() + OPEN_SECONDS
        while waiting or opening:
            while waiting and len(opening) < at_once:
                opening.add(self._connect(waiting.popleft()))
            self.pump(0.05 if self._again else 1)
            self._ask_again()
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
        if farewell:
            self._part(farewell)
        self._epoll.close()
        for peer in self.peers:
            peer.sock.close()
        self.peers.clear()

    def _part(self, farewell: str) -> None:
        """A few at a time: of a thousand who leave at once, many are refused because it takes too long."""
        waiting, leaving = deque(peer for peer in self.peers if not peer.deaf), set[int]()
        deadline = time.monotonic() + OPEN_SECONDS
        while waiting or leaving:
            while waiting and len(leaving) < AT_ONCE:
                peer = waiting.popleft()
                peer.send(farewell)
                leaving.add(peer.sock.fileno())
            for fd, _ in self._epoll.poll(1):
                peer = self._by_fd[fd]
                if self._still_talks(peer, farewell):
                    continue
                if fd not in leaving:
                    raise PeerLostError(f"The server closed a socket in {peer.room} that was not to leave yet")
                self._epoll.unregister(fd)
                leaving.remove(fd)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(waiting) + len(leaving)} sessions were open after {OPEN_SECONDS} s")

    def _still_talks(self, peer: Peer, farewell: str) -> bool:
        try:
            data = peer.sock.recv(READ_BYTES)
        except ConnectionResetError:
            return False
        frames, peer.rest = wire.split(peer.rest + data)
        for opcode, payload in frames:
            if opcode == wire.TEXT and self._acknowledges:
                self._answers_heartbeat(peer, payload)
                if REFUSED in payload:
                    peer.send(farewell)
        return bool(data) and all(opcode != wire.CLOSE for opcode, _ in frames)

    def _connect(self, peer: Peer) -> Peer:
        peer.sock.connect(("127.0.0.1", peer.port))
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.sock.setblocking(False)
        self._by_fd[peer.sock.fileno()] = peer
        self._epoll.register(peer.sock, select.EPOLLIN)
        self.peers.append(peer)
        peer.sock.send(wire.handshake(peer.port, self.dialect.path(peer.room)))
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
        opening = self.dialect.opening(peer.room, peer.token)
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
        elif self._has_opened(peer, payload):
            self._advance(peer)

    def _has_opened(self, peer: Peer, payload: bytes) -> bool:
        try:
            return self.dialect.opened(payload, peer.step)
        except RefusedError as error:
            if error.retry_after_seconds is None:
                raise
            self.refused += 1
            self._again.append((time.monotonic() + error.retry_after_seconds, peer))
            return False

    def _ask_again(self) -> None:
        while self._again and self._again[0][0] <= time.monotonic():
            _, peer = self._again.popleft()
            peer.send(self.dialect.opening(peer.room, peer.token)[peer.step])

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
