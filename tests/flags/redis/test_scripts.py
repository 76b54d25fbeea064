"""The steps that Redis takes as one, asked of Redis directly."""

from __future__ import annotations

import json

import pytest

from flags.redis.scripts import CONFIRM, RENEW, RESTORE, WRITE
from tests.rigs.redis_server import RedisServer

STATE, DONE, AUDIT, BELL = "{f}:state", "{f}:done:1", "{f}:audit", "{f}:bell"
NEVER = "9000000000000000"


def write(
    server: RedisServer,
    *words: str,
    least: int = 0,
    last: str = NEVER,
    done: str = DONE,
    seen: str = "",
) -> str:
    arguments = (BELL, str(least), last, "60000", "10", "line", seen, *words)
    return server.command("EVAL", WRITE, "3", STATE, done, AUDIT, *arguments).splitlines()[0]


def restore(server: RedisServer, *words: str, least: int = 0) -> str:
    return server.command("EVAL", RESTORE, "1", STATE, BELL, str(least), *words).splitlines()[0]


def field(server: RedisServer, name: str) -> str:
    return server.command("HGET", STATE, name)


def test_a_write_keeps_its_words_its_revision_and_its_line(redis_server: RedisServer) -> None:
    assert write(redis_server, "a", "{1}", "b", "{2}", least=8_000_000_000_000_000) == "written"
    assert field(redis_server, "rev") == "8000000000000000"
    assert field(redis_server, "a") == "8000000000000000 {1}"
    assert field(redis_server, "b") == "8000000000000000 {2}"
    assert redis_server.command("XLEN", AUDIT) == "1"
    assert 0 < int(redis_server.command("PTTL", DONE)) <= 60_000


def test_a_write_that_was_made_and_one_that_is_late_change_nothing(
    redis_server: RedisServer,
) -> None:
    assert write(redis_server, "a", "{1}") == "written"
    before = redis_server.command("HGETALL", STATE)
    assert write(redis_server, "a", "{2}") == "again"
    assert write(redis_server, "a", "{2}", last="1", done="{f}:done:2") == "late"
    # What came too late is not remembered as made either.
    assert redis_server.command("EXISTS", "{f}:done:2") == "0"
    # A retry of what was made is told so, however late it comes.
    assert write(redis_server, "a", "{1}", last="1") == "again"
    assert redis_server.command("HGETALL", STATE) == before


@pytest.mark.parametrize(
    ("there", "outcome"),
    [
        pytest.param('9 {"on":true,"reason":""}', "newer", id="a rollback that is newer"),
        pytest.param('7 {"on":true,"reason":""}', "written", id="the rollback that was seen"),
        pytest.param('9 {"on":false,"reason":""}', "written", id="a resume that is newer"),
        pytest.param('9 {"on":false,"reason":"9 {\\"on\\":true"}', "written", id="its words only"),
        pytest.param("junk", "written", id="what nobody can read"),
        pytest.param("", "written", id="nothing"),
    ],
)
def test_a_resume_is_written_over_what_it_has_seen(
    redis_server: RedisServer, there: str, outcome: str
) -> None:
    redis_server.command("HSET", STATE, "rev", "9", "a", there)
    assert write(redis_server, "a", '{"on":false}', seen="7") == outcome
    assert (field(redis_server, "a") == there) is (outcome == "newer")
    assert redis_server.command("EXISTS", DONE) == ("0" if outcome == "newer" else "1")


@pytest.mark.parametrize("junk", ["", "x", "nan", "inf", "-5", "1e400", "9" * 20, " "])
def test_a_revision_that_is_none_counts_as_none(redis_server: RedisServer, junk: str) -> None:
    redis_server.command("HSET", STATE, "rev", junk)
    assert write(redis_server, "a", "{1}", least=5) == "written"
    revision = int(field(redis_server, "rev"))
    seconds, microseconds = redis_server.command("TIME").split()
    assert 5 < revision <= int(seconds) * 1_000_000 + int(microseconds)
    redis_server.command("HSET", STATE, "rev", junk)
    assert restore(redis_server, least=7) == "0"
    assert field(redis_server, "rev") == "7"


def test_a_field_that_changed_meanwhile_is_not_restored(redis_server: RedisServer) -> None:
    redis_server.command("HSET", STATE, "rev", "9", "a", "9 {new}", "b", "1 {old}")
    written = restore(
        redis_server, *("a", "1 {old}", "5 {mine}", "b", "1 {old}", "5 {mine}"), least=5
    )
    assert written == "1"
    assert field(redis_server, "a") == "9 {new}"
    assert field(redis_server, "b") == "5 {mine}"
    # Who asks for the revision alone sees that there is something to read.
    assert field(redis_server, "rev") == "10"


def test_a_restore_of_nothing_leaves_the_revision_and_tells_nobody(
    redis_server: RedisServer,
) -> None:
    redis_server.command("HSET", STATE, "rev", "9")
    assert restore(redis_server, "a", "expected", "5 {mine}", least=9) == "0"
    assert (field(redis_server, "rev"), field(redis_server, "a")) == ("9", "")


def test_an_ack_is_kept_for_those_who_were_not_told(redis_server: RedisServer) -> None:
    told = redis_server.command("EVAL", CONFIRM, "1", "{f}:acks", "boot", "ack", "x", "y")
    assert told == "2"
    assert redis_server.command("HGET", "{f}:acks", "boot") == "ack"


def test_a_renewal_forgets_who_fell_silent_long_ago(redis_server: RedisServer) -> None:
    keys = ("{f}:leases", "{f}:facts", "{f}:acks")
    seconds = int(redis_server.command("TIME").split()[0])
    recent = str((seconds - 5) * 1000)
    redis_server.command("ZADD", keys[0], "1", "old", recent, "recent")
    for key in keys[1:]:
        redis_server.command("HSET", key, "old", "x", "recent", "x")
    renewed = ("me", json.dumps({"replica": "me"}), "", "3000", "60000")
    assert redis_server.command("EVAL", RENEW, "3", *keys, *renewed) == "1"
    assert redis_server.command("ZRANGE", keys[0], "0", "-1").split() == ["recent", "me"]
    assert redis_server.command("HGET", keys[1], "old") == ""
    assert redis_server.command("HGET", keys[2], "old") == ""
    assert redis_server.command("HGET", keys[1], "recent") == "x"
    # No ack yet: none is kept.
    assert redis_server.command("HGET", keys[2], "me") == ""
