"""PHP's messages are found by their exact formats, taken out, and told apart from the answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare.comparison import LegacyDefect, Result
from proxy.compare.pair import compare
from proxy.compare.php_defects import extract
from proxy.compare.policy import CompiledPolicy
from proxy.compare_policy import ComparePolicy
from tests.proxy.compare.pairs import answer

MARKED = (
    b"<br />\n<b>Warning</b>:  Undefined variable $x in <b>/var/www/a.php</b>"
    b" on line <b>12</b><br />\n"
)
PLAIN = b"\nNotice: Undefined index: a in /var/www/a.php on line 7\n"
TRACE = (
    b"PHP Fatal error:  Uncaught Exception: no stock in /var/www/a.php:3\n"
    b"Stack trace:\n#0 /var/www/b.php(9): f()\n#1 {main}\n  thrown in /var/www/a.php on line 3\n"
)
TABLE = (
    b"<br />\n<font size='1'><table class='xdebug-error xe-notice' dir='ltr' border='1'>\n"
    b"<tr><th align='left'><span style='color: #fce94f;'>( ! )</span> Notice: Undefined offset: 4"
    b" in C:\\www\\a.php on line <i>3</i></th></tr>\n</table></font>\n"
)


@pytest.mark.parametrize(
    ("message", "level", "text"),
    [
        pytest.param(MARKED, "Warning", "Undefined variable $x", id="html_errors on"),
        pytest.param(PLAIN, "Notice", "Undefined index: a", id="html_errors off"),
        pytest.param(TRACE, "Fatal error", "Uncaught Exception: no stock", id="uncaught"),
        pytest.param(TABLE, "Notice", "Undefined offset: N", id="Xdebug"),
        pytest.param(
            b"\nDeprecated: f() is deprecated in C:\\www\\a.php on line 3\n",
            *("Deprecated", "f() is deprecated"),
            id="a path of Windows",
        ),
        pytest.param(
            b"<br />\n<b>Parse error</b>:  syntax error, unexpected &quot;}&quot; in <b>/a.php</b>"
            b" on line <b>1</b><br />\n",
            *("Parse error", 'syntax error, unexpected "}"'),
            id="entities",
        ),
        pytest.param(
            b"\nFatal error: Allowed memory size of 134217728 bytes exhausted in /a on line 1\n",
            *("Fatal error", "Allowed memory size of N bytes exhausted"),
            id="numbers",
        ),
    ],
)
def test_a_message_is_taken_out_and_told_without_places(
    message: bytes, level: str, text: str
) -> None:
    assert extract(message + b'{"a": 1}') == (
        b'{"a": 1}',
        (LegacyDefect(level=level, message=text),),
    )


def test_several_messages_are_all_taken_out_and_equal_ones_told_once() -> None:
    rest, defects = extract(b"<p>" + MARKED + MARKED.replace(b"12", b"99") + PLAIN + b"</p>")
    assert rest == b"<p></p>"
    assert [defect.level for defect in defects] == ["Warning", "Notice"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<pre>" + PLAIN + b"</pre>", id="in pre"),
        pytest.param(b"<code class=php>" + MARKED + b"</code>", id="in code"),
        pytest.param(b"<textarea>" + PLAIN + b"</textarea>", id="in a field"),
        pytest.param(b"<p>Warning: x in /var/www/a.php on line 12</p>", id="within a line"),
        pytest.param(b"\nNotice: trains leave in May on line 12\n", id="no file"),
        pytest.param(
            b"\nWarning: read this in /etc/motd and wait on line 12 please\n", id="goes on"
        ),
        pytest.param(
            b"&lt;b&gt;Warning&lt;/b&gt;:  x in &lt;b&gt;/a&lt;/b&gt; on line &lt;b&gt;1&lt;/b&gt;",
            id="escaped",
        ),
        pytest.param(b"", id="nothing"),
    ],
)
def test_a_page_about_messages_is_left_alone(body: bytes) -> None:
    rest, defects = extract(body)
    assert rest is body
    assert defects == ()


def test_json_behind_a_warning_is_compared_and_the_warning_told_apart() -> None:
    policy = CompiledPolicy.compile(ComparePolicy())
    found = compare(answer(MARKED + b'{"a": 1}'), answer(b'{"a": 2}'), policy)
    assert [d.path for d in found.differences] == ["$.a"]
    assert found.legacy_defects[0].message == "Undefined variable $x"
    same = compare(answer(MARKED + b'{"a": 1}'), answer(b'{"a": 1}'), policy)
    assert same.result is not Result.DIFFERENT
    assert same.legacy_defects


@given(
    st.lists(
        st.sampled_from([MARKED, PLAIN, TRACE, TABLE, b"<pre>", b"</pre>", b"\n", b" on line 3"])
        | st.binary(max_size=20),
        max_size=10,
    )
)
def test_nothing_but_messages_is_taken_out(pieces: list[bytes]) -> None:
    body = b"".join(pieces)
    rest, defects = extract(body)
    assert len(rest) <= len(body)
    assert bool(defects) == (rest != body)
