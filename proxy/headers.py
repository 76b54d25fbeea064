"""The one list of header fields that a proxy may not treat as payload, for both directions."""

from __future__ import annotations

# RFC 9110, 7.6.1: "Intermediaries MUST parse a received Connection header field before a message is
# forwarded and, for each connection-option in this field, remove any header or trailer field(s)
# from the message with the same name as the connection-option, and then remove the Connection
# header field itself". The rest of that section names the others; Proxy-Connection is obsolete but
# still sent.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

# RFC 9110, 11.7: these two belong to the hop between client and (forward) proxy; a gateway is
# neither. Proxy becomes HTTP_PROXY in a CGI environment (CVE-2016-5385, httpoxy).
NEVER_FORWARDED = frozenset({b"proxy-authorization", b"proxy-authenticate", b"proxy"})

# Our own words on the wire. A client that sends them is not believed.
INTERNAL_PREFIX = b"x-figway-"

# A Connection field may not nominate these for removal: it would let a client delete what the next
# hop relies on ("abusing hop-by-hop headers").
PROTECTED_FROM_NOMINATION = frozenset(
    {
        b"authorization",
        b"content-length",
        b"cookie",
        b"forwarded",
        b"host",
        b"traceparent",
        b"tracestate",
        # What frames the body stays with the body.
        b"transfer-encoding",
        b"via",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-forwarded-scheme",
        b"x-forwarded-server",
        b"x-forwarded-ssl",
        b"x-real-ip",
        b"x-request-id",
    }
)

# RFC 9110, 6.5.1: fields that say how to frame, route, authenticate or read the message cannot come
# after its content.
FORBIDDEN_IN_TRAILERS = (
    HOP_BY_HOP
    | NEVER_FORWARDED
    | frozenset(
        {
            b"authorization",
            b"cache-control",
            b"content-encoding",
            b"content-length",
            b"content-range",
            b"content-type",
            b"cookie",
            b"expect",
            b"host",
            b"max-forwards",
            b"set-cookie",
            b"www-authenticate",
        }
    )
)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
