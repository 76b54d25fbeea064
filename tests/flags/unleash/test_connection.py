"""What a person types to reach Unleash, checked before anything is asked."""

from __future__ import annotations

import pytest

from flags.unleash.connection import UnleashConnection

TOKEN = "default:production.s3cr3t"


@pytest.mark.parametrize(
    ("url", "api", "page"),
    [
        pytest.param("https://u.example", "https://u.example/api", "https://u.example", id="plain"),
        pytest.param(
            "https://u.example/api/", "https://u.example/api", "https://u.example", id="with api"
        ),
        pytest.param(
            "http://127.0.0.1:4242/unleash",
            "http://127.0.0.1:4242/unleash/api",
            "http://127.0.0.1:4242/unleash",
            id="below a path",
        ),
    ],
)
def test_the_address_may_be_the_page_or_the_api(url: str, api: str, page: str) -> None:
    connection = UnleashConnection(url=url, token=TOKEN)
    assert connection.api == api
    assert connection.page == page


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        pytest.param({"url": "u.example"}, "http or https address", id="no scheme"),
        pytest.param({"url": "ftp://u.example"}, "http or https address", id="another scheme"),
        pytest.param({"url": "https://"}, "http or https address", id="no host"),
        pytest.param({"url": "https://ada:pw@u.example"}, "no user or password", id="password"),
        pytest.param({"url": "https://u.example?a=1"}, "no query", id="query"),
        pytest.param({"token": ""}, "New API token, type backend", id="no token"),
        pytest.param({"token": "*:*.admin"}, "this is an admin token", id="an admin token"),
        pytest.param({"token": "default:x. y"}, "backend token holds a space", id="space"),
        pytest.param({"token": "default:x.y\n"}, "backend token holds a space", id="line end"),
        pytest.param({"admin_token": "ü"}, "admin token holds", id="no ASCII"),
        pytest.param({"webhook_token": "a b"}, "webhook token holds", id="webhook"),
    ],
)
def test_what_cannot_work_is_refused_with_the_mend_and_without_the_secret(
    wrong: dict[str, str], words: str
) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        UnleashConnection(**{"url": "https://u.example", "token": TOKEN, **wrong})  # type: ignore[arg-type] # texts only
    assert "pw" not in str(refused.value)
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize(
    ("token", "environment"),
    [
        pytest.param("default:production.abc", "production", id="of one project"),
        pytest.param("*:development.abc", "development", id="of all projects"),
        pytest.param("[]:prod-eu.abc", "prod-eu", id="of several projects"),
        pytest.param("abc", "", id="of another form"),
        pytest.param("default:abc", "", id="without a dot"),
    ],
)
def test_the_token_names_its_environment(token: str, environment: str) -> None:
    connection = UnleashConnection(url="https://u.example", token=token)
    assert connection.environment == environment


def test_no_token_is_shown() -> None:
    connection = UnleashConnection(
        url="https://u.example", token=TOKEN, admin_token="adm1n", webhook_token="h00k"
    )
    for secret in ("s3cr3t", "adm1n", "h00k"):
        assert secret not in repr(connection)
