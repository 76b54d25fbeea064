"""What went wrong with Redis, as one of the words of StoreHealth and one sentence with the mend."""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass
from typing import Final

from redis import exceptions

# The code that an answer begins with; before Redis 7 it stands inside, when a script fails.
_CODES: Final = re.compile(
    r"(?:^|-)(LOADING|READONLY|OOM|MISCONF|NOREPLICAS|BUSY|WRONGTYPE|NOPERM|NOAUTH|WRONGPASS|"
    r"CLUSTERDOWN|MASTERDOWN|TRYAGAIN|MOVED|ASK|CROSSSLOT)\b"
)
# redis-py takes the code away where it has a class for it.
_CLASSES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (exceptions.BusyLoadingError, "LOADING"),
    (exceptions.ReadOnlyError, "READONLY"),
    (exceptions.OutOfMemoryError, "OOM"),
    (exceptions.NoPermissionError, "NOPERM"),
    (exceptions.AuthenticationError, "NOAUTH"),
    (exceptions.AuthenticationWrongNumberOfArgsError, "NOAUTH"),
    (exceptions.MovedError, "MOVED"),
    (exceptions.AskError, "ASK"),
    (exceptions.TryAgainError, "TRYAGAIN"),
    (exceptions.MasterDownError, "MASTERDOWN"),
    (exceptions.ClusterDownError, "CLUSTERDOWN"),
    (exceptions.ClusterCrossSlotError, "CROSSSLOT"),
)
_WORDS: Final = {
    "LOADING": ("loading", "is still reading its data from disk; it answers when it is done"),
    "READONLY": (
        "read_only",
        "is a replica and takes no writes; point the URL at the master, or at the Sentinels",
    ),
    "MISCONF": (
        "read_only",
        "takes no writes because it cannot save to its disk; look at its log and its disk",
    ),
    "NOREPLICAS": (
        "read_only",
        "takes no writes because too few of its replicas are connected (min-replicas-to-write)",
    ),
    "OOM": (
        "full",
        "has no memory left and takes no writes; raise maxmemory or remove other data",
    ),
    "BUSY": ("slow", "is busy with somebody's script; SCRIPT KILL ends it"),
    "WRONGTYPE": (
        "damaged",
        "holds something else under one of Figway's keys; delete that key, or give Figway a "
        "database or an environment name of its own",
    ),
    "NOPERM": (
        "refused",
        "does not allow this user what Figway needs; its ACL needs "
        "~{figway:* &{figway:* +@read +@write +@pubsub +@scripting +@connection +time",
    ),
    "NOAUTH": ("refused", "does not accept the user and password of the URL; correct them there"),
    "WRONGPASS": (
        "refused",
        "does not accept the user and password of the URL; correct them there",
    ),
    "CLUSTERDOWN": ("down", "belongs to a cluster that does not serve our slot; look at its nodes"),
    "MASTERDOWN": ("down", "is a replica that has lost its master"),
    "TRYAGAIN": ("down", "is moving our slot to another node; this ends by itself"),
    "ASK": ("down", "is moving our slot to another node; this ends by itself"),
    "MOVED": ("down", "has handed our slot to another node; looking for that"),
    "CROSSSLOT": ("refused", "is a cluster: begin the URL with redis-cluster://"),
}
# The server answers, so asking again at once would say the same.
_FINAL: Final = frozenset({"refused", "full", "read_only", "damaged"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong: a state of StoreHealth, and the sentence for people."""

    state: str
    detail: str
    # Another server may be the one to ask now.
    elsewhere: bool = False
    # What the server's answer began with, where it began with something known.
    code: str = ""

    @property
    def final(self) -> bool:
        """Whether asking the same server again would say the same."""
        return self.state in _FINAL


class StoreFault(Exception):
    """A question to Redis that was not answered as hoped."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.detail)
        self.fault = fault


def down(where: str, what: str) -> StoreFault:
    """A server that cannot be reached, or does not answer."""
    return StoreFault(Fault(state="down", detail=f"Redis at {where} {what}"))


def fault_of(error: BaseException, where: str) -> Fault:
    """The fault that an error of redis-py, asyncio or the socket stands for."""
    cause = error.__cause__ or error.__context__
    for each in (error, cause):
        if isinstance(each, ssl.SSLError):
            return Fault(state="refused", detail=_tls(each, where))
    text = str(error)
    code = next((code for kind, code in _CLASSES if isinstance(error, kind)), None)
    if code is None and (match := _CODES.search(text)):
        code = match[1]
    if "user executing the script" in text:
        code = "NOPERM"
    if code is not None:
        state, words = _WORDS[code]
        return Fault(
            state=state,
            detail=f"Redis at {where} {words}",
            code=code,
            elsewhere=code in ("READONLY", "MOVED", "CLUSTERDOWN", "MASTERDOWN", "ASK"),
        )
    if isinstance(error, TimeoutError | exceptions.TimeoutError):
        return Fault(state="down", detail=f"Redis at {where} does not answer in time")
    if "max number of clients" in text:
        return Fault(
            state="refused",
            detail=f"Redis at {where} has no connection left for us; raise its maxclients",
        )
    if isinstance(error, exceptions.InvalidResponse | UnicodeDecodeError):
        return Fault(
            state="refused",
            detail=f"what answers at {where} does not speak Redis; correct the URL "
            "(a server with TLS wants rediss://)",
        )
    if "cluster support disabled" in text:
        return Fault(
            state="refused", detail=f"Redis at {where} is no cluster: begin the URL with redis://"
        )
    if isinstance(error, exceptions.ResponseError):
        return Fault(state="refused", detail=f"Redis at {where} refuses: {text}")
    return Fault(state="down", detail=f"Redis at {where} cannot be reached: {_reason(error, text)}")


def _reason(error: BaseException, text: str) -> str:
    cause = error.__cause__ or error.__context__
    if isinstance(cause, OSError) and cause.errno is not None and cause.errno > 0:
        return os.strerror(cause.errno).lower()
    if "closed" in text.lower() or not text:
        return "it closed the connection"
    return text.rstrip(".")


def _tls(error: ssl.SSLError, where: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of Redis at {where} is not trusted ({error.verify_message}); name "
            "its authority with ?ca=FILE, or correct the host"
        )
    reason = (error.reason or str(error)).replace("_", " ").lower()
    return (
        f"no TLS with Redis at {where} ({reason}); a server without TLS wants redis://, one that "
        "asks for a client certificate ?cert=FILE&key=FILE"
    )
