"""Settings: default < file < environment < option, and whose fault a bad one is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from proxy.config.environment import setting_fields, variable
from proxy.config.load import load_settings
from proxy.config.load_settings import ignored_variables
from proxy.config.settings_model import SettingsShape, to_settings
from proxy.errors import ConfigError
from proxy.settings import Access, Deadlines, Identity, Limits, Settings


def file_with(tmp_path: Path, settings: str) -> Path:
    path = tmp_path / "routes.yaml"
    path.write_text(f"settings: {settings}\n")
    return path


def refusal(path: Path | None, environ: dict[str, str], options: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_settings(path, environ, options)
    return [str(problem) for problem in caught.value.problems]


def test_without_any_source_the_defaults_are_those_of_the_house() -> None:
    assert load_settings(None, {}, {}) == Settings()


SECTIONS = {"limits", "deadlines", "access", "identity"}


@pytest.mark.parametrize("kind", [Settings, Limits, Deadlines, Access, Identity])
def test_the_file_has_every_setting_with_its_default(kind: type) -> None:
    shape = to_settings(SettingsShape())
    section = {
        Settings: shape,
        Limits: shape.limits,
        Deadlines: shape.deadlines,
        Access: shape.access,
        Identity: shape.access.identity,
    }[kind]
    assert section == kind()
    models = {key.rpartition(".")[2] for key, _ in setting_fields(SettingsShape)}
    names = {field.name for field in dataclasses.fields(kind)} - SECTIONS
    assert names <= models


def test_a_stronger_source_wins(tmp_path: Path) -> None:
    path = file_with(tmp_path, "{workers: 3, slow_seconds: 2, via: file, log_queue: 7}")
    environ = {"FIGWAY_WORKERS": "4", "FIGWAY_VIA": "environment"}
    settings = load_settings(path, environ, {"workers": "5"})
    assert (settings.workers, settings.via, settings.slow_seconds, settings.log_queue) == (
        5,
        "environment",
        2.0,
        7,
    )


@pytest.mark.parametrize(
    ("name", "text", "get", "expected"),
    [
        pytest.param("FIGWAY_WORKERS", "8", "workers", 8, id="number"),
        pytest.param("FIGWAY_LISTEN", "[::1]:80", "listen", "[::1]:80", id="address"),
        pytest.param(
            "FIGWAY_ADMIN", "http://127.0.0.1:9000", "admin", "127.0.0.1:9000", id="admin as URL"
        ),
        pytest.param("FIGWAY_SLOW_SECONDS", "0.25", "slow_seconds", 0.25, id="bare seconds"),
        pytest.param("FIGWAY_SLOW_SECONDS", "250ms", "slow_seconds", 0.25, id="seconds with unit"),
        pytest.param("FIGWAY_STATE_MAX_AGE", "0", "state_max_age", 0.0, id="off"),
        pytest.param("FIGWAY_COOKIE_MAX_AGE", "30d", "cookie_max_age", 2592000, id="days"),
        pytest.param(
            "FIGWAY_TRUSTED_PROXIES",
            "10.0.0.0/8, ::1",
            "trusted_proxies",
            ("10.0.0.0/8", "::1/128"),
            id="list",
        ),
        pytest.param("FIGWAY_TRUSTED_PROXIES", "", "trusted_proxies", (), id="empty list"),
        pytest.param("FIGWAY_ACCESS_LOG", "off", "access_log", "off", id="word"),
    ],
)
def test_the_environment_is_read_as_the_file_is(
    name: str, text: str, get: str, expected: object
) -> None:
    assert getattr(load_settings(None, {name: text}, {}), get) == expected


def test_sections_have_variables_and_options_too() -> None:
    settings = load_settings(
        None,
        {"FIGWAY_LIMITS_BODY_BYTES": "5MiB", "FIGWAY_DEADLINES_HEADER": "500ms"},
        {"limits.header_count": "50"},
    )
    assert settings.limits == Limits(body_bytes=5 * 1024**2, header_count=50)
    assert settings.deadlines == Deadlines(header=0.5)


def test_a_variable_may_name_a_file_that_holds_the_value(tmp_path: Path) -> None:
    (tmp_path / "via").write_text("from-file\n")
    environ = {"FIGWAY_VIA_FILE": str(tmp_path / "via")}
    assert load_settings(None, environ, {}).via == "from-file"


@pytest.mark.parametrize(
    ("environ", "options", "said"),
    [
        pytest.param(
            {"FIGWAY_WORKERS": "many"},
            {},
            ['environment: FIGWAY_WORKERS: must be a whole number, got "many"'],
            id="environment",
        ),
        pytest.param(
            {}, {"workers": "0"}, ["option: --workers: must be at least 1, got 0"], id="option"
        ),
        pytest.param(
            {"FIGWAY_DEADLINES_HEADER": "5"},
            {},
            [
                "environment: FIGWAY_DEADLINES_HEADER: must be a duration with its unit such as "
                "5s, got 5"
            ],
            id="no unit",
        ),
        pytest.param(
            {"FIGWAY_WORKER": "2"},
            {},
            ["environment: FIGWAY_WORKER: is no setting; did you mean FIGWAY_WORKERS?"],
            id="misspelt",
        ),
        pytest.param(
            {"FIGWAY_STATEDIR": "/x", "FIGWAY_SENTINAL": "/x"},
            {},
            [
                "environment: FIGWAY_SENTINAL: is no setting; did you mean FIGWAY_SENTINEL?",
                "environment: FIGWAY_STATEDIR: is no setting; did you mean FIGWAY_STATE_DIR?",
            ],
            id="misspelt place",
        ),
        pytest.param(
            {"FIGWAY_VIA": "a", "FIGWAY_VIA_FILE": "/b"},
            {},
            ["environment: FIGWAY_VIA: is set together with FIGWAY_VIA_FILE: unset one"],
            id="twice",
        ),
        pytest.param(
            {"FIGWAY_VIA_FILE": "/nowhere/via"},
            {},
            ["environment: FIGWAY_VIA_FILE: cannot be read: No such file or directory"],
            id="file missing",
        ),
        pytest.param(
            {"FIGWAY_WORKERS": "x", "FIGWAY_ADMIN": "y"},
            {"listen": "z"},
            [
                'environment: FIGWAY_ADMIN: must be HOST:PORT such as 127.0.0.1:8080, got "y"',
                'environment: FIGWAY_WORKERS: must be a whole number, got "x"',
                'option: --listen: must be HOST:PORT such as 127.0.0.1:8080, got "z"',
            ],
            id="all together",
        ),
        pytest.param(
            {"FIGWAY_ADMIN": "127.0.0.1:8080"},
            {},
            ["settings: admin: must be another address than listen, both are 127.0.0.1:8080"],
            id="same address",
        ),
        pytest.param(
            {},
            {"tls_certificate": __file__},
            ["settings: tls_key: is missing: TLS needs certificate and key"],
            id="half of TLS",
        ),
        pytest.param(
            {},
            {"tls_certificate": __file__, "tls_key": "/nowhere/key.pem"},
            ["settings: tls_key: there is no file /nowhere/key.pem"],
            id="missing key",
        ),
        pytest.param(
            {"FIGWAY_LIMITS_HEAD_BYTES": "100"},
            {},
            [
                "settings: limits.header_bytes: must not be larger than limits.head_bytes (100), "
                "got 8190"
            ],
            id="limits that contradict",
        ),
    ],
)
def test_a_bad_setting_names_its_source(
    environ: dict[str, str], options: dict[str, str], said: list[str]
) -> None:
    assert refusal(None, environ, options) == said


def test_an_option_that_does_not_exist_lists_what_does() -> None:
    (said,) = refusal(None, {}, {"listne": "a:1"})
    assert said.startswith('option: --listne: there is no setting "listne"; did you mean "listen"?')


def test_a_bad_setting_of_the_file_names_its_line(tmp_path: Path) -> None:
    path = file_with(tmp_path, "{workers: none}")
    assert refusal(path, {}, {}) == [
        f'{path}:1: settings.workers: must be a whole number, got "none"'
    ]


def test_variables_that_kubernetes_makes_are_left_alone() -> None:
    environ = {
        "FIGWAY_PORT": "tcp://10.0.0.1:80",
        "FIGWAY_PORT_80_TCP_ADDR": "10.0.0.1",
        "FIGWAY_SERVICE_HOST": "10.0.0.1",
        "FIGWAY_SERVICE_PORT_ADMIN": "9900",
        "FIGWAY_TOKEN": "x",
        "FIGWAY_STATE_DIR": "/x",
        "FIGWAY_CONFIG": "/x",
        "FIGWAY_FLAGS": "/x",
    }
    assert load_settings(None, environ, {}) == Settings()
    assert ignored_variables(environ) == ()


def test_variables_that_nothing_reads_are_named() -> None:
    environ = {
        "FIGWAY_TLS_CERT": "x",
        "FIGWAY_LIMITS_BODY": "1",
        "FIGWAY_VIA_FILE": "x",
        "HOME": "",
    }
    assert ignored_variables(environ) == ("FIGWAY_LIMITS_BODY", "FIGWAY_TLS_CERT")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(":80", "every address is 0.0.0.0:80 or [::]:80", id="port alone"),
        pytest.param("*:80", "every address is 0.0.0.0:80 or [::]:80", id="star"),
        pytest.param("::1:80", "needs brackets around an IPv6 address", id="IPv6"),
        pytest.param("[::1]", "must be HOST:PORT", id="no port"),
    ],
)
def test_an_address_that_is_nearly_one_is_refused_with_the_mend(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings(None, {}, {"listen": text})
    assert message in str(refused.value)


def test_port_zero_twice_is_two_addresses() -> None:
    settings = load_settings(None, {}, {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0"})
    assert settings.listen == settings.admin


def test_certificates_of_the_file_stand_beside_it(tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("x")
    path = file_with(tmp_path, "{tls_certificate: cert.pem, tls_key: key.pem}")
    assert load_settings(path, {}, {}).tls_key == str(tmp_path / "key.pem")


def test_every_setting_has_a_variable_of_its_own() -> None:
    names = [variable(key) for key, _ in setting_fields(SettingsShape)]
    assert len(set(names)) == len(names)
