"""Asks time-stamping authorities, in the order configured, until one stamps (reference 6.2).

Every URL must be that of an approved authority of the global configuration in force. An answer is believed only after core has
verified it against that authority's certificate, and when its time is not far from ours: a stamp with a wrong time would make
evidence out of an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import aiohttp

from gateway.core.digest import sha512
from gateway.core.errors import EvidenceUnavailable, GatewayError, TimestampRejected
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.signing.timestamp import VerifiedTimestamp, accept_response
from gateway.core.signing.trust import ApprovedTsa
from gateway.core.signing.tsp import MAX_TOKEN, build_query
from gateway.exchange.ports import Clock

_CLOCKS_DIFFER = timedelta(minutes=5)
_HEADERS = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}


@dataclass(frozen=True, slots=True)
class Token:
    """`der`: as it is kept, the authority's certificate inside."""

    der: bytes
    verified: VerifiedTimestamp


class Authorities(Protocol):
    async def stamp(self, stamped: bytes, conf: GlobalConfiguration) -> Token:
        """A verified time-stamp over `stamped`. EvidenceUnavailable (`timestamper_failed`) when no authority gives one; the detail
        says of each why."""


class TimeStampClient:
    """`urls`: in this order; empty means all approved ones, those of the own instance first. `timeout`: seconds for each."""

    def __init__(self, clock: Clock, *, urls: Sequence[str] = (), timeout: float = 20.0) -> None:
        self._clock = clock
        self._urls = tuple(urls)
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=timeout / 2)

    async def stamp(self, stamped: bytes, conf: GlobalConfiguration) -> Token:
        failures: list[str] = []
        query = build_query(sha512(stamped))
        async with aiohttp.ClientSession(timeout=self._timeout, trust_env=False) as session:
            for tsa in self._authorities(conf):
                try:
                    return self._accept(await _ask(session, tsa.url, query), stamped, tsa)
                except GatewayError as e:
                    failures.append(f"{tsa.name}: {e.safe_detail}")
        reasons = (
            "; ".join(failures) or "the global configuration approves no time-stamping authority that is to be asked"
        )
        raise EvidenceUnavailable(f"No time-stamp: {reasons}", code="timestamper_failed")

    def _authorities(self, conf: GlobalConfiguration) -> list[ApprovedTsa]:
        now = self._clock()
        own = conf.shared(conf.own_instance, now).approved_tsas
        approved = [*own, *(tsa for tsa in conf.approved_tsas(now) if tsa not in own)]
        return [t for url in self._urls for t in approved if t.url == url] if self._urls else approved

    def _accept(self, answer: bytes, stamped: bytes, tsa: ApprovedTsa) -> Token:
        token, verified = accept_response(answer, stamped, tsa)
        if abs(verified.time - self._clock()) > _CLOCKS_DIFFER:
            raise TimestampRejected("its time is more than five minutes from ours", code="timestamper_failed")
        return Token(token, verified)


async def _ask(session: aiohttp.ClientSession, url: str, query: bytes) -> bytes:
    try:
        async with session.post(url, data=query, headers=_HEADERS, allow_redirects=False) as response:
            if response.status != 200:
                raise _failed(f"HTTP status {response.status}", "mlog.timestamping_non_ok_response")
            answer = await response.content.read(MAX_TOKEN + 1)
            while len(answer) <= MAX_TOKEN and (more := await response.content.read(MAX_TOKEN + 1)):
                answer += more
            if len(answer) > MAX_TOKEN:
                raise _failed("its answer is oversized", "mlog.timestamping_non_ok_response")
            return answer
    except TimeoutError as e:
        raise _failed("it does not answer in time", "mlog.timestamp_request_timed_out") from e
    except (aiohttp.ClientError, OSError, ValueError) as e:
        raise _failed("it cannot be reached", "network_error") from e


def _failed(what: str, code: str) -> EvidenceUnavailable:
    return EvidenceUnavailable(what, code=code)
