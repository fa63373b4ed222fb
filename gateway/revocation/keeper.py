"""Keeps what is known of revocations current.

  lists     fetched at the start and every `refresh`; the last one that verified stays, and is on disk for the next start
  answers   asked for when somebody first showed a certificate, then every `refresh` for as long as it is shown now and then; the
            last one is on disk for the next start, and with it whom to go on asking about

A refresh that fails changes nothing: what is known stays, and grows too old by itself. An older list never replaces a newer one.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
from cryptography import x509

from gateway.core.documents.revocation import (
    KnownRevocations,
    Link,
    RevocationList,
    Source,
    StatusAnswer,
    issuers_of,
    read_answer,
    read_list,
)
from gateway.core.errors import GatewayError
from gateway.core.signing.certificates import sha256_hex
from gateway.exchange.ports import Clock
from gateway.revocation.fetching import fetch_answer, fetch_list, open_session
from gateway.revocation.kept import KeptAnswer, KeptAnswers
from gateway.revocation.sources import PublishedRevocations

_LONGEST_SLEEP = 5.0  # seconds; the wall clock may be set meanwhile
_RETRY = timedelta(seconds=30)
_MOST_SIGNERS = 20_000
_FORGET = timedelta(days=7)

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Signer:
    """A certificate that somebody showed. `due`: when it is asked about next."""

    link: Link
    shown: datetime
    due: datetime


class RevocationKeeper:
    """`directory`: made when missing. `session`: for one round of fetching."""

    def __init__(
        self,
        published: Sequence[PublishedRevocations],
        clock: Clock,
        directory: Path,
        session: Callable[[], aiohttp.ClientSession] = open_session,
    ) -> None:
        self._published = tuple(published)
        self._clock = clock
        self._directory = directory
        self._session = session
        self._known = KnownRevocations()
        self._lists: dict[tuple[int, str], RevocationList] = {}
        self._due: dict[tuple[int, str], datetime] = {}
        self._signers: dict[str, _Signer] = {}
        self._kept = KeptAnswers(directory)
        self._wanted = asyncio.Event()
        self.problems: dict[str, str] = {}
        """By URL, why the last look there brought nothing, in words."""

    def current(self) -> KnownRevocations:
        """`Revocations.current`."""
        return self._known

    def want(self, links: Sequence[Link]) -> None:
        """`Revocations.want`. Only certificates of which a source gives answers one by one."""
        if not self._asks():
            return
        now = self._clock()
        for link in links:
            known = self._signers.get(name := sha256_hex(link[0]))
            if known is not None:
                known.shown = now
            elif len(self._signers) < _MOST_SIGNERS:  # beyond that it stays unknown until others are forgotten
                self._signers[name] = _Signer(link, now, now)
        self._wanted.set()

    async def start(self) -> None:
        """What is on disk, and one round of fetching lists. What fails, and asking anew about the signers of before, is left to
        `run`: no start waits for a responder that is away."""
        if not self._published:
            return
        await asyncio.to_thread(self._recall)
        await self.refresh()
        await asyncio.to_thread(self._recall_answers)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._wanted.clear()
            try:
                async with asyncio.timeout(_LONGEST_SLEEP):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            await self.refresh()

    async def refresh(self) -> None:
        """Fetch what is due."""
        now = self._clock()
        await self._forget(now)
        signers = [s for s in self._signers.values() if s.due <= now]
        lists = [
            (n, url)
            for n, p in enumerate(self._published)
            if p.source is Source.CRL
            for url in p.urls
            if self._due.get((n, url), now) <= now
        ]
        if not signers and not lists:
            return
        async with self._session() as session:
            for key in lists:
                await self._look(session, key, now)
            for signer in signers:
                await self._ask(session, signer, now)

    # --- lists -------------------------------------------------------------------------------------------------------------

    async def _look(self, session: aiohttp.ClientSession, key: tuple[int, str], now: datetime) -> None:
        number, url = key
        try:
            data = await fetch_list(session, url)
            if await asyncio.to_thread(self._accept, key, data):
                await asyncio.to_thread(self._keep, url, data)
            self.problems.pop(url, None)
            self._due[key] = now + self._published[number].refresh
        except (GatewayError, OSError) as e:
            self._failed(url, e)
            self._due[key] = now + min(_RETRY, self._published[number].refresh)

    def _accept(self, key: tuple[int, str], data: bytes) -> bool:
        """Take a list into use; False when the one in hand is as new. GatewayError when it does not verify."""
        found = read_list(data, issuers_of(self._published[key[0]].trust))
        have = self._lists.get(key)
        if have is not None and found.this_update <= have.this_update:
            return False
        self._lists[key] = found
        self._known = replace(self._known, lists=tuple(self._lists.values()))
        return True

    def _keep(self, url: str, data: bytes) -> None:
        """For the next start. If we crash here the old file stands: it is verified again when it is read."""
        self._directory.mkdir(parents=True, exist_ok=True)
        new = self._file(url).with_suffix(".new")
        new.write_bytes(data)
        os.replace(new, self._file(url))

    def _recall(self) -> None:
        for number, published in enumerate(self._published):
            for url in published.urls if published.source is Source.CRL else ():
                try:
                    self._accept((number, url), self._file(url).read_bytes())
                except FileNotFoundError:
                    pass
                except (GatewayError, OSError) as e:
                    self._failed(url, e)

    def _file(self, url: str) -> Path:
        return self._directory / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.crl"

    # --- answers -----------------------------------------------------------------------------------------------------------

    def _asks(self) -> bool:
        return any(published.source is Source.OCSP for published in self._published)

    def _responders_of(self, issuer: x509.Certificate) -> Sequence[PublishedRevocations]:
        return [p for p in self._published if p.source is Source.OCSP and issuer in issuers_of(p.trust)]

    async def _ask(self, session: aiohttp.ClientSession, signer: _Signer, now: datetime) -> None:
        """The first source whose trust list the certificate belongs to, the first responder that gives a good answer."""
        signer.due = now + _RETRY
        for published in self._responders_of(signer.link[1]):
            for url in published.urls:
                if await self._answered(session, url, published, signer, now):
                    signer.due = now + published.refresh
                    return

    async def _answered(
        self, session: aiohttp.ClientSession, url: str, published: PublishedRevocations, signer: _Signer, now: datetime
    ) -> bool:
        certificate, issuer = signer.link
        try:
            response = await fetch_answer(session, url, certificate, issuer)
            said = read_answer(response, certificate, published.trust, published.freshest, now)
        except GatewayError as e:
            self._failed(url, e)
            return False
        self.problems.pop(url, None)
        self._learnt({sha256_hex(certificate): said})
        try:
            await asyncio.to_thread(self._kept.keep, KeptAnswer(signer.link, now, signer.shown, response))
        except OSError as e:  # it counts, and the next start asks
            self._failed(url, e)
        return True

    def _learnt(self, answers: Mapping[str, StatusAnswer]) -> None:
        self._known = replace(self._known, answers={**self._known.answers, **answers})

    def _recall_answers(self) -> None:
        """As they were when they came: whether one is fresh is judged with each document (`RevocationRule`)."""
        now, found = self._clock(), dict[str, StatusAnswer]()
        for kept in self._kept.recall() if self._asks() else ():
            name = sha256_hex(kept.link[0])
            published = self._responders_of(kept.link[1])
            if not published or kept.shown < now - _FORGET or len(self._signers) >= _MOST_SIGNERS:
                self._kept.forget(name)
                continue
            due, of = now, published[0]
            with suppress(GatewayError):  # it does not verify any more: nothing is known, and asked about at once
                if kept.came <= now:
                    found[name] = read_answer(kept.response, kept.link[0], of.trust, of.freshest, kept.came)
                    due = max(now, kept.came + of.refresh)
            self._signers.setdefault(name, _Signer(kept.link, min(kept.shown, now), due))
        self._learnt(found)

    async def _forget(self, now: datetime) -> None:
        """Signers whom nobody has seen for a while, and what was said of them; who was revoked stays so until then as well."""
        old = [name for name, signer in self._signers.items() if signer.shown < now - _FORGET]
        for name in old:
            del self._signers[name]
        if old:
            answers = {name: said for name, said in self._known.answers.items() if name in self._signers}
            self._known = replace(self._known, answers=answers)
            for name in old:
                await asyncio.to_thread(self._kept.forget, name)

    def _failed(self, url: str, error: Exception) -> None:
        words = error.safe_detail if isinstance(error, GatewayError) else type(error).__name__
        if self.problems.get(url) != words:
            _log.warning("revocations: %s: %s", url, words)
        self.problems[url] = words
