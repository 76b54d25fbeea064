"""docs/redis.md: forms, options, states, keys and rights are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flags.redis import faults
from flags.redis.keys import Keys
from flags.redis.settings import RedisSettings
from flags.redis.url import parse_redis_url

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "redis.md").read_text()
KEYS = Keys("production")


@pytest.mark.parametrize("form", re.findall(r"^\| `((?:redis|unix)[^`]+)` \|", PAGE, re.M))
def test_every_form_of_the_url_is_one(form: str) -> None:
    # What stands in brackets may be there or not; the dots are for more of the same.
    full = form.replace("[", "").replace("]", "").replace(",...", "")
    bare = re.sub(r"\[[^\]]*\]", "", form).replace(",...", "")
    if full == "rediss://...":
        full = bare = "rediss://host"
    for text in (full, bare):
        assert parse_redis_url(text).form


def test_the_page_names_every_form() -> None:
    (others,) = re.findall(r"^(.*) are read too\.$", PAGE, re.M)
    told = set(re.findall(r"`((?:redis|unix)[a-z+-]*://)", PAGE.replace(others, "")))
    for form in re.findall(r"`(.*?)`", others):
        assert parse_redis_url(f"{form}h" + "/s" * ("sentinel" in form)).form
    with pytest.raises(ValueError, match="must begin with one of") as error:
        parse_redis_url("x://")
    assert told == set(re.findall(r"[a-z+-]+://", str(error.value))) - {"x://"}


def test_every_option_is_known() -> None:
    options = "&".join(
        f"{name}=chain" if name == "verify" else f"{name}=x"
        for name in re.findall(r"[?&]([a-z_]+)=", PAGE)
        if name != "db"
    )
    seen = dict.fromkeys(options.split("&"))
    assert parse_redis_url(f"rediss+sentinel://h/s?{'&'.join(seen)}").tls


def test_every_state_of_the_health_is_told() -> None:
    told = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.M))
    source = "\n".join(path.read_text() for path in (ROOT / "flags" / "redis").glob("*.py"))
    states = set(re.findall(r'state="([a-z_]+)"', source))
    states |= {state for state, _ in faults._WORDS.values()}
    assert told == states | {"ok"}


def test_every_key_is_told() -> None:
    told = set(re.findall(r"^\| `(\{figway[^`]+)` \|", PAGE, re.M))
    assert told == {
        *(KEYS.state, KEYS.leases, KEYS.facts, KEYS.acks, KEYS.audit, KEYS.bell),
        KEYS.done("ID"),
        KEYS.ears_of("REPLICA"),
    }


def test_the_rights_are_those_that_a_refusal_asks_for() -> None:
    (rights,) = re.findall(r"^ACL SETUSER figway on >password (.+)$", PAGE, re.M)
    assert rights in faults._WORDS["NOPERM"][1]
    for name in ("test_refusals.py", "test_topologies.py"):
        assert rights in (ROOT / "tests" / "flags" / "redis" / name).read_text()


def test_the_times_are_those_of_the_settings() -> None:
    settings = RedisSettings(url=parse_redis_url("redis://h"), replica="a", boot="b")
    assert f"Every {settings.poll} s each replica asks" in PAGE
    assert f"answers take {settings.slow_after} s and more" in PAGE
    assert f"does not answer in {settings.answer_within:.0f} s" in PAGE
    assert f"({settings.lease:.0f} s, renewed every second)" in PAGE
    assert settings.renew == 1
    assert re.search(rf"nothing is heard for\s+{settings.deaf_after:.0f} s", PAGE)
    assert f"forgotten {settings.forget / 60:.0f} minutes" in PAGE
    assert f"for {settings.remember / 60:.0f} minutes: this change" in PAGE
    assert f"the last {settings.audit_length:,}" in PAGE
