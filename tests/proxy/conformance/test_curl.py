"""The curl line repeats the request, and tells no secret."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from proxy.conformance.concealment import concealed
from proxy.conformance.curl import curl_line
from proxy.conformance.sender import PlannedRequest
from proxy.routing.route import Upstream
from proxy.stages import Side
from tests.rigs.scripted_origin import Received, ScriptedOrigin

HOST = (b"Host", b"shop.example")


def planned(
    url: str,
    method: str = "GET",
    target: bytes = b"/a",
    headers: tuple[tuple[bytes, bytes], ...] = (HOST,),
    body: bytes = b"",
) -> PlannedRequest:
    return PlannedRequest(
        side=Side.LEGACY,
        upstream=Upstream(name="legacy", side=Side.LEGACY, urls=(url,)),
        method=method,
        target=target,
        headers=headers,
        body=body,
    )


def run_in_shell(line: str, origin: ScriptedOrigin, **environment: str) -> Received:
    path = shutil.which("curl")
    assert path is not None, "curl is missing: .ci/install-system test"
    done = subprocess.run(
        ["sh", "-c", line],
        capture_output=True,
        check=False,
        env={"PATH": str(Path(path).parent), **environment},
    )
    assert done.returncode == 0, (line, done.stderr)
    return origin.one_request()


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("GET", b"/a/../b?x=1&y='z'", b""),
        ("POST", b"/cart", b"a=1&b='quoted' \"$HOME\" `id` \\"),
        ("DELETE", b"/cart/7", b""),
    ],
)
def test_a_shell_sends_the_same_request(method: str, target: bytes, body: bytes) -> None:
    headers = (HOST, (b"X-Quote", b"it's $HOME"))
    with ScriptedOrigin() as origin:
        line = curl_line(planned(origin.url, method, target, headers, body), (), several=False)
        request = run_in_shell(line, origin)
    assert (request.method, request.target) == (method.encode(), target)
    assert request.body == body
    assert request.values(b"X-Quote") == [b"it's $HOME"]
    assert request.values(b"Host") == [b"shop.example"]


def test_values_are_left_to_the_shell() -> None:
    values = {("TOKEN", "s3cr3t/&"), ("SHORT", "7")}
    with ScriptedOrigin() as origin:
        request = planned(
            origin.url,
            "POST",
            b"/a?t=s3cr3t%2F%26&n=7",
            (HOST, (b"Authorization", b'Bearer s3cr3t/& "$x"')),
            b"token=s3cr3t/&",
        )
        line = curl_line(request, values, several=False)
        sent = run_in_shell(line, origin, TOKEN="s3cr3t/&")
    assert "s3cr3t" not in line
    assert sent.values(b"Authorization") == [b'Bearer s3cr3t/& "$x"']
    assert sent.body == b"token=s3cr3t/&"
    # What a URL encodes is written raw by the shell: still the same value.
    assert sent.target == b"/a?t=s3cr3t/&&n=7"


def test_cookies_of_several_steps_are_left_to_a_jar() -> None:
    request = planned("http://h:1", headers=(HOST, (b"Cookie", b"PHPSESSID=abc")))
    assert "PHPSESSID=abc" in curl_line(request, (), several=False)
    line = curl_line(request, (), several=True)
    assert "-b legacy.cookies -c legacy.cookies" in line
    assert "abc" not in line


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (
            "unix:/run/my app.sock",
            "--unix-socket '/run/my app.sock' --path-as-is http://localhost/a",
        ),
        ("https://h", "--path-as-is https://h/a"),
    ],
)
def test_an_address_is_one_that_curl_knows(url: str, words: str) -> None:
    assert curl_line(planned(url), (), several=False).endswith(words)


def test_a_head_is_asked_for_as_one() -> None:
    assert "-I" in curl_line(planned("http://h:1", "HEAD"), (), several=False).split()


def test_a_large_body_does_not_hide_the_rest() -> None:
    line = curl_line(planned("http://h:1", "POST", body=b"x" * 5000), (), several=False)
    assert "@body-of-5000-bytes" in line


def test_the_longer_of_two_values_is_concealed_first() -> None:
    assert (
        concealed("abcdef abc xyz", [("A", "abc"), ("B", "abcdef"), ("A", "xyz")])
        == "${B} ${A} ${A}"
    )
