"""A request as a curl line that can be pasted into a shell, without the values of secrets."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection

from proxy.conformance.concealment import Secret, concealed
from proxy.conformance.sender import PlannedRequest

# Sent by curl itself, kept in a jar, or there to tell where the request comes from.
_OBVIOUS = frozenset({"user-agent", "accept", "x-figway-conform", "x-forwarded-for"})
_PLACEHOLDER = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_SPECIAL = re.compile(r'["\\`]|\$(?!\{[A-Za-z_][A-Za-z0-9_]*\})')
# A longer body would hide the rest of the message.
_LONGEST = 2000


def curl_line(planned: PlannedRequest, secrets: Collection[Secret], *, several: bool) -> str:
    """The line. `secrets` are the values that were filled in: the shell shall know them.

    `several` says that the request is a step among others: cookies are left to a jar.
    """

    def word(text: str) -> str:
        return _quoted(concealed(text, secrets))

    words = ["curl", "-sS", "-i"]
    if planned.method == "HEAD":
        words.append("-I")
    elif planned.method != "GET":
        words += ["-X", planned.method]
    if several:
        jar = f"{planned.side}.cookies"
        words += ["-b", jar, "-c", jar]
    for name, value in planned.headers:
        spelled = name.decode("ascii")
        if spelled.lower() in _OBVIOUS or (several and spelled.lower() == "cookie"):
            continue
        words += ["-H", word(f"{spelled}: {value.decode('utf-8', 'replace')}")]
    if planned.body:
        body = planned.body.decode("utf-8", "replace")
        short = len(body) <= _LONGEST
        words += ["--data-binary", word(body) if short else f"@body-of-{len(planned.body)}-bytes"]
    url = planned.upstream.urls[0]
    target = planned.target.decode("ascii")
    if url.startswith("unix:"):
        path = url.removeprefix("unix:").removeprefix("//")
        words += ["--unix-socket", shlex.quote(path)]
        url = "http://localhost"
    words += ["--path-as-is", word(url + target)]
    return " ".join(words)


def _quoted(text: str) -> str:
    """Quote for a shell that shall fill the placeholders in and nothing else."""
    if not _PLACEHOLDER.search(text):
        return shlex.quote(text)
    return '"' + _SPECIAL.sub(lambda found: f"\\{found[0]}", text) + '"'
