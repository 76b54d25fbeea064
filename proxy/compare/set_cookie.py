"""Set-Cookie compared by structure: name, attributes and lifetime; a value is never looked at."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz

from proxy.compare.comparison import Kind
from proxy.compare.findings import Findings, expecting
from proxy.compare.header_values import parameters
from proxy.compare_policy import Severity

_PATH = "header:set-cookie"
# How a value that removes a cookie is written: PHP's setcookie() writes `deleted`.
_DELETED = frozenset({"", "deleted", "deletemenow", "null"})
# Without a Date field to reckon from: whoever deletes a cookie dates it far back.
_LONG_AGO = 1_000_000_000
# Two sides that are asked one after the other date their cookies some seconds apart.
_SLACK_SECONDS = 120
_SLACK_PART = 0.01
# Names that carry a session, as frameworks call them.
_SESSION = re.compile(
    r"phpsessid|jsessionid|asp\.net_sessionid|laravel_session|ci_session|connect\.sid|"
    r"(?:__host-|__secure-)?(?:[a-z0-9]+[_.-])*(?:session|sessionid|session_id|sess|sid)"
    r"(?:[_.-]?id)?",
    re.IGNORECASE,
).fullmatch
_MADE = re.compile(r"[0-9a-fA-F]{16,}|\d{3,}")


@dataclass(frozen=True, slots=True)
class Cookie:
    """What a Set-Cookie field does, apart from the value.

    `lifetime` is in seconds; None is a cookie that ends with the browser. `deletes` is one that
    removes the cookie of that name.
    """

    name: str
    deletes: bool
    lifetime: float | None
    domain: str
    path: str
    secure: bool
    http_only: bool
    same_site: str
    partitioned: bool

    @property
    def carries_session(self) -> bool:
        """Whether the name is one under which frameworks keep a session."""
        return _SESSION(self.name) is not None

    def __str__(self) -> str:
        """The field without the value."""
        parts = [self.name, f"Path={self.path}" if self.path else ""]
        parts += [f"Domain={self.domain}" if self.domain else "", self.lasts]
        parts += ["Secure" if self.secure else "", "HttpOnly" if self.http_only else ""]
        parts += [f"SameSite={self.same_site}" if self.same_site else ""]
        parts += ["Partitioned" if self.partitioned else ""]
        return "; ".join(filter(None, parts))

    @property
    def lasts(self) -> str:
        """How long it lasts, for people."""
        if self.deletes:
            return "deleted"
        return "session" if self.lifetime is None else f"{self.lifetime:.0f}s"


def cookie(field: str, answered_at: float | None) -> Cookie:
    """Read one Set-Cookie field. `answered_at` is the Date of the answer, in seconds since 1970."""
    pair, _, rest = field.partition(";")
    name, _, value = pair.partition("=")
    given = parameters(f"x;{rest}").named
    lifetime = _lifetime(given, answered_at)
    deletes = lifetime is not None and lifetime <= 0
    return Cookie(
        name=name.strip(),
        deletes=deletes or (lifetime is not None and value.strip(' "').lower() in _DELETED),
        lifetime=lifetime,
        domain=given.get("domain", "").lower().lstrip("."),
        path=given.get("path", ""),
        secure="secure" in given,
        http_only="httponly" in given,
        same_site=given.get("samesite", "").lower(),
        partitioned="partitioned" in given,
    )


def _lifetime(given: dict[str, str], answered_at: float | None) -> float | None:
    # RFC 6265, 4.1.2.2: "If a cookie has both the Max-Age and the Expires attribute, the Max-Age
    # attribute has precedence and controls the expiration date of the cookie."
    age = given.get("max-age", "")
    if re.fullmatch(r"-?\d{1,15}", age, re.ASCII):
        return float(age)
    expires = moment(given.get("expires", ""))
    if expires is None:
        return None
    if answered_at is not None:
        return expires - answered_at
    return -1.0 if expires < _LONG_AGO else float("inf")


def moment(value: str) -> float | None:
    """An HTTP date, also with the dashes of the Netscape form, in seconds since 1970."""
    if not value or len(value) > 100:
        return None
    try:
        parsed = parsedate_tz(value)
        return None if parsed is None else float(mktime_tz(parsed))
    except (ValueError, OverflowError, IndexError, TypeError):
        return None


def compare_cookies(
    legacy: list[str],
    new: list[str],
    found: Findings,
    *,
    dates: tuple[float | None, float | None] = (None, None),
) -> None:
    """Report how the cookies set differ; `dates` are the Date fields of the two answers."""
    one = _by_identity(cookie(field, dates[0]) for field in legacy)
    other = _by_identity(cookie(field, dates[1]) for field in new)
    _pair_by_name(one, other)
    missing = [key for key in one if key not in other]
    extra = [key for key in other if key not in one]
    renamed = _renamed(one, other, missing, extra)
    if renamed is not None:
        old, called = renamed
        missing.remove(old)
        extra.remove(called)
        _report_renamed(one[old], other[called], found)
        _compare(one[old], other[called], found)
    for key in missing:
        place = f"{_PATH}[{one[key].name}]"
        found.missing(pattern(one[key].name), place, str(one[key]))
    for key in extra:
        place = f"{_PATH}[{other[key].name}]"
        found.extra(pattern(other[key].name), place, str(other[key]))
    for key, was in one.items():
        if key in other:
            _compare(was, other[key], found)


def _report_renamed(legacy: Cookie, new: Cookie, found: Findings) -> None:
    path = pattern(legacy.name)
    if found.ignores(path):
        found.text(path, path, legacy.name, new.name)
        return
    found.record(
        *(path, f"{_PATH}[{legacy.name}]", Kind.HEADER, Severity.MAJOR),
        *(str(legacy), str(new), "renamed", f"the session cookie is called {new.name}"),
        expected=expecting(found.policy.at(path).rules),
    )


def pattern(name: str) -> str:
    """The path of a cookie: lower case as all of `header:`, made-up parts of the name as `*`."""
    return f"{_PATH}[{_MADE.sub('*', name).lower()}]"


_Key = tuple[str, str, str]


def _by_identity(cookies: Iterable[Cookie]) -> dict[_Key, Cookie]:
    """RFC 6265, 5.3: a cookie is its name, domain and path; of several fields the last counts."""
    return {(_MADE.sub("*", c.name), c.domain, c.path): c for c in cookies}


def _pair_by_name(one: dict[_Key, Cookie], other: dict[_Key, Cookie]) -> None:
    """A name that stands once on each side is one cookie, whatever its domain and path."""
    for key in [key for key in one if key not in other]:
        alike = [k for k in other if k[0] == key[0]]
        if len(alike) == 1 and sum(k[0] == key[0] for k in one) == 1:
            other[key] = other.pop(alike[0])


def _renamed(
    one: dict[_Key, Cookie], other: dict[_Key, Cookie], missing: list[_Key], extra: list[_Key]
) -> tuple[_Key, _Key] | None:
    old = [key for key in missing if one[key].carries_session and not one[key].deletes]
    called = [key for key in extra if other[key].carries_session and not other[key].deletes]
    return (old[0], called[0]) if len(old) == len(called) == 1 else None


def _compare(legacy: Cookie, new: Cookie, found: Findings) -> None:
    path, place = pattern(legacy.name), f"{_PATH}[{legacy.name}]"

    def differ(what: str, was: str, now: str, severity: Severity = Severity.CRITICAL) -> None:
        found.text(
            *(f"{path}.{what}", f"{place}.{what}", was, now), kind=Kind.HEADER, severity=severity
        )

    if legacy.deletes != new.deletes:
        differ("lifetime", legacy.lasts, new.lasts)
    elif not legacy.deletes and not _last_alike(legacy.lifetime, new.lifetime):
        differ("lifetime", legacy.lasts, new.lasts, Severity.MAJOR)
    for what in ("domain", "path", "secure", "http_only", "same_site", "partitioned"):
        was, now = getattr(legacy, what), getattr(new, what)
        # Where a cookie is removed, only where it was counts.
        if was == now or (legacy.deletes and what not in ("domain", "path")):
            continue
        # Stricter is a difference to look at, not a hole.
        stricter = what in ("secure", "http_only") and now
        name = what.replace("_", "")
        differ(name, _shown(was), _shown(now), Severity.MAJOR if stricter else Severity.CRITICAL)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) or "none"


def _last_alike(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    if one == other:
        return True
    if float("inf") in (one, other):
        # Without a Date the end of one is not known: both outlast the browser.
        return True
    return abs(one - other) <= max(_SLACK_SECONDS, _SLACK_PART * max(abs(one), abs(other)))
