"""Client and origin number every request and write down what became of it.

Lost: the client got success and the origin lacks the request, or the origin executed it and the
client got neither a whole response nor a visible failure. Duplicated: an unsafe request executed
more than once. Torn: a response that looks whole and has the wrong bytes.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from dataclasses import dataclass, field

from tests.rigs.raw_client import RawClient, Truncated
from tests.rigs.scripted_origin import Conversation, Received

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def content_of(number: int, size: int) -> bytes:
    """The bytes that belong to a request or response number: no two are alike."""
    seed = hashlib.sha256(b"%d" % number).digest()
    return (seed * (size // len(seed) + 1))[:size]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the two books say together. Request numbers."""

    lost: tuple[int, ...]
    duplicated: tuple[int, ...]
    torn: tuple[int, ...]
    failed: tuple[int, ...]
    succeeded: int


@dataclass(slots=True)
class Ledger:
    """Both books. The client side writes by `exchange`, the origin side by `serve`."""

    response_size: int = 1000
    methods: dict[int, str] = field(default_factory=dict)
    # Client's book: number -> "ok", "torn", "failed" (visibly) or "silent".
    outcomes: dict[int, str] = field(default_factory=dict)
    executions: Counter[int] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next_number(self, method: str) -> int:
        """Open an entry."""
        with self._lock:
            number = len(self.methods) + 1
            self.methods[number] = method
            return number

    def request(self, number: int, size: int = 0, *, target: bytes = b"/ledger") -> bytes:
        """The bytes of request `number`."""
        method = self.methods[number].encode()
        head = b"%b %b?n=%d HTTP/1.1\r\nHost: a\r\nX-Number: %d\r\n" % (
            method,
            target,
            number,
            number,
        )
        if self.methods[number] in SAFE and not size:
            return head + b"\r\n"
        body = content_of(number, size)
        return head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)

    def exchange(self, client: RawClient, number: int, size: int = 0) -> bool:
        """Send request `number`, read the answer, note the outcome. False: no more here."""
        try:
            client.send(self.request(number, size))
            response = client.read_response(self.methods[number])
        except (Truncated, OSError):
            self.outcomes[number] = "failed"
            return False
        if response.status != 200:
            self.outcomes[number] = "failed"
        elif (
            self.methods[number] == "HEAD"
            or response.body == content_of(number, self.response_size)
        ) and response.values(b"x-number") == [b"%d" % number]:
            self.outcomes[number] = "ok"
        else:
            self.outcomes[number] = "torn"
        return not response.says_close

    def execute(self, request: Received) -> bytes:
        """Origin side: write the execution down; return the response's bytes."""
        number = int(request.values(b"x-number")[0])
        with self._lock:
            self.executions[number] += 1
        if request.body and request.body != content_of(number, len(request.body)):
            self.outcomes[number] = "torn"
        body = content_of(number, self.response_size)
        return b"HTTP/1.1 200 OK\r\nX-Number: %d\r\nContent-Length: %d\r\n\r\n%b" % (
            number,
            len(body),
            b"" if request.method == b"HEAD" else body,
        )

    def serve(self, conversation: Conversation) -> None:
        """Script: execute everything."""
        while True:
            conversation.send(self.execute(conversation.read_request()))

    def close(self) -> Verdict:
        """Compare the books."""
        numbers = sorted(self.methods)
        return Verdict(
            lost=tuple(
                n
                for n in numbers
                if (self.outcomes.get(n) == "ok" and not self.executions[n])
                or n not in self.outcomes
            ),
            duplicated=tuple(
                n for n in numbers if self.methods[n] not in SAFE and self.executions[n] > 1
            ),
            torn=tuple(n for n in numbers if self.outcomes.get(n) == "torn"),
            failed=tuple(n for n in numbers if self.outcomes.get(n) == "failed"),
            succeeded=sum(1 for o in self.outcomes.values() if o == "ok"),
        )
