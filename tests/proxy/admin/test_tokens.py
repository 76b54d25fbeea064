"""Tokens: only hashes are kept, and a token is good until it is revoked or expires."""

from __future__ import annotations

import json
import os
import re
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.admin import token_file
from proxy.admin.roles import Role
from proxy.admin.token_file import TokenFileError
from proxy.admin.tokens import (
    ID_BYTES,
    SECRET_BYTES,
    Standing,
    Token,
    TokenError,
    TokenSet,
    mint,
)

NOW = 1_800_000_000.0


def made(
    name: str = "ann", role: Role = Role.OPERATOR, *, expires: float = 0.0
) -> tuple[Token, str]:
    random = os.urandom(ID_BYTES + SECRET_BYTES)
    return mint(name=name, role=role, random=random, now=NOW, by="root", expires=expires)


def test_a_token_is_found_by_itself_and_by_nothing_else() -> None:
    (ann, text), (bob, _) = made(), made("bob")
    tokens = TokenSet((ann, bob))
    assert re.fullmatch(r"fgw_[0-9a-f]{10}_[0-9a-f]{48}", text)
    assert tokens.find(text, NOW) == (ann, Standing.GOOD)
    for other in ("", "fgw", text[:-1], text + "0", text.upper(), f" {text}", bob.sha256, ann.id):
        assert tokens.find(other, NOW) == (None, Standing.UNKNOWN)
    # The id of one with the secret of another.
    mixed = text.replace(ann.id, bob.id)
    assert tokens.find(mixed, NOW) == (None, Standing.UNKNOWN)


def test_what_is_kept_does_not_tell_the_token() -> None:
    token, text = made()
    assert text.rpartition("_")[2] not in repr(token)


@given(st.text(max_size=80))
def test_no_text_is_taken_for_a_token_and_none_raises(text: str) -> None:
    token, _ = made()
    assert TokenSet((token,)).find(text, NOW) == (None, Standing.UNKNOWN)


def test_an_expired_or_revoked_token_is_known_but_not_good() -> None:
    token, text = made(expires=NOW + 60)
    tokens = TokenSet((token,))
    assert tokens.find(text, NOW + 59.9)[1] is Standing.GOOD
    assert tokens.find(text, NOW + 60)[1] is Standing.EXPIRED
    revoked, row = tokens.without("ann", now=NOW + 5, by="root")
    assert revoked.find(text, NOW + 6)[1] is Standing.REVOKED
    assert (row.revoked, row.revoked_by) == (NOW + 5, "root")


@pytest.mark.parametrize(
    "name", ["", "-x", "a b", "a/b", "a\nb", "x" * 65, "\u00e4nn", "group:ops", "*"]
)
def test_a_name_that_could_be_misread_is_refused(name: str) -> None:
    with pytest.raises(TokenError, match="cannot be the name"):
        made(name)


def test_one_name_has_one_good_token_and_a_revoked_one_makes_room() -> None:
    (first, _), (second, _) = made(), made()
    tokens = TokenSet().with_token(first, NOW)
    with pytest.raises(TokenError, match=r"has a token already .* ann-2"):
        tokens.with_token(second, NOW)
    tokens, _ = tokens.without(first.id, now=NOW, by="root")
    assert tokens.with_token(second, NOW).find("x", NOW)[1] is Standing.UNKNOWN


def test_what_cannot_be_revoked_is_refused_with_the_reason() -> None:
    token, _ = made()
    tokens, _ = TokenSet((token,)).without("ann", now=NOW, by="root")
    with pytest.raises(TokenError, match="is revoked already"):
        tokens.without("ann", now=NOW, by="root")
    with pytest.raises(TokenError, match="is no token's id or name"):
        tokens.without("bob", now=NOW, by="root")


def test_a_token_cannot_expire_in_the_past() -> None:
    with pytest.raises(TokenError, match="in the future"):
        made(expires=NOW)
    with pytest.raises(TokenError, match="within 100 years"):
        made(expires=NOW + 999_999 * 7 * 86_400)


def test_the_file_holds_hashes_only_and_reads_back_the_same(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    assert token_file.load(path).tokens == ()
    token, text = made(expires=NOW + 60)
    written = token_file.change(path, lambda tokens: tokens.with_token(token, NOW))
    assert token_file.load(path).tokens == written.tokens == (token,)
    assert path.stat().st_mode & 0o777 == 0o600
    assert text.rpartition("_")[2] not in path.read_text()


def test_a_refused_change_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    token, _ = made()
    token_file.change(path, lambda tokens: tokens.with_token(token, NOW))
    before = path.read_bytes()
    with pytest.raises(TokenError):
        token_file.change(path, lambda tokens: tokens.with_token(token, NOW))
    assert path.read_bytes() == before


def test_changes_made_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    tokens = [made(f"t{number}")[0] for number in range(12)]

    def add(token: Token) -> None:
        token_file.change(path, lambda there: there.with_token(token, NOW))

    threads = [threading.Thread(target=add, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {token.id for token in token_file.load(path).tokens} == {token.id for token in tokens}


ROW = {"id": "0123456789", "name": "a", "role": "viewer", "sha256": "0" * 64, "created": 1}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param("", "the file", id="empty"),
        pytest.param("not json", "the file", id="no json"),
        pytest.param("[]", "the file", id="a list"),
        pytest.param(json.dumps({"version": 2, "tokens": []}), "version", id="another version"),
        pytest.param(
            json.dumps({"version": 1, "tokens": [ROW | {"role": "root"}]}),
            "tokens.0.role",
            id="role",
        ),
        pytest.param(
            json.dumps({"version": 1, "tokens": [ROW | {"sha256": "00"}]}),
            "tokens.0.sha256",
            id="half a hash",
        ),
        pytest.param(
            json.dumps({"version": 1, "tokens": [ROW | {"expire": 5}]}),
            "tokens.0.expire",
            id="misspelt expiry",
        ),
        pytest.param(json.dumps({"version": 1, "tokens": [ROW, ROW]}), "same id", id="same id"),
        pytest.param(" " * 2**20 + "{}", "is over", id="endless"),
    ],
)
def test_a_file_with_a_mistake_is_refused_with_its_place(
    tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(content)
    with pytest.raises(TokenFileError) as caught:
        token_file.load(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_anybody_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps({"version": 1, "tokens": []}))
    path.chmod(0o666)
    with pytest.raises(TokenFileError, match="chmod o-w"):
        token_file.load(path)


def test_a_place_that_takes_nothing_is_told_with_what_to_do(tmp_path: Path) -> None:
    token, _ = made()
    with pytest.raises(TokenFileError, match="figway token --file"):
        token_file.change(tmp_path / "no" / "tokens.json", lambda t: t.with_token(token, NOW))
