"""What is written down holds no secret, in whatever spelling a reader could read it."""

from __future__ import annotations

import html
import json
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare.pair import compare
from proxy.compare.policy import CompiledPolicy
from proxy.compare.redaction import redacted_body, redacted_headers, redacted_target
from proxy.compare.secrets import has_secret, is_secret_name, redacted_prose, redacted_text
from proxy.compare_policy import ComparePolicy
from tests.proxy.compare.pairs import answer

NONE = CompiledPolicy.compile(ComparePolicy())
SOME = CompiledPolicy.compile(
    ComparePolicy(redact=("$..phone", "header:x-customer", "query:q", "form:street"))
)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
CARD = "4111 1111 1111 1111"
IBAN = "DE89 3704 0044 0532 0130 00"
CANARIES = [
    "anna@shop.example",
    JWT,
    CARD,
    IBAN,
    "4111111111111111",
    "sk_" + "live_0123456789abcdef",
]


@pytest.mark.parametrize("canary", CANARIES)
def test_secrets_are_known_by_their_looks(canary: str) -> None:
    assert redacted_text(f"so {canary} it is") == "so [redacted] it is"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("4111 1111 1111 1112", id="a card that does not check"),
        pytest.param("DE89 3704 0044 0532 0130 01", id="an account that does not check"),
        pytest.param("4006381333931", id="a bar code"),
        pytest.param("1732293928123", id="milliseconds"),
        pytest.param("7f9c24e8-3b12-4fef-91a0-56b2b1a7d5aa", id="a UUID"),
        pytest.param("@media (min-width: 10em)", id="CSS"),
        pytest.param("2026-11-22T10:00:00+00:00", id="a time"),
        pytest.param("€1,299.90", id="a price"),
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted_text(text) == text


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        *(("password", True), ("user_token", True), ("PHPSESSID", True), ("apiKey", True)),
        *(("userOtp", True), ("OTPCode", True), ("ibanNumber", True), ("customer_ssn", True)),
        *(("className", False), ("footprint", False), ("businessName", False)),
        *(
            ("secretary", False),
            ("sid", True),
            ("name", False),
            ("author", False),
            ("side", False),
            ("price", False),
        ),
    ],
)
def test_secrets_are_known_by_their_names(name: str, secret: bool) -> None:
    assert is_secret_name(name) is secret


def test_header_fields_keep_what_is_no_secret() -> None:
    shown, gone = redacted_headers(
        (
            (b"Cookie", b"PHPSESSID=canary; theme=canary"),
            (b"Set-Cookie", b"PHPSESSID=canary; Path=/; HttpOnly"),
            (b"Authorization", b"Bearer canary"),
            (b"X-Customer", b"canary"),
            (b"Referer", b"http://a/b?token=canary&page=2"),
            (b"User-Agent", b"bot (anna@shop.example)"),
            (b"ETag", b'"33a64df5"'),
        ),
        SOME,
    )
    assert dict(shown) == {
        "Cookie": "PHPSESSID=[redacted]; theme=[redacted]",
        "Set-Cookie": "PHPSESSID=[redacted]; Path=/; HttpOnly",
        "Authorization": "Bearer [redacted]",
        "X-Customer": "[redacted]",
        "Referer": "http://a/b?token=[redacted]&page=2",
        "User-Agent": "bot ([redacted])",
        "ETag": '"33a64df5"',
    }
    assert gone == (
        *("cookie", "set-cookie", "authorization", "x-customer", "referer", "user-agent"),
    )


def test_a_target_loses_the_values_of_secret_parameters() -> None:
    assert redacted_target(b"/u/anna%40shop.example?q=canary&page=2&%74oken=canary&x", SOME) == (
        "/u/[redacted]?q=[redacted]&page=2&%74oken=[redacted]&x",
        ("query:q", "query:%74oken", "path"),
    )
    assert redacted_target(b"/a%2Fb?x=%7E&c=1+2", NONE) == ("/a%2Fb?x=%7E&c=1+2", ())


@pytest.mark.parametrize(
    ("body", "kind", "clean"),
    [
        pytest.param(
            b'{"n": 1.50, "phone": {"a": "canary"}}',
            b"application/json",
            b'{"n": 1.50, "phone": "[redacted]"}',
            id="JSON by path",
        ),
        pytest.param(
            b'{"password": "canary", "ok": true}',
            b"application/json",
            b'{"password": "[redacted]", "ok": true}',
            id="JSON by name",
        ),
        pytest.param(
            b'["anna\\u0040shop.example"]',
            b"application/json",
            b'["[redacted]"]',
            id="JSON escaped",
        ),
        pytest.param(
            b'["anna@shop.example"', b"application/json", b'["[redacted]"', id="broken JSON"
        ),
        pytest.param(
            b"<p>anna&#64;shop.example &lt;", b"text/html", b"<p>[redacted] &lt;", id="entities"
        ),
        pytest.param(
            b'<input name="_token" value="canary">',
            b"text/html",
            b'<input name="_token" value="[redacted]">',
            id="a token in a form",
        ),
        pytest.param(
            b"<input type=password value=canary name=x>",
            b"text/html",
            b'<input type=password value="[redacted]" name=x>',
            id="a password in a form",
        ),
        pytest.param(
            b'<script type="application/json">{"phone": "canary"}</script>',
            b"text/html",
            b'<script type="application/json">{"phone": "[redacted]"}</script>',
            id="embedded JSON",
        ),
        pytest.param(
            b"a=1&street=canary&password=canary&m=anna%40shop.example",
            b"application/x-www-form-urlencoded",
            b"a=1&street=[redacted]&password=[redacted]&m=[redacted]",
            id="a form",
        ),
        pytest.param(
            "anna@shop.example".encode("utf-16"),
            b"text/plain",
            "[redacted]".encode("utf-16"),
            id="UTF-16",
        ),
        pytest.param(b"<a>anna@shop.example</a>", b"text/xml", b"<a>[redacted]</a>", id="XML"),
        pytest.param(b"\x89PNG anna@shop.example", b"image/png", b"", id="binary"),
        pytest.param(
            "anna@shop.example".encode("utf-16-le"),
            b"",
            b"",
            id="two-byte characters without a name",
        ),
        pytest.param(
            b'--x\r\nContent-Disposition: form-data; name="password"\r\n\r\ncanary\r\n--x--',
            b"multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="password"\r\n\r\n[redacted]\r\n--x--',
            id="multipart",
        ),
    ],
)
def test_bodies_lose_their_secrets_and_nothing_else(body: bytes, kind: bytes, clean: bytes) -> None:
    assert redacted_body(body, kind, SOME) == (clean, ("body",))


def test_a_body_without_secrets_stays_as_it_was_sent() -> None:
    body = b'{"a":  1.50,\n "b": "\\u00e9"}'
    assert redacted_body(body, b"application/json", NONE) == (body, ())


@pytest.mark.parametrize(
    ("path", "kind"),
    [("html:text", b"text/html"), ("xml:/a", b"text/xml"), ("text", b"text/plain")],
)
def test_places_that_only_comparing_finds_take_the_whole_body(path: str, kind: bytes) -> None:
    policy = CompiledPolicy.compile(ComparePolicy(redact=(path,)))
    assert redacted_body(b"<a>canary</a>", kind, policy) == (b"", ("body",))


KINDS = st.sampled_from(
    [
        b"application/json",
        b"text/html",
        b"text/xml",
        b"text/plain",
        b"image/png",
        b"",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary=x",
    ]
)
SPELLINGS = st.sampled_from(
    [
        str,
        lambda text: "".join(f"&#{ord(c)};" for c in text),
        lambda text: "".join(f"&#x{ord(c):x};" for c in text),
        lambda text: json.dumps(text),
        lambda text: "".join(f"\\u{ord(c):04x}" for c in text),
        lambda text: quote(text, safe=""),
        lambda text: "".join(f"%{ord(c):02X}" for c in text),
        lambda text: json.dumps({"a": [text, {text: 1}]}),
        lambda text: f'<a href="mailto:{quote(text)}">{html.escape(text)}</a>',
        lambda text: f"a=1&b={quote(text)}",
    ]
)
CODECS = st.sampled_from(["utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
AROUND = st.sampled_from(["", " ", "{", '"', "<p>", "&", "\\", "%", "a=", "x ", "é", "<!--", "--x"])


@given(st.sampled_from(CANARIES), SPELLINGS, AROUND, AROUND, CODECS, KINDS)
def test_no_canary_survives_in_any_spelling_it_can_be_read_from(
    canary: str, spell: object, before: str, after: str, codec: str, kind: bytes
) -> None:
    assert callable(spell)
    text = f"{before} {spell(canary)} {after}"
    body, _ = redacted_body(text.encode(codec, "replace"), kind, NONE)
    left = body.replace(b"\x00", b"").decode("latin-1")
    plain = json.dumps(canary)[1:-1]
    for read in (left, html.unescape(left), unquote(left)):
        assert canary not in read
        assert plain not in read
    assert not has_secret(html.unescape(left))


@given(st.binary(max_size=200), KINDS)
def test_redaction_never_raises_and_is_done_once(body: bytes, kind: bytes) -> None:
    clean, _ = redacted_body(body, kind, SOME)
    assert redacted_body(clean, kind, SOME)[0] == clean


@given(st.text(max_size=100))
def test_redacting_twice_is_redacting_once(text: str) -> None:
    assert redacted_prose(redacted_prose(text)) == redacted_prose(text)


def test_differences_and_explanations_hold_no_secret() -> None:
    found = compare(
        answer(json.dumps({"mail": "anna@shop.example"}).encode()),
        answer(json.dumps({"mail": "ANNA@shop.example"}).encode()),
        NONE,
    )
    assert found.causes[0].cause == "case"
    assert "shop.example" not in repr(found)


def test_a_form_field_whose_name_is_no_text_is_compared_and_redacted() -> None:
    kind = b"application/x-www-form-urlencoded"
    assert redacted_body(b"\x80=\x00", kind, SOME)[0] == b"\x80=\x00"
    assert compare(answer(b"\x80=1", kind), answer(b"\x80=2", kind), SOME).differences
