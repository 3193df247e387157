"""Memory of an idle joined socket, above what the same server holds for a bare ASGI echo."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from tests.benchmarks.figures import Bar, Section, Table, middle, within
from tests.benchmarks.load import Spec
from tests.benchmarks.machine import project_server, reference_server, run_json
from tests.benchmarks.servers import Server

PEERS_A_ROOM = 20
ABOVE_ECHO_KIB = 12.0
HEADER = ("server on uvicorn", "idle sockets", "KiB a socket", "KiB above the echo")
OURS, ECHO = "joined, rooms of 20", "bare ASGI echo"


def measure(folder: Path, *, quick: bool) -> Section:
    """A fresh server each time: memory once taken is seldom given back."""
    sockets, repeats = (500, 1) if quick else (2_000, 2)
    found: dict[str, list[float]] = {ECHO: [], OURS: []}
    for turn in range(repeats):
        with reference_server("echo") as server:
            found[ECHO].append(kib_a_socket("echo", server, sockets))
        with project_server(folder, f"memory_{turn}", in_memory=False) as server:
            found[OURS].append(kib_a_socket("sessionstore", server, sockets))
    echo, ours = middle(found[ECHO]), middle(found[OURS])
    rows = (
        (OURS, f"{sockets:,}", f"{ours:.1f}", f"{ours - echo:.1f}"),
        (ECHO, f"{sockets:,}", f"{echo:.1f}", "0"),
    )
    group = "KiB an idle socket"
    return Section(
        name="memory",
        table=Table(header=HEADER, rows=rows),
        verdicts=(within("an idle joined socket above the echo,", ours - echo, ABOVE_ECHO_KIB, "KiB"),),
        bars=(
            Bar(group=group, label=OURS, value=ours, shown=f"{ours:.1f}"),
            Bar(group=group, label=ECHO, value=echo, shown=f"{echo:.1f}"),
        ),
    )


def kib_a_socket(dialect: str, server: Server, sockets: int) -> float:
    spec = Spec(
        dialect=dialect,
        ports=[server.port],
        server_pids=[server.pid],
        name="idle",
        rooms=sockets // PEERS_A_ROOM,
        peers=PEERS_A_ROOM,
    )
    result = run_json("idle", asdict(spec), {})
    held: float = result["after_bytes"] - result["before_bytes"]
    return held / sockets / 1024
