"""Sign-ins under way and sessions. Browsers get random tokens; the database holds their SHA-256 only."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from adapters.sdk import Pool
from adapters.sdk.identity import SignInRefused
from gateway.pages.cookies import token_hash
from gateway.pages.signin import SIGN_IN_TIME, SignIn, csrf_of
from gateway.pages.words import Language

Kind = Literal["officer", "person"]
OPERATOR, VIEWER = "dossier-operator", "dossier-viewer"
IDLE, LONGEST = timedelta(minutes=30), timedelta(hours=8)

_BEGIN = """
    insert into lienthong.login (state_hash, browser_hash, nonce, verifier, language, kind, question, made)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_FINISH = """
    delete from lienthong.login where state_hash = $1 and browser_hash = $2 and made > $3
    returning nonce, verifier, language, kind, question
"""
_OPEN = """
    insert into lienthong.session (token_hash, kind, code, role, words, started, seen) values ($1, $2, $3, $4, $5, $6, $6)
"""
_FIND = """
    update lienthong.session set seen = $2 where token_hash = $1 and seen > $3 and started > $4
    returning kind, code, role, words
"""


@dataclass(frozen=True, slots=True)
class Begun:
    """`question`: the one that is answered with it."""

    sign_in: SignIn
    language: Language = "vi"
    kind: Kind = "person"
    question: UUID | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """`code`: of an officer, or a person's number; `words`: the office, or the person's name."""

    token: str = field(repr=False)
    kind: Kind
    code: str = field(repr=False)
    role: str
    words: str = field(repr=False)

    @property
    def csrf(self) -> str:
        return csrf_of(self.token, "lienthong")

    @property
    def may_act(self) -> bool:
        return self.role == OPERATOR


class Sessions:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin(self, language: Language, kind: Kind, now: datetime, question: UUID | None = None) -> SignIn:
        begun = SignIn.new()
        await self._pool.execute("delete from lienthong.login where made < $1", now - SIGN_IN_TIME)
        secret = (token_hash(begun.state), token_hash(begun.browser), begun.nonce, begun.verifier)
        await self._pool.execute(_BEGIN, *secret, language, kind, question, now)
        return begun

    async def finish(self, state: str, browser: str, now: datetime) -> Begun:
        """Once. SignInRefused for one that was not begun in this browser, is over, or was used."""
        row = await self._pool.fetchrow(_FINISH, token_hash(state), token_hash(browser), now - SIGN_IN_TIME)
        if row is None:
            raise SignInRefused
        question = None if row["question"] is None else UUID(str(row["question"]))
        sign_in = SignIn(state, row["nonce"], row["verifier"], browser)
        return Begun(sign_in, row["language"], row["kind"], question)

    async def open(self, kind: Kind, claims: Mapping[str, Any], now: datetime) -> Session:
        """SignInRefused for an officer without a role of ours, or a person without a number."""
        if kind == "officer":
            code, role, words = (claims.get(name) for name in ("officer", "role", "office"))
            if role not in (OPERATOR, VIEWER):
                raise SignInRefused
        else:
            code, role, words = claims.get("personal_number"), "person", claims.get("name")
        if not isinstance(code, str) or not isinstance(role, str) or not isinstance(words, str):
            raise SignInRefused
        session = Session(secrets.token_urlsafe(32), kind, code, role, words)
        await self._pool.execute(
            "delete from lienthong.session where seen < $1 or started < $2", now - IDLE, now - LONGEST
        )
        await self._pool.execute(_OPEN, token_hash(session.token), kind, code, role, words, now)
        return session

    async def find(self, token: str, now: datetime) -> Session | None:
        """None: unknown, idle for too long, or too old."""
        row = await self._pool.fetchrow(_FIND, token_hash(token), now, now - IDLE, now - LONGEST)
        return None if row is None else Session(token, row["kind"], row["code"], row["role"], row["words"])

    async def close(self, session: Session) -> None:
        await self._pool.execute("delete from lienthong.session where token_hash = $1", token_hash(session.token))
