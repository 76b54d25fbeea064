"""The control plane: default < file < environment; bad values are told, secrets are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.load_control_plane import load_control_plane, variables
from proxy.config.load_settings import ignored_variables, load_settings
from proxy.config.parse import parse_routes
from proxy.control_plane import ControlPlane, Provider, WhenStale
from proxy.errors import ConfigError
from proxy.routing.route import ContextField, ContextKind
from tests.proxy.config.example import GOOD, line_of
from tests.proxy.config.mistakes import problems_of

UNLEASH = {"FIGWAY_UNLEASH_URL": "http://unleash:4242/api", "FIGWAY_UNLEASH_TOKEN": "t"}


def file_with(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "routes.yaml"
    path.write_text(text)
    return path


def refusal(path: Path | None, environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_control_plane(path, environ)
    return [str(problem) for problem in caught.value.problems]


def test_without_any_source_the_defaults_are_those_of_the_house() -> None:
    assert load_control_plane(None, {}) == ControlPlane()


@pytest.mark.parametrize(
    ("text", "environ", "provider"),
    [
        pytest.param("", {}, "file", id="nothing"),
        pytest.param("", UNLEASH, "unleash", id="an address of Unleash is enough"),
        pytest.param("", {"FIGWAY_REDIS_URL": "redis://r"}, "redis", id="one of Redis too"),
        pytest.param("", {**UNLEASH, "FIGWAY_REDIS_URL": "redis://r"}, "unleash", id="both"),
        pytest.param(
            "flags: {provider: file}",
            {"FIGWAY_REDIS_URL": "redis://r"},
            "redis",
            id="Redis of the environment wins",
        ),
        pytest.param(
            "flags: {provider: file}",
            {"FIGWAY_REDIS_URL": "redis://r", "FIGWAY_FLAGS_PROVIDER": "file"},
            "file",
            id="a Redis for rollbacks alone",
        ),
        pytest.param(
            "flags: {provider: unleash, unleash: {url: http://u}}",
            {"FIGWAY_REDIS_URL": "redis://r", "FIGWAY_UNLEASH_TOKEN": "t"},
            "unleash",
            id="a Redis beside Unleash",
        ),
        pytest.param(
            "flags: {unleash: {url: http://u}}",
            {"FIGWAY_REDIS_URL": "redis://r", "FIGWAY_UNLEASH_TOKEN": "t"},
            "unleash",
            id="a Redis beside the address of Unleash",
        ),
        pytest.param(
            "flags: {provider: redis}",
            {**UNLEASH, "FIGWAY_REDIS_URL": "redis://r"},
            "unleash",
            id="both addresses win over redis",
        ),
        pytest.param("flags: {provider: file}", UNLEASH, "unleash", id="environment wins"),
        pytest.param(
            "", {**UNLEASH, "FIGWAY_FLAGS_PROVIDER": "file"}, "file", id="said in so many words"
        ),
        pytest.param(
            "flags: {unleash: {url: http://u}}", {"FIGWAY_UNLEASH_TOKEN": "t"}, "unleash", id="url"
        ),
        pytest.param("control: {redis_url: redis://r}", {}, "redis", id="Redis in the file"),
        pytest.param(
            "{flags: {provider: file}, control: {redis_url: redis://r}}",
            {},
            "file",
            id="a Redis in the file, and that the file says percentages",
        ),
    ],
)
def test_the_provider_is_the_one_that_was_meant(
    tmp_path: Path, text: str, environ: dict[str, str], provider: str
) -> None:
    plane = load_control_plane(file_with(tmp_path, text) if text else None, environ)
    assert plane.flags.provider is Provider(provider)


def test_the_file_says_everything_that_is_no_secret(tmp_path: Path) -> None:
    path = file_with(
        tmp_path,
        """\
flags: {provider: redis, warn_after: 1m, stale_after: 2m, when_stale: legacy}
control:
  {replica: a, environment: staging, redis_url: redis://r, peers: ["http://b:1/"],
   resume_cooldown: 15m, stale_after: 4s, unready_after: 9s, diverged_after: 3s,
   advertise: "https://proxy-1:9900"}
""",
    )
    plane = load_control_plane(path, {})
    assert plane.flags.when_stale is WhenStale.LEGACY
    assert (plane.flags.warn_after, plane.flags.stale_after) == (60.0, 120.0)
    control = plane.control
    assert (control.replica, control.environment, control.redis_url) == (
        "a",
        "staging",
        "redis://r",
    )
    assert (control.peers, control.advertise) == (("http://b:1",), "https://proxy-1:9900")
    assert (control.resume_cooldown, control.stale_after) == (900.0, 4.0)
    assert (control.unready_after, control.diverged_after) == (9.0, 3.0)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = file_with(tmp_path, "control: {replica: a, redis_url: redis://r, peers: []}\n")
    environ = {
        "FIGWAY_REPLICA": "b",
        "FIGWAY_REDIS_URL": "redis://:secret@other",
        "FIGWAY_PEERS": "http://x:1, y:2",
        "FIGWAY_CONTROL_STALE_AFTER": "7s",
    }
    control = load_control_plane(path, environ).control
    assert (control.replica, control.redis_url) == ("b", "redis://:secret@other")
    assert (control.peers, control.stale_after) == (("http://x:1", "http://y:2"), 7.0)


def test_secrets_may_stand_in_files_and_never_show(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("redis://:geheim@r\n")
    (tmp_path / "token").write_text("geheim\n")
    plane = load_control_plane(
        None,
        {
            "FIGWAY_REDIS_URL_FILE": str(tmp_path / "url"),
            "FIGWAY_UNLEASH_URL": "http://u",
            "FIGWAY_UNLEASH_TOKEN_FILE": str(tmp_path / "token"),
            "FIGWAY_UNLEASH_ADMIN_TOKEN": "geheim",
            "FIGWAY_UNLEASH_WEBHOOK_TOKEN": "geheim",
        },
    )
    assert plane.control.redis_url == "redis://:geheim@r"
    unleash = plane.flags.unleash
    assert {unleash.token, unleash.admin_token, unleash.webhook_token} == {"geheim"}
    assert "geheim" not in repr(plane)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        pytest.param(
            {"FIGWAY_FLAGS_PROVIDER": "consul"},
            'FIGWAY_FLAGS_PROVIDER: must be one of file, redis or unleash, got "consul"',
            id="provider",
        ),
        pytest.param(
            {"FIGWAY_PEERS": "http://proxy-1:9900,redis://proxy-2:9900"},
            "environment: FIGWAY_PEERS: must be http://HOST:PORT or https://HOST:PORT, got"
            ' "redis://proxy-2:9900"',
            id="peer of another scheme",
        ),
        pytest.param(
            {"FIGWAY_REPLICA": "a b"}, "environment: FIGWAY_REPLICA: must be at most 64", id="name"
        ),
        pytest.param(
            {"FIGWAY_UNLEASH_URL": "http://u"}, "FIGWAY_UNLEASH_TOKEN: is missing", id="no token"
        ),
        pytest.param(
            {"FIGWAY_FLAGS_PROVIDER": "unleash", "FIGWAY_UNLEASH_TOKEN": "t"},
            "flags: unleash.url: is missing: set it, or FIGWAY_UNLEASH_URL",
            id="no url",
        ),
        pytest.param(
            {"FIGWAY_UNLEASH_TOKEN": "t"},
            "environment: FIGWAY_UNLEASH_TOKEN: is set, and no address of Unleash is",
            id="a token without its address",
        ),
        pytest.param(
            {"FIGWAY_FLAGS_PROVIDER": "redis"},
            "control: redis_url: is missing: set it, or FIGWAY_REDIS_URL",
            id="no redis",
        ),
        pytest.param(
            {**UNLEASH, "FIGWAY_UNLEASH_TOKEN": "a\nb"}, "cannot be sent", id="a token of two lines"
        ),
        pytest.param(
            {"FIGWAY_REDIS_URL_FILE": "/nowhere"},
            "FIGWAY_REDIS_URL_FILE: cannot be read",
            id="file",
        ),
        pytest.param(
            {"FIGWAY_CONTROL_UNREADY_AFTER": "1s"},
            "must not be shorter than stale_after",
            id="pair",
        ),
    ],
)
def test_a_bad_value_is_told_with_its_place(environ: dict[str, str], said: str) -> None:
    (line,) = refusal(None, environ)
    assert said in line


@pytest.mark.parametrize(
    ("section", "key", "message"),
    [
        pytest.param(
            "control: {redis_url: redis://:pw@r}", "control.redis_url", "FIGWAY_REDIS_URL", id="pw"
        ),
        pytest.param("control: {peer: []}", "control.peer", 'did you mean "peers"?', id="misspelt"),
        pytest.param("flags: {provider: consul}", "flags.provider", "file, redis", id="provider"),
        pytest.param(
            "flags: {unleash: {token: x}}", "flags.unleash.token", "unknown key", id="a secret"
        ),
        pytest.param(
            "flags: {unleash: {context: {remoteAddress: {header: X-Ip}}}}",
            "flags.unleash.context",
            "remoteAddress is what Figway itself knows",
            id="a field of ours",
        ),
        pytest.param(
            "flags: {unleash: {context: {country: {header: X-C, cookie: c}}}}",
            "flags.unleash.context.country",
            "exactly one",
            id="two places",
        ),
        pytest.param(
            "control: {redis_url: 'redis://h:99999'}",
            "control.redis_url",
            "port 99999 is outside 1..65535",
            id="address of Redis",
        ),
    ],
)
def test_a_bad_key_of_the_file_is_refused_at_its_line(section: str, key: str, message: str) -> None:
    problems = problems_of(f"{GOOD}\n{section}\n".encode())
    assert [problem.key for problem in problems] == [key]
    assert message in problems[0].message
    assert problems[0].line == line_of("version:", GOOD) + GOOD.count("\n") + 1


def test_the_context_of_rules_stands_in_the_routes() -> None:
    section = (
        "flags: {unleash: {context: {country: {header: X-Shop-Country}, userId: {cookie: c}}}}"
    )
    assert parse_routes(f"{GOOD}\n{section}\n".encode(), "routes.yaml").context == (
        ContextField(field="country", kind=ContextKind.HEADER, name="x-shop-country"),
        ContextField(field="userId", kind=ContextKind.COOKIE, name="c"),
    )


def test_its_variables_are_known_and_a_misspelt_one_is_refused() -> None:
    assert {"FIGWAY_REDIS_URL", "FIGWAY_UNLEASH_TOKEN", "FIGWAY_PEERS"} <= variables()
    assert ignored_variables(dict.fromkeys(variables(), "x")) == ()
    with pytest.raises(ConfigError, match="did you mean FIGWAY_REDIS_URL"):
        load_settings(None, {"FIGWAY_REDIS_ULR": "x"}, {})
