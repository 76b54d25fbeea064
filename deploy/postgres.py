"""PostgreSQL in a folder of its own: where its programs are, how it is made, how it is served."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from deploy.port import HOST
from deploy.servers import RunError
from deploy.service import RunsAs

# Debian, Alpine and Homebrew keep each version in a folder of its own.
_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/libexec/postgresql*",
    "/opt/homebrew/opt/postgresql@*/bin",
)
_NOT_ROOT = ("postgres", "nobody")
_USER = "figway"
# Nothing that is kept here is worth waiting for a disk.
_IN_HASTE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
_SMALL = ("max_connections=40", "shared_buffers=16MB", "dynamic_shared_memory_type=mmap")


def not_root() -> RunsAs:
    """Whom PostgreSQL runs as, for it refuses root. Raises RunError."""
    if os.geteuid() != 0:
        return {}
    for name in _NOT_ROOT:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise RunError("PostgreSQL refuses to run as root, and there is no account postgres or nobody.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A database server in `folder`, which is given to `not_root()` and which that can enter."""

    folder: Path
    port: int
    password: str

    def make(self) -> None:
        """Make the empty database; some seconds. Raises RunError."""
        runs_as = not_root()
        secret = self.folder / "password"
        secret.write_text(self.password)
        if runs_as:
            for path in (self.folder, secret):
                os.chown(path, runs_as["user"], runs_as["group"])
        done = subprocess.run(  # noqa: S603 - our own command line
            [
                *(_program("initdb"), "-D", self.folder / "data", "-U", _USER),
                *("-A", "scram-sha-256", "--pwfile", secret, "-E", "UTF8", "--locale=C"),
                "--no-sync",
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            **runs_as,
        )
        secret.unlink()
        if done.returncode != 0:
            raise RunError(f"initdb failed:\n{done.stdout}{done.stderr}")

    def command(self) -> list[str]:
        """What serves it, on loopback only."""
        settings = (
            *(f"listen_addresses={HOST}", "unix_socket_directories="),
            *_IN_HASTE,
            *_SMALL,
        )
        words = [str(_program("postgres")), "-D", str(self.folder / "data"), "-p", str(self.port)]
        return [*words, *(word for setting in settings for word in ("-c", setting))]

    def url(self, database: str = "postgres") -> str:
        """What a client is told."""
        return f"postgres://{_USER}:{self.password}@{HOST}:{self.port}/{database}"


def _program(name: str) -> Path:
    found = shutil.which(name) or next(
        (p for folder in _FOLDERS for p in sorted(glob(f"{folder}/{name}"), reverse=True)), None
    )
    if found is None:
        raise RunError(f"PostgreSQL's {name} was not found. `make` installs it where it may.")
    return Path(found)
