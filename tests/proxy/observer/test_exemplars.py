"""Exemplars: what a pair is made into for the disk, and what comes back from it."""

from __future__ import annotations

import gzip
import json

import pytest

from proxy.compare.pair import compare
from proxy.compare.policy import CompiledPolicy
from proxy.compare_policy import ComparePolicy
from proxy.evidence.exemplar import Exemplar, KeptAnswer
from proxy.exchange import Answer, AskedRequest, Exchange, Header
from proxy.observer.exemplars import KEPT_BODY, Keeping, answer_of, request_of
from proxy.observer.settling import Pair
from proxy.stages import Side

JSON: Header = (b"Content-Type", b"application/json")


def exchange(side: Side, answer: Answer | None, error: str = "") -> Exchange:
    return Exchange(side=side, upstream=side.value, answer=answer, error=error, elapsed=0.5)


def kept(
    legacy: Answer,
    new: Answer | None,
    *,
    asked: AskedRequest | None = None,
    policy: ComparePolicy | None = None,
) -> Exemplar:
    compiled = CompiledPolicy.compile(policy or ComparePolicy())
    return Keeping(
        id="1",
        pair=Pair(
            asked=asked or AskedRequest(method="GET", target=b"/a?q=1", headers=()),
            primary=exchange(Side.LEGACY, legacy),
            shadow=exchange(Side.NEW, new, "" if new is not None else "closed"),
        ),
        found=None if new is None else compare(legacy, new, compiled),
        policy=compiled,
    ).run()


def answer(body: bytes, *headers: Header) -> Answer:
    return Answer(status=200, headers=(JSON, *headers), body=body)


def test_a_pair_keeps_both_answers_and_names_the_cause_of_each_difference() -> None:
    made = kept(answer(b'{"a": 1}'), answer(b'{"a": "1"}'))
    assert (made.legacy.body, made.new.body) == (b'{"a": 1}', b'{"a": "1"}')
    (difference,) = made.differences
    assert difference.fingerprint
    assert (difference.path, difference.legacy, difference.new) == ("$.a", "1", '"1"')


def test_codings_are_undone_before_anything_is_kept() -> None:
    packed = answer(gzip.compress(b'{"a": 1}'), (b"Content-Encoding", b"gzip"))
    made = kept(packed, answer(b'{"a": 2}'))
    assert made.legacy.body == b'{"a": 1}'
    again = answer_of(made.legacy)
    assert again is not None
    assert again.header(b"content-encoding") is None
    assert again.body == b'{"a": 1}'


@pytest.mark.parametrize("coding", [b"gzip", b"unknown"])
def test_what_cannot_be_decoded_is_not_kept(coding: bytes) -> None:
    made = kept(answer(b"\x00secret", (b"Content-Encoding", coding)), answer(b"{}"))
    assert (made.legacy.body, made.legacy.cut) == (b"", True)
    assert answer_of(made.legacy) is None


def test_a_large_body_is_cut_and_not_compared_again() -> None:
    large = json.dumps(list(range(100_000))).encode()
    made = kept(answer(large), answer(b"[]"))
    assert (len(made.legacy.body), made.legacy.cut) == (KEPT_BODY, True)
    assert answer_of(made.legacy) is None
    assert answer_of(made.new) is not None


def test_a_side_without_an_answer_keeps_the_cause() -> None:
    made = kept(answer(b"{}"), None)
    assert (made.new.status, made.new.error, made.new.seconds) == (0, "closed", 0.5)
    assert answer_of(made.new) is None


def test_secrets_of_the_request_are_gone_and_named() -> None:
    asked = AskedRequest(
        method="GET",
        target=b"/a?token=s3cret&q=1",
        headers=((b"Cookie", b"sid=s3cret"), (b"Authorization", b"Bearer s3cret"), (b"A", b"b")),
    )
    made = kept(answer(b"{}"), answer(b"[]"), asked=asked)
    assert "s3cret" not in repr(made)
    assert {"cookie", "authorization", "query:token"} <= set(made.redacted)
    back = request_of(made)
    assert back is not None
    assert back.target == b"/a?q=1"
    assert back.headers == ((b"A", b"b"),)


def test_a_policy_redacts_bodies_on_both_sides() -> None:
    policy = ComparePolicy(redact=("$.email",))
    body = b'{"email": "a@b.example", "n": 1}'
    made = kept(answer(body), answer(body.replace(b"1", b"2")), policy=policy)
    assert b"a@b.example" not in made.legacy.body + made.new.body


def test_a_path_that_held_a_secret_cannot_be_asked_again() -> None:
    gone = KeptAnswer(upstream="x", status=200)
    exemplar = Exemplar(id="1", method="GET", target="/reset/[redacted]?a=1", legacy=gone, new=gone)
    assert request_of(exemplar) is None


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param("/a", b"/a", id="no_query"),
        pytest.param("/a?", b"/a?", id="an_empty_query"),
        pytest.param("/a?t=[redacted]", b"/a", id="nothing_left"),
        pytest.param("/a?x&t=[redacted]&y=%C3%A4", b"/a?x&y=%C3%A4", id="the_rest_stays"),
    ],
)
def test_redacted_parameters_are_left_out_of_a_replay(target: str, expected: bytes) -> None:
    gone = KeptAnswer(upstream="x", status=200)
    back = request_of(Exemplar(id="1", method="GET", target=target, legacy=gone, new=gone))
    assert back is not None
    assert back.target == expected


@pytest.mark.parametrize(
    ("asked", "size", "headers", "light"),
    [
        pytest.param(0, 3000, (), True, id="small"),
        pytest.param(0, 4000, (), False, id="large"),
        pytest.param(1000, 3000, (), False, id="with-a-request-body"),
        pytest.param(0, 1000, ((b"Content-Encoding", b"gzip"),), False, id="coded"),
    ],
)
def test_only_what_is_looked_through_in_a_moment_is_light(
    asked: int, size: int, headers: tuple[Header, ...], light: bool
) -> None:
    made = Keeping(
        id="1",
        pair=Pair(
            asked=AskedRequest(method="POST", target=b"/", headers=(), body=bytes(asked)),
            primary=exchange(Side.LEGACY, answer(bytes(size), *headers)),
            shadow=exchange(Side.NEW, answer(bytes(size))),
        ),
        found=None,
        policy=CompiledPolicy.compile(ComparePolicy()),
    )
    assert made.is_light is light
