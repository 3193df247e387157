"""What the kernel knows about a process: CPU time and memory. Linux only, and no help from the process itself."""

from __future__ import annotations

import resource
import time
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process.

    It is the sum that /proc/<pid>/stat shows as utime and stime, read from the process's CPU clock because that
    counts in nanoseconds where the file counts in hundredths of a second.
    """
    return time.clock_gettime((~pid << 3) | 2)  # CPUCLOCK_SCHED of the process, as clock_getcpuclockid() makes it


def memory_bytes(pid: int) -> int:
    """Memory that would be free if the process ended: pages that it alone holds and has written.

    Clean pages are left out: they are program text, and change owner whenever another Python starts or stops.
    """
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"The kernel reports no memory for process {pid}")


def allow_sockets(count: int) -> None:
    """Raise the limit of open files of this process, and so of the ones it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 200
    if soft >= wanted:
        return
    if hard < wanted:
        raise RuntimeError(f"{wanted} open files are needed, the hard limit is {hard} (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
