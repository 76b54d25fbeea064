"""The token desk: which tokens are good now, and every way to change that. Each is in the audit."""

from __future__ import annotations

import asyncio
import secrets
import time
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from proxy.admin import token_file
from proxy.admin.roles import Role
from proxy.admin.token_file import TokenFileError
from proxy.admin.tokens import ID_BYTES, SECRET_BYTES, Standing, Token, TokenError, TokenSet, mint
from proxy.supervision.audit import Actor, Entry
from proxy.supervision.change import Refusal, Refused
from proxy.supervision.journal import Journal

# A file on a disk that hangs, or that somebody else has locked.
DISK_SECONDS = 5.0


class TokenDesk:
    """The tokens of one file. What cannot be read changes nothing: those read before stay."""

    def __init__(self, path: Path, *, journal: Journal, log: FilteringBoundLogger) -> None:
        self.path = path
        self.problem = ""
        self._journal = journal
        self._log = log
        self._tokens = TokenSet()
        # One change at a time, so that none is overtaken by what was read before it.
        self._changing = asyncio.Lock()

    def current(self) -> TokenSet:
        """Every token there is, as the file was last read well."""
        return self._tokens

    def start(self) -> None:
        """Read the file for the first time. Blocks."""
        try:
            self._tokens = token_file.load(self.path)
        except TokenFileError as error:
            self._refuse(str(error))

    async def look(self) -> None:
        """Read the file again, since it has changed; what that changed is written down."""
        async with self._changing:
            before = self._tokens
            try:
                reading = asyncio.to_thread(token_file.load, self.path)
                tokens = await asyncio.wait_for(reading, DISK_SECONDS)
            except TokenFileError as error:
                self._refuse(str(error))
                return
            except TimeoutError:
                self._refuse(f"{self.path}: the disk did not answer")
                return
            self.problem = ""
            if tokens.tokens == before.tokens:
                return
            self._tokens = tokens
            self._log.warning("tokens_changed", path=str(self.path), tokens=_names(tokens))
            await self._write(
                "tokens",
                "tokens",
                Actor(who=str(self.path), via="file"),
                "the file of tokens changed",
                before=_names(before),
                after=_names(tokens),
            )

    async def create(
        self, name: str, role: Role, *, expires: float, actor: Actor, reason: str
    ) -> tuple[Token, str]:
        """Make a token; the text of it is told once, here. Raises Refused."""
        async with self._changing:
            now = time.time()
            random = secrets.token_bytes(ID_BYTES + SECRET_BYTES)
            try:
                token, text = mint(
                    name=name, role=role, random=random, now=now, by=actor.who, expires=expires
                )
                self._tokens.with_token(token, now)
            except TokenError as error:
                raise Refused(Refusal.CONFLICT, str(error)) from None
            scope = f"token:{name}"
            await self._journal.announce("token_create", scope, actor, reason, "none", revision=0)
            self._tokens = await self._change(lambda tokens: tokens.with_token(token, now))
            self._log.warning("token_created", name=name, role=role.value, actor=actor.who)
            after = f"{role.value}, id {token.id}"
            await self._write("token_create", scope, actor, reason, before="none", after=after)
            return token, text

    async def revoke(self, which: str, *, actor: Actor, reason: str) -> Token:
        """End a token, by its id or name, from the next request on. Raises Refused."""
        async with self._changing:
            now = time.time()
            try:
                _, row = self._tokens.without(which, now=now, by=actor.who)
            except TokenError as error:
                raise Refused(Refusal.UNKNOWN, str(error)) from None
            scope, before = f"token:{row.name}", f"{row.role.value}, id {row.id}"
            await self._journal.announce("token_revoke", scope, actor, reason, before, revision=0)
            self._tokens = await self._change(
                lambda tokens: tokens.without(row.id, now=now, by=actor.who)[0]
            )
            self._log.warning("token_revoked", name=row.name, id=row.id, actor=actor.who)
            await self._write("token_revoke", scope, actor, reason, before=before, after="revoked")
            return row

    async def _change(self, edit: token_file.Edit) -> TokenSet:
        changing = asyncio.to_thread(token_file.change, self.path, edit)
        try:
            return await asyncio.wait_for(changing, DISK_SECONDS)
        except TimeoutError:
            raise Refused(
                Refusal.UNAVAILABLE, f"{self.path}: the disk did not answer; look at the file"
            ) from None
        except TokenFileError as error:
            raise Refused(Refusal.UNAVAILABLE, str(error)) from None
        except TokenError as error:
            # Somebody else was quicker, in the file.
            raise Refused(Refusal.CONFLICT, str(error)) from None

    async def _write(
        self, action: str, scope: str, actor: Actor, reason: str, *, before: str, after: str
    ) -> None:
        await self._journal.write_down(
            Entry(
                phase="done",
                action=action,
                scope=scope,
                actor=actor,
                reason=reason,
                before=before,
                after=after,
                revision=0,
                outcome="applied",
            )
        )

    def _refuse(self, problem: str) -> None:
        # The same mistake is told once, not at every look.
        if problem != self.problem:
            self._log.error("tokens_refused", error=problem)
        self.problem = problem


def _names(tokens: TokenSet) -> str:
    now = time.time()
    good = [token for token in tokens.tokens if token.standing(now) is Standing.GOOD]
    return ", ".join(f"{token.name} {token.role.value} {token.id}" for token in good) or "none"
