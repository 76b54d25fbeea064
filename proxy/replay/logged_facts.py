"""The facts of a logged request, which note what was asked of them and is not in the log."""

from __future__ import annotations

import ipaddress

from proxy.replay.logged_request import LoggedRequest
from proxy.routing.facts import UNKNOWN_DEVICE, is_device_id, normal_host, read_cookie
from proxy.routing.route import Stickiness, StickyKind
from proxy.routing.target import split_target

# Stands in for an address that the log does not hold: for documentation (RFC 5737), in no cohort.
_NOBODY = "192.0.2.1"


class LoggedFacts:
    """Implements `RequestFacts` over a line of a log; what is not known is taken as absent.

    `asked` holds every answer that was given, `missing` names those that the log does not hold.
    `keyless` tells that the identity was asked for and the log has none: then `key` stands in.
    """

    __slots__ = (
        "_client_ip",
        "_cookie_name",
        "_host",
        "_query",
        "_request",
        "_substitute",
        "asked",
        "has_query",
        "key",
        "keyless",
        "method",
        "missing",
        "moment",
        "path",
    )

    def __init__(self, request: LoggedRequest, *, host: str = "", moment: float = 0.0) -> None:
        """`host` is that of requests whose log has none.

        `moment` is the time that flags are asked for: not that of the log, since what is foretold
        is what requests like this one will come to.
        """
        self._request = request
        self.method = request.method
        self.moment = moment
        target, named = request.target, request.host or host
        if not target.startswith("/") and "://" in target:
            authority, slash, path = target.partition("://")[2].partition("/")
            named, target = authority or named, slash + path or "/"
        self.path, self._query, self.has_query = split_target(target)
        self._host = normal_host(named)
        self._client_ip = ""
        self._cookie_name = "figway_id"
        self._substitute: tuple[StickyKind, str] | None = None
        self.key = ""
        self.keyless = False
        self.missing: set[str] = set()
        self.asked: dict[str, str | None] = {}

    def ask_for(self, cookie_name: str) -> None:
        """Begin anew, for a proxy whose identity cookie has this name."""
        self._cookie_name = cookie_name
        self._substitute = None
        self.key = ""
        self.keyless = False

    def lacks_key(self, stickiness: Stickiness) -> bool:
        """Whether the log does not say if this request has the key of a route."""
        match stickiness.kind:
            case StickyKind.DEVICE:
                return self.keyless
            case StickyKind.HEADER:
                return f"header {stickiness.name.lower()}" in self.missing
            case StickyKind.COOKIE:
                return f"cookie {stickiness.name}" in self.missing
            case StickyKind.QUERY | StickyKind.PATH_PARAM | StickyKind.NONE:
                return False

    def stand_in(self, stickiness: Stickiness) -> None:
        """From now on `key` is what the request says where the route looks for its key."""
        name = stickiness.name
        if stickiness.kind is StickyKind.HEADER:
            name = name.lower()
        self._substitute = (stickiness.kind, name)

    @property
    def host(self) -> str:
        """See `RequestFacts.host`."""
        if not self._host:
            self.missing.add("host")
        self.asked["host"] = self._host
        return self._host

    @property
    def query(self) -> str:
        """See `RequestFacts.query`."""
        if self._request.without_query:
            self.missing.add("query")
        self.asked["query"] = self._query
        return self._query

    @property
    def client_ip(self) -> str:
        """See `RequestFacts.client_ip`."""
        if not self._client_ip:
            try:
                self._client_ip = str(ipaddress.ip_address(self._request.client_ip))
            except ValueError:
                self.missing.add("client address")
                self._client_ip = _NOBODY
        self.asked["client address"] = self._client_ip
        return self._client_ip

    @property
    def answers(self) -> None:
        """See `RequestFacts.answers`: keys are put in and out, so nothing may be kept."""
        return None

    def header(self, name: str) -> str | None:
        """See `RequestFacts.header`."""
        if self._substitute == (StickyKind.HEADER, name):
            return self.key
        if name == "host" and self._host:
            return self._host
        headers = self._request.headers
        what = f"header {name}"
        # A cookie is asked for by its name first, and noted there.
        if name not in headers and name != "cookie":
            self.missing.add(what)
        self.asked[what] = headers.get(name)
        return headers.get(name)

    def cookie(self, name: str) -> str | None:
        """See `RequestFacts.cookie`."""
        if self._substitute == (StickyKind.COOKIE, name):
            return self.key
        cookies, headers = self._request.cookies, self._request.headers
        what = f"cookie {name}"
        if name in cookies:
            value = cookies[name]
        elif "cookie" in headers:
            value = read_cookie(headers["cookie"], name)
        else:
            value = None
            self.missing.add(what)
        self.asked[what] = value
        return value

    def device_id(self) -> str:
        """See `RequestFacts.device_id`."""
        name, cookies, headers = self._cookie_name, self._request.cookies, self._request.headers
        sent = cookies.get(name) if name in cookies else read_cookie(headers.get("cookie"), name)
        if sent is not None and is_device_id(sent):
            return sent
        self.keyless = True
        return self.key or UNKNOWN_DEVICE
