"""Sign-ins under way and sessions. Browsers get random tokens; the database holds their SHA-256 only."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from adapters.sdk import Pool
from adapters.sdk.identity import SignInRefused
from gateway.pages.cookies import token_hash
from gateway.pages.signin import SIGN_IN_TIME, SignIn, csrf_of
from gateway.pages.words import Language

IDLE, LONGEST = timedelta(minutes=30), timedelta(hours=8)

_INVENTED = re.compile(r"999[0-9]{9}")
_BEGIN = """
    insert into dvc.login (state_hash, browser_hash, nonce, verifier, language, made) values ($1, $2, $3, $4, $5, $6)
"""
_FINISH = """
    delete from dvc.login where state_hash = $1 and browser_hash = $2 and made > $3 returning nonce, verifier, language
"""
_OPEN = "insert into dvc.session (token_hash, person_id, name, started, seen) values ($1, $2, $3, $4, $4)"
_FIND = """
    update dvc.session set seen = $2 where token_hash = $1 and seen > $3 and started > $4 returning person_id, name
"""


@dataclass(frozen=True, slots=True)
class Session:
    """`person`: the personal number."""

    token: str = field(repr=False)
    person: str = field(repr=False)
    name: str = field(repr=False)

    @property
    def csrf(self) -> str:
        return csrf_of(self.token, "dvc")


class Sessions:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin(self, language: Language, now: datetime) -> SignIn:
        begun = SignIn.new()
        await self._pool.execute("delete from dvc.login where made < $1", now - SIGN_IN_TIME)
        named = (token_hash(begun.state), token_hash(begun.browser), begun.nonce, begun.verifier)
        await self._pool.execute(_BEGIN, *named, language, now)
        return begun

    async def finish(self, state: str, browser: str, now: datetime) -> tuple[SignIn, Language]:
        """With its language, once. SignInRefused for one that was not begun in this browser, is over, or was used."""
        row = await self._pool.fetchrow(_FINISH, token_hash(state), token_hash(browser), now - SIGN_IN_TIME)
        if row is None:
            raise SignInRefused
        return SignIn(state, row["nonce"], row["verifier"], browser), row["language"]

    async def open(self, claims: Mapping[str, Any], now: datetime) -> Session:
        """SignInRefused for somebody without a personal number, such as an officer, and for whoever is not invented."""
        person, name = claims.get("personal_number"), claims.get("name")
        if not isinstance(person, str) or not _INVENTED.fullmatch(person) or not isinstance(name, str):
            raise SignInRefused
        session = Session(secrets.token_urlsafe(32), person, name)
        await self._pool.execute("delete from dvc.session where seen < $1 or started < $2", now - IDLE, now - LONGEST)
        await self._pool.execute(_OPEN, token_hash(session.token), person, name, now)
        return session

    async def find(self, token: str, now: datetime) -> Session | None:
        """None: unknown, idle for too long, or too old."""
        row = await self._pool.fetchrow(_FIND, token_hash(token), now, now - IDLE, now - LONGEST)
        return None if row is None else Session(token, row["person_id"], row["name"])

    async def close(self, session: Session) -> None:
        await self._pool.execute("delete from dvc.session where token_hash = $1", token_hash(session.token))
