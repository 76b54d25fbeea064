"""The field of the comparison: the origin, every peer and Figway, all running at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.figway import Figway
from bench.origin import start_origin
from bench.peers import PEERS, start_peer
from bench.ports import free_ports, wait_until_answering
from bench.rounds import Cores, Runner
from bench.table import write_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Who runs. Figway comes last and has its own entry too."""

    runners: tuple[Runner, ...]
    figway: Figway


@contextmanager
def running_origin(folder: Path, cores: Cores) -> Iterator[tuple[int, int]]:
    """The origin on the load's core; gives its legacy and its new port."""
    legacy_port, new_port = free_ports(2)
    with start_origin(folder / "origin", legacy_port, new_port, cores.load) as origin:
        wait_until_answering(origin, legacy_port)
        wait_until_answering(origin, new_port)
        yield legacy_port, new_port


@contextmanager
def running_field(
    folder: Path,
    cores: Cores,
    *,
    names: Sequence[str] = tuple(peer.name for peer in PEERS),
    routes: int = 20,
) -> Iterator[Field]:
    """Start the origin, the named peers, and Figway with one worker and `routes` routes."""
    with ExitStack() as stack:
        legacy_port, new_port = stack.enter_context(running_origin(folder, cores))
        runners = []
        for peer in PEERS:
            if peer.name in names:
                (port,) = free_ports(1)
                process = start_peer(peer, folder / peer.name, port, legacy_port, cores.proxy)
                stack.enter_context(process)
                runners.append(Runner(name=peer.name, pid=process.pid, port=port))
        files = write_table(
            folder / "table", routes=routes, legacy_port=legacy_port, new_port=new_port
        )
        figway = stack.enter_context(Figway(folder / "figway", files, core=cores.proxy))
        runners.append(Runner(name="figway", pid=figway.pid, port=figway.port))
        yield Field(runners=tuple(runners), figway=figway)
