"""What is told of a difference holds no secret: neither one known by its looks nor by its name."""

from __future__ import annotations

import pytest

from proxy.compare.comparison import Result
from proxy.compare.pair import compare
from proxy.compare.policy import CompiledPolicy
from proxy.compare.redaction import redacted_body
from proxy.compare_policy import ComparePolicy
from proxy.exchange import Answer, Header

NONE = CompiledPolicy.compile(ComparePolicy())
CUSTOMER = CompiledPolicy.compile(ComparePolicy(redact=("$..customer",)))
JSON, HTML, XML, TEXT = b"application/json", b"text/html", b"text/xml", b"text/plain"
FORM = b"application/x-www-form-urlencoded"
# They look like words.
ONE, OTHER = "hunter2hunter", "swordfishes9"
WARNING = "<br />\n<b>Warning</b>:  %s in <b>/x.php</b> on line <b>3</b><br />\n"


def told(legacy: str, new: str, kind: bytes, policy: CompiledPolicy = NONE) -> str:
    """Everything that comparing two bodies says."""
    found = compare(_answer(legacy, kind), _answer(new, kind), policy, host="shop")
    assert found.result is Result.DIFFERENT
    return repr(found)


def _answer(body: str, kind: bytes, *fields: Header, status: int = 200) -> Answer:
    return Answer(status=status, headers=((b"Content-Type", kind), *fields), body=body.encode())


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param('{"password":"%s"}', JSON, id="a JSON member"),
        pytest.param('{"u":{"token":["%s"],"n":1}}', JSON, id="an array below a secret name"),
        pytest.param("password=%s&a=1", FORM, id="a form field"),
        pytest.param("<u><password>%s</password></u>", XML, id="an XML element"),
        pytest.param("<u token='%s'/>", XML, id="an XML attribute"),
        pytest.param("<input type=password name=p value=%s>", HTML, id="a password field"),
        pytest.param("<input type=hidden name=api_token value=%s>", HTML, id="a hidden field"),
        pytest.param("<input type=hidden name='u[password]' value=%s>", HTML, id="a PHP array"),
        pytest.param("<meta name=csrf content=%s>", HTML, id="a meta element"),
        pytest.param("<div data-token='%s'>x</div>", HTML, id="an attribute"),
        pytest.param("<a href='/r?token=%s'>x</a>", HTML, id="a link"),
        pytest.param("<a href='/r?a=1&sid=%s'>x</a>", HTML, id="a link with another name"),
        pytest.param("<form action='/r?token=%s'></form>", HTML, id="a form's action"),
        pytest.param("<script>var token = '%s';</script>", HTML, id="a script"),
        pytest.param("<script>go({'pin': '%s'})</script>", HTML, id="an object in a script"),
        pytest.param(
            '<script type=\'application/json\'>{"token":"%s"}</script>', HTML, id="embedded JSON"
        ),
        pytest.param("<p>password: %s</p>", HTML, id="a page's text"),
        pytest.param("password=%s", TEXT, id="text"),
        pytest.param(
            'cb({"otp":"%s"})', b"application/javascript", id="JSON in a call, an unusual name"
        ),
    ],
)
def test_a_secret_known_by_its_name_is_compared_and_not_shown(body: str, kind: bytes) -> None:
    shown = told(body % ONE, body % OTHER, kind)
    assert ONE not in shown
    assert OTHER not in shown


@pytest.mark.parametrize(
    ("legacy", "new", "kind"),
    [
        pytest.param('{"a":1,"token":"%s"}', '{"a":1}', JSON, id="a member"),
        pytest.param('{"u":{"token":"%s","n":1}}', "{}", JSON, id="an object with it"),
        pytest.param('[{"id":1,"secret":"%s"}]', "[]", JSON, id="an element with it"),
        pytest.param('{"u":{"api_key":"%s"}}', '{"u":"x"}', JSON, id="another type"),
        pytest.param("<u><a><secret>%s</secret></a></u>", "<u></u>", XML, id="an XML element"),
        pytest.param(
            "<p><input type=password value=%s>x</p>", "<p>x</p>", HTML, id="a password field"
        ),
        pytest.param(
            "<head><meta name=x-token content=%s></head>", "<p>", HTML, id="a meta element"
        ),
    ],
)
def test_a_secret_that_one_side_lacks_is_not_shown(legacy: str, new: str, kind: bytes) -> None:
    assert ONE not in told(legacy % ONE, new, kind)
    assert ONE not in told(new, legacy % ONE, kind)


@pytest.mark.parametrize(
    "field",
    [
        pytest.param((b"Location", b"/r?token=%s"), id="location"),
        pytest.param((b"Link", b"</r?token=%s>; rel=next"), id="link"),
        pytest.param((b"WWW-Authenticate", b"Digest realm=%s, nonce=x"), id="challenge"),
    ],
)
def test_fields_are_shown_as_they_are_kept(field: Header) -> None:
    name, value = field
    legacy, new = (
        _answer("", HTML, (name, value.replace(b"%s", secret.encode())), status=302)
        for secret in (ONE, OTHER)
    )
    found = compare(legacy, new, NONE)
    shown = repr(found)
    assert found.result is Result.DIFFERENT
    if name == b"WWW-Authenticate":
        # Whoever is asked for a password is told for what.
        assert ONE in shown
        assert "nonce=[redacted]" in shown
    else:
        assert ONE not in shown


def test_names_of_members_that_are_secrets_are_those_of_a_map() -> None:
    shown = told(
        '{"u": {"ann@shop.example": 1, "x": 2}}', '{"u": {"ann@shop.example": 3, "x": 2}}', JSON
    )
    assert "$.u{*}" in shown
    assert "ann@" not in shown
    gone = told('{"u": {"ann@shop.example": 1, "x": 2}}', '{"u": {"x": 2}}', JSON)
    assert "ann@" not in gone


def test_a_message_of_php_is_told_without_what_it_quotes() -> None:
    shown = told(WARNING % "no user ann@shop.example, password=hunter2hunter", "<p>y</p>", HTML)
    assert "no user [redacted]" in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param(WARNING % "x" + '{"customer": "%s"}', JSON, id="JSON behind a PHP message"),
        pytest.param(WARNING % "x" + '{"customer": "%s"}', HTML, id="the same, said to be a page"),
        pytest.param('{"customer": "%s"}\n{"customer": "z"}', TEXT, id="lines of JSON"),
        pytest.param('{"customer": {"a": "%s"}', JSON, id="an object that was cut off"),
        pytest.param("<script>var a = {'customer': '%s'}</script>", HTML, id="a script"),
    ],
)
def test_what_the_policy_redacts_is_found_in_json_that_cannot_be_read(
    body: str, kind: bytes
) -> None:
    kept, gone = redacted_body((body % ONE).encode(), kind, CUSTOMER)
    assert ONE.encode() not in kept
    assert gone == ("body",)
    assert ONE not in told(body % ONE, body % OTHER, kind, CUSTOMER)


@pytest.mark.parametrize(
    ("body", "clean"),
    [
        pytest.param(
            b"<u><n>1</n><password a='2'>canary</password></u>",
            b"<u><n>1</n><password a='2'>[redacted]</password></u>",
            id="an element",
        ),
        pytest.param(b"<u x:token='canary'/>", b"<u x:token='[redacted]'/>", id="an attribute"),
        pytest.param(
            b"<u><credentials><a>canary</a></credentials><b>2</b></u>",
            b"<u><credentials>[redacted]</credentials><b>2</b></u>",
            id="what stands in an element",
        ),
        pytest.param(b"<u><password>canary", b"", id="an element that has no end"),
    ],
)
def test_xml_loses_what_stands_under_the_name_of_a_secret(body: bytes, clean: bytes) -> None:
    assert redacted_body(body, XML, NONE) == (clean, ("body",))


def test_scripts_that_have_no_end_cost_no_more_than_others() -> None:
    body = b"<script json>" * 20_000
    assert redacted_body(body, HTML, NONE) == (body, ())
    page = b'<script type="x/json">{"pin": "canary"}</script><SCRIPT json>{"pin": 1234}</SCRIPT>'
    clean, _ = redacted_body(page, HTML, NONE)
    assert clean == page.replace(b"canary", b"[redacted]").replace(b"1234", b'"[redacted]"')
