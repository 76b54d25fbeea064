"""The Redis URL: every form, and every mistake with its mend."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flags.redis.url import Credentials, RedisUrl, RedisUrlError, Tls, parse_redis_url

ONE = (("h", 6379),)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        pytest.param("redis://h", RedisUrl(form="direct", addresses=ONE), id="host"),
        pytest.param(
            "redis://h:7000/3",
            RedisUrl(form="direct", addresses=(("h", 7000),), database=3),
            id="port-and-database",
        ),
        pytest.param(
            "redis://[::1]:7000/", RedisUrl(form="direct", addresses=(("::1", 7000),)), id="ipv6"
        ),
        pytest.param(
            "redis://:p%40ss@h",
            RedisUrl(form="direct", addresses=ONE, credentials=Credentials(password="p@ss")),
            id="password",
        ),
        pytest.param(
            "redis://fig:a:b@h",
            RedisUrl(
                form="direct", addresses=ONE, credentials=Credentials(user="fig", password="a:b")
            ),
            id="user-and-password-with-colon",
        ),
        pytest.param(
            "rediss://h", RedisUrl(form="direct", addresses=ONE, tls=Tls()), id="tls-of-the-system"
        ),
        pytest.param(
            "rediss://h?ca=/a.pem&cert=/c.pem&key=/k.pem&verify=chain",
            RedisUrl(
                form="direct",
                addresses=ONE,
                tls=Tls(ca="/a.pem", cert="/c.pem", key="/k.pem", check_host=False),
            ),
            id="tls-of-our-own",
        ),
        pytest.param(
            "unix:///run/r%20.sock?db=2",
            RedisUrl(form="socket", path="/run/r .sock", database=2),
            id="socket",
        ),
        pytest.param(
            "redis+sentinel://u:p@a,b:1,[::1]/main/2?sentinel_user=s&sentinel_password=t",
            RedisUrl(
                form="sentinel",
                addresses=(("a", 26379), ("b", 1), ("::1", 26379)),
                service="main",
                database=2,
                credentials=Credentials(user="u", password="p"),
                sentinel_credentials=Credentials(user="s", password="t"),
            ),
            id="sentinels",
        ),
        pytest.param(
            "rediss+sentinel://a/main",
            RedisUrl(form="sentinel", addresses=(("a", 26379),), service="main", tls=Tls()),
            id="sentinels-with-tls",
        ),
        pytest.param(
            "redis-cluster://a,b:1,a",
            RedisUrl(form="cluster", addresses=(("a", 6379), ("b", 1))),
            id="cluster",
        ),
        pytest.param(
            "rediss-cluster://a/0",
            RedisUrl(form="cluster", addresses=(("a", 6379),), tls=Tls()),
            id="cluster-with-tls",
        ),
        pytest.param(
            "rediss-sentinel://a/main",
            RedisUrl(form="sentinel", addresses=(("a", 26379),), service="main", tls=Tls()),
            id="sentinels-as-clusters-are-written",
        ),
        pytest.param(
            "redis+cluster://a",
            RedisUrl(form="cluster", addresses=(("a", 6379),)),
            id="a-cluster-as-sentinels-are-written",
        ),
        pytest.param("REDIS://h", RedisUrl(form="direct", addresses=ONE), id="in-capitals"),
    ],
)
def test_a_url_says_where_redis_is(text: str, url: RedisUrl) -> None:
    assert parse_redis_url(text) == url


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("", "must begin with one of redis://, rediss://", id="nothing"),
        pytest.param("localhost:6379", "got text without ://", id="no-scheme"),
        pytest.param("http://h", "got http://", id="other-scheme"),
        pytest.param("redis://", "is no host[:port]: write redis://", id="no-host"),
        pytest.param("redis://h:x", "'h:x' is no host[:port]", id="port-in-letters"),
        pytest.param("redis://h:70000", "port 70000 is outside 1..65535", id="port-too-high"),
        pytest.param("redis://a,b", "say redis+sentinel:// for Sentinels", id="two-hosts"),
        pytest.param("redis://h/x", "database 'x' is no number", id="database-in-letters"),
        pytest.param("redis://h/0/1", "more in its path than a database", id="long-path"),
        pytest.param("redis://name@h", "has a user without password", id="user-alone"),
        pytest.param("redis://:a#b@h", "write the one of a password as %23", id="hash"),
        pytest.param("redis://:a b@h", "write it as %20", id="blank"),
        pytest.param("redis://h?ca=/a.pem", "ca is for TLS: begin with rediss://", id="no-tls"),
        pytest.param("rediss://h?cert=/a", "needs both cert= and key=", id="half-a-certificate"),
        pytest.param("rediss://h?verify=no", "verify must be full or chain", id="no-verifying"),
        pytest.param("rediss://h?ca=", "option ca is empty", id="empty-option"),
        pytest.param("rediss://h?ca=/a&ca=/b", "option ca is there twice", id="option-twice"),
        pytest.param("redis://h?db=1", "option 'db' is not known here; known: none", id="option"),
        pytest.param("unix://", "names no socket: write unix:///path", id="no-socket"),
        pytest.param("redis+sentinel://a,b", "names no service", id="no-service"),
        pytest.param("redis-cluster://a/1", "a cluster has only database 0", id="cluster-database"),
        pytest.param("redis+sentinel://a,,b/m", "'nothing' is no host", id="empty-host"),
    ],
)
def test_a_mistake_is_told_with_its_mend(text: str, told: str) -> None:
    with pytest.raises(RedisUrlError) as error:
        parse_redis_url(text, setting="flags.redis.url")
    assert str(error.value).startswith("flags.redis.url: ")
    assert told in str(error.value)


@given(st.text(min_size=4, alphabet=st.characters(codec="utf-8")), st.sampled_from(["x", "0"]))
def test_no_password_is_ever_shown(secret: str, database: str) -> None:
    secret = f"«{secret}»"
    text = f"redis+sentinel://u:{quote(secret, safe='')}@h/m/{database}"
    text += f"?sentinel_password={quote(secret, safe='')}"
    try:
        url = parse_redis_url(text)
    except RedisUrlError as error:
        assert database == "x"
        told = str(error)
    else:
        assert url.credentials.password == url.sentinel_credentials.password == secret
        told = f"{url!r} {url.shown}"
    assert secret not in told
    assert quote(secret, safe="") not in told


@pytest.mark.parametrize(
    "text",
    [
        "redis://h:6379",
        "rediss://[::1]:7000/3",
        "unix:///run/r.sock",
        "redis+sentinel://a:26379,b:1/main/2",
        "rediss-cluster://a:6379,b:1",
    ],
)
def test_what_is_shown_is_the_url_without_its_secrets(text: str) -> None:
    assert parse_redis_url(text).shown == text
