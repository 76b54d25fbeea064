"""The comparison of two answers to one request, top to bottom.

Status, then headers, then bodies: codings undone, PHP messages of the legacy side put aside, media
type found, and the reader of that type called. What each part gives:

* `status.compare_status(legacy, new, found) -> bool`: reports a difference of status; False where
  the bodies are then not worth comparing (200 against 500).
* `headers.compare_headers(legacy, new, found, host=...)`: all fields that the policy names,
  Set-Cookie by structure. Called for every pair, byte-equal ones too: it must be fast where
  nothing differs.
* `php_defects.extract(content) -> (content without PHP messages, defects)`: the same object and ()
  where there are none, after as good as no work.
* a `Reader` per media type (`reader.py`, `readers.py`).
"""

from __future__ import annotations

from proxy.compare.comparison import Comparison, Kind
from proxy.compare.decode import decoded
from proxy.compare.findings import Findings
from proxy.compare.headers import compare_headers
from proxy.compare.media import common_media, named, parameters
from proxy.compare.php_defects import extract
from proxy.compare.policy import CompiledPolicy
from proxy.compare.reader import Body, Incomparable, Media
from proxy.compare.readers import READERS
from proxy.compare.shape import shape_of
from proxy.compare.status import compare_status
from proxy.compare_policy import Severity
from proxy.exchange import Answer, Header

# Neither has a body (RFC 9110, 15.3.5 and 15.4.5).
_BODILESS = frozenset({204, 304})


def compare(
    legacy: Answer, new: Answer, policy: CompiledPolicy, *, method: str = "GET", host: str = ""
) -> Comparison:
    """Compare two answers to one request. Linear in size; never raises, whatever the bytes.

    `host` is the Host field both were asked with, "" where it is not known.
    """
    found = Findings(policy)
    if legacy.status != new.status and 304 in (legacy.status, new.status):
        # The validators that were asked with come from one side only.
        return found.finish(incomparable="conditional")
    bodies = compare_status(legacy.status, new.status, found)
    compare_headers(legacy, new, found, host=host)
    if not bodies or method == "HEAD" or legacy.status in _BODILESS:
        return found.finish()
    return _compare_bodies(legacy, new, found)


def _compare_bodies(legacy: Answer, new: Answer, found: Findings) -> Comparison:
    coding, content_type = _described(legacy.headers)
    new_coding, new_content_type = _described(new.headers)
    kind, charset = parameters(content_type)
    if coding == new_coding and legacy.body == new.body:
        return _equal(legacy.body, coding, kind, found)
    content, why = _decoded(legacy.body, coding, found)
    new_content, new_why = _decoded(new.body, new_coding, found)
    if why or new_why:
        if "decode" in (why, new_why) and not (why and new_why):
            _note_undecodable("legacy" if why else "new", found)
        return found.finish(incomparable=why or new_why)
    shape = shape_of(kind, content)
    new_kind, new_charset = parameters(new_content_type)
    content, defects = extract(content)
    if defects:
        # Where both are legacy (a re-probe), both have them.
        new_content, new_defects = extract(new_content)
        if new_defects != defects:
            found.used("php:message", "body", len(defects))
    if content == new_content:
        return found.finish(defects=defects, shape=shape)
    if not content or not new_content:
        _note_empty(content, new_content, found)
        return found.finish(defects=defects, shape=shape)
    said, new_said = named(kind), named(new_kind)
    media, new_media = common_media(said, new_said, content, new_content)
    incomparable = ""
    if media is not new_media:
        _note_media(media, new_media, found)
    else:
        try:
            READERS[media](
                Body(content, media, charset, said is not media),
                Body(new_content, media, new_charset, new_said is not media),
                found,
            )
        except Incomparable as reason:
            incomparable = reason.reason
        except RecursionError:
            # Limits that are set higher than Python goes.
            incomparable = "depth"
    return found.finish(incomparable=incomparable, defects=defects, shape=shape)


def _decoded(body: bytes, coding: bytes, found: Findings) -> tuple[bytes, str]:
    """The content without its codings, or why there is none."""
    try:
        return decoded(body, coding, found.policy.limits), ""
    except Incomparable as reason:
        return b"", reason.reason


def _equal(body: bytes, coding: bytes, kind: bytes, found: Findings) -> Comparison:
    """What is equal as it was sent is equal, even where nobody could have unpacked it."""
    try:
        content = decoded(body, coding, found.policy.limits)
    except Incomparable:
        return found.finish()
    defects = () if named(kind) is Media.BINARY else extract(content)[1]
    return found.finish(defects=defects, shape=shape_of(kind, content))


def _described(headers: tuple[Header, ...]) -> tuple[bytes, bytes]:
    """Content-Encoding and Content-Type, b"" without one."""
    coding = content_type = b""
    for name, value in headers:
        length = len(name)
        if length == 16 and name.lower() == b"content-encoding":
            coding = coding + b"," + value if coding else value
        elif length == 12 and name.lower() == b"content-type":
            content_type = value
    return coding, content_type


def _note_undecodable(side: str, found: Findings) -> None:
    broken, whole = "cannot be unpacked", "a body"
    found.record(
        *("body", "body", Kind.BODY, Severity.CRITICAL),
        *((broken, whole) if side == "legacy" else (whole, broken)),
        *(f"undecodable:{side}", f"the {side} body is not what its Content-Encoding says"),
    )


def _note_empty(content: bytes, new_content: bytes, found: Findings) -> None:
    side = "legacy" if not content else "new"
    found.record(
        *("body", "body", Kind.BODY, Severity.CRITICAL),
        *(f"{len(content)} bytes", f"{len(new_content)} bytes", f"empty_body:{side}"),
        f"the {side} side sends no body",
    )


def _note_media(media: Media, new_media: Media, found: Findings) -> None:
    if not found.has("header:content-type"):
        found.record(
            *("body", "body", Kind.BODY, Severity.CRITICAL, media.value, new_media.value),
            *(f"media_type:{media}_to_{new_media}", "the bodies are of different media types"),
        )
