"""A short history in which all went well, told by hand, for the tests of the checks to spoil."""

from __future__ import annotations

from typing import Any

from tests.chaos.driver.final import Final, RoomFinal, RoomView, SessionRow, Standing, Stay
from tests.chaos.driver.history import Heard, History, Measured, Opened, Operation, Seen, Told
from tests.chaos.driver.staff import STAFF_ROOM

HALL, EPOCH = "hall", "e1"
ANN, BO = "s-ann", "s-bo"
_OF = {"ann": ANN, "bo": BO}


class Story:
    """Ann and Bo in a room. Each write takes a tenth of a second, and both are told of it at once."""

    def __init__(self) -> None:
        self.history = History()
        self.final = Final(limits={"keys": 10, "bytes": 1_000}, canary="canary")
        self.at = 1.0
        self.version = 0
        self.held: dict[str, Seen] = {}
        self._open()
        self._write_all()
        self._be_private()
        self._keep_sites()
        self._take_a_role()
        self._end()

    # --- the beginning

    def _open(self) -> None:
        for client, session in _OF.items():
            self.history.opened.append(
                Opened(at=0.5, client=client, socket=1, session=session, is_resumed=False, server="n")
            )
            self.tell(client, "joined", whole=True, asked=0.8)
            self.hear(session, "ACTIVE", 1)

    # --- what happens

    def operation(self, client: str, method: str, **what: Any) -> Operation:
        """A call that was answered."""
        operation = Operation(
            **{
                "number": len(self.history.operations) + 1,
                "client": client,
                "method": method,
                "session": _OF.get(client, ""),
                "start": self.at,
                "end": self.at + 0.1,
                "outcome": "ok",
                **what,
            }
        )
        self.history.operations.append(operation)
        self.at += 0.2
        return operation

    def write(self, client: str, method: str, key: str, value: Any, **what: Any) -> Operation:
        """A write, of which both are told."""
        self.version += 1
        entry = Seen(key=key, value=value, version=self.version, by=_OF[client])
        self.held[key] = entry
        for each in _OF:
            self.tell(each, "changed", entry)
        return self.operation(client, method, room=HALL, key=key, entries=(entry,), **what)

    def set(self, client: str, key: str, value: Any, **what: Any) -> Operation:
        """A plain write."""
        return self.write(client, "room.set", key, value, values={key: value}, **what)

    def tell(self, client: str, kind: Any, *entries: Seen, **what: Any) -> Told:
        """Somebody is told something now."""
        told = Told(
            **{
                "at": self.at,
                "client": client,
                "socket": 1,
                "session": _OF[client],
                "room": HALL,
                "kind": kind,
                "epoch": EPOCH,
                "version": self.version,
                "entries": entries,
                **what,
            }
        )
        self.history.told.append(told)
        return told

    def hear(self, session: str, state: str, revision: int, **what: Any) -> None:
        """A listener is told of a session now."""
        told = {"at": self.at, "listener": "l/1", "socket": 1, "session": session, "type": "STATE"}
        self.history.heard.append(Heard(**{**told, "state": state, "revision": revision, **what}))

    def _write_all(self) -> None:
        self.set("ann", "k", "a1")
        self.set("bo", "k", "b1", if_version=1)
        self.write("ann", "room.update", "count", 1, do="increment")
        self.write("bo", "room.update", "count", 2, do="increment")
        self.write("ann", "room.update", "list", [{"id": "x"}], do="append", item="x")
        self.write("bo", "room.update", "doc", {"bo": 1}, do="merge", item=1)
        self.set("ann", "gone", "a2")
        self.write("bo", "room.delete", "gone", None, values={"gone": None})
        for sequence, client in enumerate(_OF, start=1):
            self.operation(client, "lock.acquire", key=HALL, fence=sequence)
            self.set(client, "locked", f"{client} {sequence}", fence=sequence)
        self.operation("ann", "room.get", room=HALL, key="k", entries=(self.held["k"],))

    def _be_private(self) -> None:
        mine = f"canary-{ANN}-1"
        self.operation("v", "private.set", room=ANN, key="cart", values={"cart": mine})
        self.operation("v", "private.get", room=ANN, key="cart", result=mine)
        self.operation("v", "private.items", room=ANN, result={"cart": mine, "seed": "canary-ann"})
        self.final.left_stores = {ANN: "STORE_DESTROYED"}

    def _keep_sites(self) -> None:
        self.operation("office", "site.create", key="u")
        self.operation("office", "site.load", key="u", result={"u": {}})
        self.at += 4
        self.operation("office", "site.load", key="u", result={})

    def _take_a_role(self) -> None:
        self.operation("boss", "session.change_roles", key=BO, do="remove")
        self.at += 2
        self.operation("boss", "session.change_roles", key=BO, do="add")
        self.operation("bo", "room.set", room=STAFF_ROOM, key="m", values={"m": "back"})

    # --- the end

    def _end(self) -> None:
        self.history.marks = {
            "healed": self.at,
            "connected": self.at + 1,
            "converged": self.at + 1.5,
            "rosters": self.at + 2,
        }
        present = {key: entry for key, entry in self.held.items() if entry.value is not None}
        values = {key: (entry.value, entry.version) for key, entry in present.items()}
        view = RoomView(epoch=EPOCH, version=self.version, values=values)
        self.final.rooms[HALL] = RoomFinal(
            joiner=view,
            entries=tuple(present.values()),
            http={"server 0": view},
            clients={"ann": view, "bo": view},
            roster={ANN: "ACTIVE", BO: "ACTIVE"},
            live={ANN, BO},
        )
        self.at += 10
        for session in _OF.values():
            self.hear(session, "CLOSED", 2, close_reason="CLOSED_BY_CLIENT")
            self.final.stays.append(Stay(room=HALL, session=session, joined_at=0.9, left_at=self.at))
            self.final.sessions.append(session_row(session, ("ACTIVE", 0.5), ("CLOSED", self.at)))
        self.final.emptied = {HALL: (EPOCH, "e2", 0.1)}
        self.final.before = self.final.after = {"server 0": Standing(files=20, threads=5)}
        self.final.logs = {"server 0": "WARNING sessionstore_app: Redis is out of reach.\n"}
        self.history.measured.append(Measured(at=2, room=HALL, keys=5, size_bytes=100))


def session_row(session: str, *states: tuple[str, float], reason: str = "CLOSED_BY_CLIENT") -> SessionRow:
    """A session that went through these states."""
    events = tuple(
        (number, "STATE", state, reason if state == "CLOSED" else "", at)
        for number, (state, at) in enumerate(states, start=1)
    )
    last = states[-1][0] if states else "ACTIVE"
    return SessionRow(
        id=session, state=last, close_reason=reason if last == "CLOSED" else "", revision=len(states), events=events
    )
