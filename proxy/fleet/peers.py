"""The peers: where the other replicas can be asked when the shared store cannot.

Kept in the state directory, so that a command on this machine finds them also when the figway of
this machine is down.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from proxy.fleet.replica import Facts


def addresses(configured: Iterable[str], others: Iterable[Facts]) -> tuple[str, ...]:
    """Every admin address there is to ask: configured ones first, then those of the registry."""
    registered = (facts.admin for facts in others if facts.admin)
    return tuple(dict.fromkeys((*configured, *registered)))


def written(peers: Iterable[str]) -> bytes:
    """The file."""
    return json.dumps({"peers": list(peers)}, indent=2).encode() + b"\n"


def read(content: bytes) -> tuple[str, ...]:
    """The addresses in the file. Raises ValueError for what is no such file."""
    try:
        peers = json.loads(content)["peers"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"it lists no peers: {error}") from None
    if not isinstance(peers, list) or not all(isinstance(peer, str) for peer in peers):
        raise ValueError("its peers are no list of addresses")
    return tuple(peers)
