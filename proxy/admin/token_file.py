"""The file of tokens: hashes only, one for a figway or shared by a fleet, written whole."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from flags.whole_file import write_whole
from proxy.admin.roles import Role
from proxy.admin.tokens import Token, TokenError, TokenSet
from proxy.settings import MIB

_MAX_BYTES = 1 * MIB

# What is made of the tokens there are. May raise, and then nothing is written.
Edit = Callable[[TokenSet], TokenSet]

_Hex64 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
_Id = Annotated[str, StringConstraints(pattern="^[0-9a-f]{10}$")]
_Time = Annotated[float, Field(ge=0, le=1e11)]


class TokenFileError(Exception):
    """The file cannot be read or written; the message says which, why and what to do."""


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: _Id
    name: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    role: Role
    sha256: _Hex64
    created: _Time
    created_by: str = ""
    expires: _Time = 0.0
    revoked: _Time = 0.0
    revoked_by: str = ""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: Literal[1]
    tokens: list[_Row]


def load(path: Path) -> TokenSet:
    """Read it; a file that is not there has no tokens. Raises TokenFileError."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & stat.S_IWOTH:
                raise TokenFileError(
                    f"{path}: anybody may write it, and so make tokens: `chmod o-w {path}`"
                )
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return TokenSet()
    except OSError as error:
        raise TokenFileError(f"{path}: cannot be read ({error.strerror or error})") from None
    if len(content) > _MAX_BYTES:
        raise TokenFileError(f"{path}: is over {_MAX_BYTES} bytes and so no file of tokens")
    try:
        rows = _File.model_validate_json(content).tokens
        return TokenSet(tuple(Token(**row.model_dump()) for row in rows))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise TokenFileError(
            f"{path}: {where}: {first['msg']}; mend it, or put back what was there before"
        ) from None
    except TokenError as error:
        raise TokenFileError(f"{path}: {error}") from None


def change(path: Path, edit: Edit) -> TokenSet:
    """Read, edit and write under a lock; what it holds then.

    Raises TokenFileError, and what `edit` raises; then nothing was written.
    """
    try:
        with _locked(path):
            tokens = edit(load(path))
            rows = [asdict(token) for token in tokens.tokens]
            text = json.dumps({"version": 1, "tokens": rows}, indent=2).encode() + b"\n"
            write_whole(path, text, mode=0o600 if not path.exists() else None)
            return tokens
    except OSError as error:
        raise TokenFileError(
            f"{path}: cannot be written ({error.strerror or error}): make the token where the file"
            " is kept, with `figway token --file FILE`, and bring the file here"
        ) from None


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = path.resolve().with_name(f".{path.name}.lock")
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
