"""settings.access: who may speak to the admin listener, from a file or the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.load_settings import load_settings
from proxy.errors import ConfigError
from proxy.settings import Access, Identity

HEADER = {"FIGWAY_ACCESS_IDENTITY_HEADER": "X-Forwarded-Email"}
PROXIES = {"FIGWAY_ACCESS_IDENTITY_PROXIES": "10.0.0.7/32"}
VIEWERS = {"FIGWAY_ACCESS_IDENTITY_VIEWERS": "*"}
WHOLE = HEADER | PROXIES | VIEWERS


def test_the_environment_alone_is_enough() -> None:
    environ = WHOLE | {
        "FIGWAY_ACCESS_HOSTS": "Figway-1, figway.internal.",
        "FIGWAY_ACCESS_CHANGES_PER_SECOND": "5",
        "FIGWAY_ACCESS_IDENTITY_OPERATORS": "ann@example.org,group:on call",
    }
    assert load_settings(None, environ, {}).access == Access(
        hosts=("figway-1", "figway.internal"),
        changes_per_second=5,
        identity=Identity(
            header="x-forwarded-email",
            proxies=("10.0.0.7/32",),
            viewers=("*",),
            operators=("ann@example.org", "group:on call"),
        ),
    )


def test_the_environment_changes_one_key_of_what_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(
        "settings: {access: {hosts: [a], identity: {header: X-User, proxies: [10.0.0.1],"
        " admins: [ann]}}}\n"
    )
    access = load_settings(path, VIEWERS, {}).access
    assert access.hosts == ("a",)
    assert (access.identity.viewers, access.identity.admins) == (("*",), ("ann",))
    assert access.identity.proxies == ("10.0.0.1/32",)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        pytest.param(
            HEADER | VIEWERS, "proxies: is missing: name the addresses", id="believed from anywhere"
        ),
        pytest.param(HEADER | PROXIES, "viewers: is missing", id="nobody has a role"),
        pytest.param(PROXIES, "proxies: has no effect without access.identity.header", id="header"),
        pytest.param(VIEWERS, "viewers: has no effect without", id="roles without header"),
        pytest.param(
            WHOLE | {"FIGWAY_ACCESS_IDENTITY_GROUPS_HEADER": "x-forwarded-email"},
            "groups_header: must be another header",
            id="one header for both",
        ),
        pytest.param(
            WHOLE | {"FIGWAY_ACCESS_IDENTITY_HEADER": "Cookie"},
            "must be a header that only the proxy sets",
            id="cookie",
        ),
        pytest.param(
            WHOLE | {"FIGWAY_ACCESS_IDENTITY_ADMINS": "group:"}, "must be a name", id="empty group"
        ),
        pytest.param(
            WHOLE | {"FIGWAY_ACCESS_IDENTITY_PROXIES": "10.0.0.7/8"}, "bits set", id="block"
        ),
        pytest.param({"FIGWAY_ACCESS_HOSTS": "http://a"}, "must be a host alone", id="URL as host"),
        pytest.param({"FIGWAY_ACCESS_HOSTS": "*.example"}, "one whole name", id="wildcard host"),
        pytest.param({"FIGWAY_ACCESS_CHANGES_PER_SECOND": "0"}, "at least 1", id="no change ever"),
        pytest.param({"FIGWAY_ACCESS_HOST": "a"}, "did you mean", id="misspelt"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_key(environ: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(None, environ, {})
    assert said in str(caught.value)
