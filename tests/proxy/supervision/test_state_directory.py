"""The state directory: who may open it, who may read it, and what a crash leaves."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from proxy.supervision.state_directory import (
    TOKEN,
    StateDirectory,
    StateDirectoryError,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        state = StateDirectory.open(tmp_path / "deep" / "state")
        state.token()
        state.write("x", b"1")
        state.close()
    finally:
        os.umask(old)
    assert mode(state.path) == 0o700
    assert {mode(path) for path in state.path.iterdir()} == {0o600}


def test_a_second_supervisor_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    first = StateDirectory.open(tmp_path)
    with pytest.raises(StateDirectoryError, match=f"in use by another .*process {os.getpid()}"):
        StateDirectory.open(tmp_path)
    first.close()
    StateDirectory.open(tmp_path).close()


def test_a_path_that_is_a_file_is_refused_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateDirectoryError, match="name a directory that this user may write"):
        StateDirectory.open(tmp_path / "file" / "state")


def test_the_token_is_made_once_and_kept(tmp_path: Path) -> None:
    state = StateDirectory.open(tmp_path)
    token = state.token()
    assert len(token) >= 40
    assert state.token() == token
    assert (tmp_path / TOKEN).read_text() == token + "\n"
    state.close()


@pytest.mark.parametrize("content", [b"", b"short\n", b"\n"])
def test_a_token_that_protects_nothing_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / TOKEN).write_bytes(content)
    state = StateDirectory.open(tmp_path)
    assert len(state.token()) >= 40
    state.close()


def test_a_token_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / TOKEN).write_text("a-token-an-operator-chose\n")
    (tmp_path / TOKEN).chmod(0o644)
    state = StateDirectory.open(tmp_path)
    assert state.token() == "a-token-an-operator-chose"
    assert mode(tmp_path / TOKEN) == 0o600
    state.close()
