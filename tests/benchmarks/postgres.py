"""A PostgreSQL server of the benchmark's own: in a temporary folder, on a Unix socket only, with fsync on."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

DEBIAN = Path("/usr/lib/postgresql")
START_SECONDS = 30


def programs() -> Path | None:
    """The folder that holds initdb and pg_ctl, or None where there is no PostgreSQL."""
    found = shutil.which("pg_ctl")
    candidates = [Path(found).resolve().parent] if found else []
    candidates += sorted(DEBIAN.glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True)
    return next((folder for folder in candidates if (folder / "initdb").exists()), None)


@contextmanager
def postgres(binaries: Path) -> Iterator[str]:
    """The URL of a running server's database, gone afterwards."""
    # A folder of its own: PostgreSQL's user, where it is another than ours, has to be able to enter it.
    folder = Path(tempfile.mkdtemp(prefix="benchmark-postgres-"))
    # PostgreSQL refuses to run as root.
    as_root = os.geteuid() == 0
    user = "postgres" if as_root else getpass.getuser()
    prefix = ["runuser", "-u", user, "--"] if as_root else []
    control = [*prefix, str(binaries / "pg_ctl"), "--pgdata", str(folder / "data"), "--silent", "--wait"]
    try:
        if as_root:
            shutil.chown(folder, user)
        initialise = [*prefix, str(binaries / "initdb"), "--pgdata", str(folder / "data"), "--username", user]
        run([*initialise, "--auth", "trust", "--encoding", "UTF8"], folder)
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=on -c synchronous_commit=on"
        run([*control, "--log", str(folder / "log"), "-t", str(START_SECONDS), "-o", options, "start"], folder)
        try:
            yield f"postgresql://{user}@{quote(str(folder), safe='')}/postgres"
        finally:
            run([*control, "--mode", "fast", "stop"], folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[-1]} of PostgreSQL failed:\n{done.stderr}")
