"""Sign-ins under way and sessions, in our database. Browsers get random tokens; the database holds their SHA-256 only."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg

from gateway.citizen.idtoken import Identity
from gateway.core.errors import BearerRejected
from gateway.core.subjects.kinds import Person
from gateway.pages.cookies import token_hash
from gateway.pages.signin import SIGN_IN_TIME, SignIn, csrf_of

_NEW_LOGIN = """
INSERT INTO citizen_login (state_hash, browser_hash, nonce, verifier, language, made) VALUES ($1, $2, $3, $4, $5, $6)
"""
_TAKE_LOGIN = """
DELETE FROM citizen_login WHERE state_hash = $1 AND browser_hash = $2 AND made > $3 RETURNING nonce, verifier, language
"""
_NEW_SESSION = """
INSERT INTO citizen_session (token_hash, person_kind, person, name, started, seen) VALUES ($1, $2, $3, $4, $5, $5)
"""
_SEEN = """
UPDATE citizen_session SET seen = $2 WHERE token_hash = $1 AND seen > $3 AND started > $4
RETURNING person_kind, person, name, acting_kind, acting_person, acting_name, acting_evidence
"""
_ACT = """
UPDATE citizen_session SET acting_kind = $2, acting_person = $3, acting_name = $4, acting_evidence = $5 WHERE token_hash = $1
"""


@dataclass(frozen=True, slots=True)
class Acting:
    """For whom somebody reads; `evidence`: the exchange that showed the relation."""

    person: Person
    name: str = field(repr=False)
    evidence: str


@dataclass(frozen=True, slots=True)
class Session:
    """`token`: what the browser holds."""

    token: str = field(repr=False)
    identity: Identity
    acting: Acting | None = None

    @property
    def subject(self) -> Person:
        """Whose ledger is read."""
        return self.identity.person if self.acting is None else self.acting.person

    @property
    def csrf(self) -> str:
        return csrf_of(self.token, "citizen")


class Sessions:
    """DATABASE_ERRORS pass through. `idle`: without a request; `longest`: at all."""

    def __init__(self, pool: asyncpg.Pool, idle: timedelta, longest: timedelta) -> None:
        self._pool = pool
        self._idle = idle
        self._longest = longest

    async def begin(self, language: str, now: datetime) -> SignIn:
        made = SignIn.new()
        await self._pool.execute("DELETE FROM citizen_login WHERE made < $1", now - SIGN_IN_TIME)
        await self._pool.execute(
            _NEW_LOGIN, token_hash(made.state), token_hash(made.browser), made.nonce, made.verifier, language, now
        )
        return made

    async def finish(self, state: str, browser: str, now: datetime) -> tuple[SignIn, str]:
        """The sign-in and its language, once. BearerRejected for one that was not begun in this browser, is over, or was used."""
        row = await self._pool.fetchrow(_TAKE_LOGIN, token_hash(state), token_hash(browser), now - SIGN_IN_TIME)
        if row is None:
            raise BearerRejected("no sign-in of this browser is under way")
        return SignIn(state, row["nonce"], row["verifier"], browser), row["language"]

    async def open(self, identity: Identity, now: datetime) -> Session:
        token = secrets.token_urlsafe(32)
        ends = (now - self._idle, now - self._longest)
        await self._pool.execute("DELETE FROM citizen_session WHERE seen < $1 OR started < $2", *ends)
        person = identity.person
        await self._pool.execute(_NEW_SESSION, token_hash(token), person.kind, person.number, identity.name, now)
        return Session(token, identity)

    async def find(self, token: str, now: datetime) -> Session | None:
        """None: unknown, idle for too long, or too old."""
        row = await self._pool.fetchrow(_SEEN, token_hash(token), now, now - self._idle, now - self._longest)
        if row is None:
            return None
        acting = None
        if row["acting_kind"] is not None:
            represented = Person(row["acting_kind"], row["acting_person"])
            acting = Acting(represented, row["acting_name"], row["acting_evidence"])
        return Session(token, Identity(Person(row["person_kind"], row["person"]), row["name"]), acting)

    async def act(self, session: Session, acting: Acting | None) -> None:
        """Read for somebody else from now on; None: for oneself again."""
        values: tuple[str | None, ...] = (None, None, None, None)
        if acting is not None:
            values = (acting.person.kind, acting.person.number, acting.name, acting.evidence)
        await self._pool.execute(_ACT, token_hash(session.token), *values)

    async def close(self, session: Session) -> None:
        await self._pool.execute("DELETE FROM citizen_session WHERE token_hash = $1", token_hash(session.token))
