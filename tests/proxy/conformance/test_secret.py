"""What opens something, or names a person, is not written into a file that goes into Git."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.conformance.placeholder import fill
from proxy.conformance.secret import (
    Placeholders,
    is_secret_name,
    is_secret_value,
    stripped_target,
)


@pytest.mark.parametrize(
    "name",
    [
        *("token", "csrf_token", "accessToken", "X-Api-Key", "apiKey", "api_key", "password"),
        *("PHPSESSID", "sid", "session_id", "client_secret", "sig", "email", "user-email", "jwt"),
    ],
)
def test_names_of_secrets_are_known(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["page", "sort", "q", "product_id", "keyword", "category", "insider", "author", "hashtag"],
)
def test_other_names_are_none(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "value",
    [
        # Of the demo shop.
        "lindqvist-lc-1001-cordless-drill-18-v-40-nm",
        "buerkle-soehne-bw-2377-washable-emulsion-2-5-l-chalk-white",
        "buerkle-soehne-bl-1837-led-tube-gu10-5-w",
        "ferrand-fi-2566-insulated-screwdriver-tx25-x-150-mm",
        "kestrel-ks-1656-socket-set-1-2-250-mm",
        "brakk-bi-2825-impact-driver-36-v-110-nm",
        # Of others.
        "cordless_drill_lc1001_18v_40nm",
        "Lindqvist-LC-1001-Cordless-Drill-18V-40Nm",
        "makita-dhp484z-18v-54nm-2x5ah",
        "gsr-18v-55-akkuschlagbohrschrauber-set",
        "blog-2026-11-23-black-friday-deals",
        "figway-release-notes-v2-1-0",
        "usb-c-to-hdmi-2-1-adapter-8k-60hz",
        "category-tools-html-page-12",
        "ShowProductCategoriesPage",
        "123e4567-e89b-12d3-a456-426614174000",
    ],
)
def test_the_name_of_a_thing_is_no_secret(value: str) -> None:
    assert not is_secret_value(value)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("9f86d081884c7d659a2feaa0c55ad015", id="hex"),
        pytest.param("123e4567e89b12d3a456426614174000", id="uuid without separators"),
        pytest.param("user-123e4567-e89b-12d3-a456-426614174000", id="uuid after a word"),
        pytest.param("session-9f86d081-884c7d65-9a2feaa0", id="hex in groups after a word"),
        pytest.param("reset-password-9f86d081884c7d65", id="hex after words"),
        pytest.param("order-confirmation-k3j9x2m7qa5w", id="base36 after words"),
        pytest.param("aB3_dE-9xK2mQ7wZ1pLs", id="base64url, 20 characters"),
        pytest.param("cG9-3Ux_kT-0aQ-Zr7_vB-8nY", id="base64url, many separators"),
        pytest.param("GxIMjGOwDZBXmIAUXMnUmVcmSsGeYjXMJbu_mzZT", id="base64url without digits"),
        pytest.param("UeuHoqQXqWAayx-PJwpEyQ", id="base64url without digits, 22 characters"),
        pytest.param("dGhpcyBpcyBhIHNlY3JldCB2YWx1ZTE=", id="base64"),
        pytest.param("V1StGXR8Z5jdHi6BmyTq", id="mixed case, 20 characters"),
        pytest.param("AKIA2OSFODNN7EXAMPLE", id="access key"),
        pytest.param("sk_live_4eC39HqLyjWDarjtT1zdp7dc", id="key after words"),
        pytest.param("ghp_16C7e42F292c6912E7710c838347Ae178B4a", id="key after a word"),
        pytest.param("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0", id="jwt"),
        pytest.param("a3f29-9c1bf-77de0-0123a-abcde-89abc", id="key in groups"),
        pytest.param("A3F29-KLMNO-77DEX-PQRST-89ABC", id="product key"),
        pytest.param("visa-4111-1111-1111-1111-card", id="card in groups after a word"),
        pytest.param("xkcdqwrtzp-bcdfg-cordless-18v", id="no word has so few vowels"),
    ],
)
def test_what_looks_random_is_a_secret(value: str) -> None:
    assert is_secret_value(value)


@given(st.binary(min_size=16, max_size=48).filter(lambda octets: len(set(octets)) > 12))
def test_octets_in_hex_are_a_secret_also_after_words(octets: bytes) -> None:
    value = f"reset-your-password-{octets.hex()}"
    assert is_secret_value(value)


def test_each_value_of_a_file_has_one_placeholder_of_its_own() -> None:
    placeholders = Placeholders()
    one, other = "9f86d081884c7d659a2feaa0c55ad015", "60303ae22b998861bce3b28f33eec1be"
    texts = [
        stripped_target(f"/reset/{value}?token={token}", placeholders).text
        for value, token in ((one, "a"), (other, "a"), (one, "b"))
    ]
    assert texts == [
        "/reset/${PATH_TOKEN}?token=${QUERY_TOKEN}",
        "/reset/${PATH_TOKEN_2}?token=${QUERY_TOKEN}",
        "/reset/${PATH_TOKEN}?token=${QUERY_TOKEN_2}",
    ]


def test_a_numbered_placeholder_does_not_meet_a_name_with_a_number() -> None:
    stripped = stripped_target("/a?token_2=a&token=b&token=c", Placeholders())
    assert stripped.needs == ("QUERY_TOKEN_2", "QUERY_TOKEN", "QUERY_TOKEN_3")


@pytest.mark.parametrize(
    ("target", "text", "needs"),
    [
        ("/product/red-drill?page=2", "/product/red-drill?page=2", ()),
        ("/a?token=abc&page=1", "/a?token=${QUERY_TOKEN}&page=1", ("QUERY_TOKEN",)),
        (
            "/a?token=1&token=2",
            "/a?token=${QUERY_TOKEN}&token=${QUERY_TOKEN_2}",
            ("QUERY_TOKEN", "QUERY_TOKEN_2"),
        ),
        ("/a?token=1&token=1", "/a?token=${QUERY_TOKEN}&token=${QUERY_TOKEN}", ("QUERY_TOKEN",)),
        ("/a?csrf%5Ftoken=1", "/a?csrf%5Ftoken=${QUERY_CSRF_TOKEN}", ("QUERY_CSRF_TOKEN",)),
        ("/a?token=", "/a?token=", ()),
        ("/a?x=ada%40example.com", "/a?x=${QUERY_X}", ("QUERY_X",)),
        ("/reset/9f86d081884c7d659a2feaa0c55ad015", "/reset/${PATH_TOKEN}", ("PATH_TOKEN",)),
        ("/u/ada@example.com", "/u/${PATH_TOKEN}", ("PATH_TOKEN",)),
        ("/o/123e4567-e89b-12d3-a456-426614174000", "/o/123e4567-e89b-12d3-a456-426614174000", ()),
        ("/p/a-very-long-name-of-a-product-page", "/p/a-very-long-name-of-a-product-page", ()),
        ("/a?", "/a?", ()),
        ("/a/${x}?b=${y}", "/a/$${x}?b=$${y}", ()),
    ],
)
def test_secrets_of_a_target_become_placeholders(
    target: str, text: str, needs: tuple[str, ...]
) -> None:
    stripped = stripped_target(target, Placeholders())
    assert stripped.text == text
    assert stripped.needs == needs


@given(st.text(alphabet="ab/?&=%$.{}1@", max_size=40))
def test_a_target_without_secrets_comes_back_as_it_was(rest: str) -> None:
    stripped = stripped_target(f"/{rest}", Placeholders())
    if not stripped.needs:
        assert fill(stripped.text, {}) == f"/{rest}"
