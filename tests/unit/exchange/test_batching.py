"""Messages that wait for one key share its next signature, and each of them verifies alone."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.core.digest import Digest, sha512
from gateway.core.errors import KeyTokenError
from gateway.core.signing.algorithms import default_algorithm, sign
from gateway.core.signing.verify import MessageDigests, SignerVerdicts, verify_message
from gateway.core.signing.xades import SigningCredential
from gateway.exchange.batching import SignedDraft, SigningBatches
from gateway.trust.authority import Identity
from tests.unit.trust.pki import G01, NOW, SHA1, Pki, ocsp_request


class Token:
    """A signer with one slow key: it signs when it is let."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.signed = 0
        self.free = asyncio.Event()
        self.failures: list[Exception] = []

    async def sign(self, credential: SigningCredential, signed_info: bytes) -> bytes:
        await self.free.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.signed += 1
        return sign(self.identity.key, credential.algorithm, signed_info)

    def credential(self, *_: object) -> SigningCredential:
        raise AssertionError("credentials are the caller's business here")


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


@pytest.fixture
def token(pki: Pki) -> Token:
    return Token(pki.sign())


@pytest.fixture
def credential(pki: Pki, token: Token) -> SigningCredential:
    certificate = token.identity.certificate
    answer = pki.responder.answer(ocsp_request(certificate, pki.root.certificate, SHA1), NOW)
    return SigningCredential(G01, certificate, default_algorithm(certificate.public_key()), (), (answer,), batch=True)


def _message(n: int) -> tuple[Digest, tuple[Digest, ...]]:
    """Every third has no body, every seventh has two parts beside it."""
    bodies = 0 if n % 3 == 0 else 2 if n % 7 == 0 else 1
    return sha512(b"message %d" % n), tuple(sha512(b"body %d of %d" % (b, n)) for b in range(bodies))


async def _settled(turns: int = 5) -> None:
    """So many turns of the event loop: whoever can go on without the token has done so after a few."""
    for _ in range(turns):
        await asyncio.sleep(0)


def _verify(pki: Pki, n: int, signed: SignedDraft) -> None:
    message, attachments = _message(n)
    verify_message(
        MessageDigests(message, attachments),
        signature=signed.draft.complete(signed.value),
        hash_chain_result=signed.draft.hash_chain_result,
        hash_chain=signed.draft.hash_chain,
        signer=G01,
        trust=pki.trust,
        at=NOW,
        verdicts=SignerVerdicts(),
    )


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 21])
async def test_who_waits_is_signed_together_and_each_verifies_alone(
    pki: Pki, token: Token, credential: SigningCredential, count: int
) -> None:
    batches = SigningBatches()
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(batches.sign(*_message(n), credential, NOW, token)) for n in range(count)]
        await asyncio.sleep(0)
        token.free.set()
    for n, task in enumerate(waiting):
        _verify(pki, n, task.result())
    assert token.signed == 1


async def test_who_comes_while_the_key_is_busy_is_signed_next(
    pki: Pki, token: Token, credential: SigningCredential
) -> None:
    batches = SigningBatches()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(batches.sign(*_message(0), credential, NOW, token))
        await _settled()
        later = [group.create_task(batches.sign(*_message(n), credential, NOW, token)) for n in range(1, 6)]
        await _settled()
        token.free.set()
    assert first.result().draft.hash_chain is None
    for n, task in enumerate([first, *later]):
        _verify(pki, n, task.result())
    assert token.signed == 2


async def test_one_batch_is_bounded_and_nobody_is_forgotten(
    token: Token, credential: SigningCredential, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.exchange.batching._MOST", 4)
    batches = SigningBatches()
    asyncio.get_running_loop().call_later(0.01, token.free.set)
    signed = await asyncio.gather(*(batches.sign(*_message(n), credential, NOW, token) for n in range(11)))
    assert len(signed) == 11
    assert token.signed == 3  # four, four and three


async def test_a_failed_signature_is_everybodys_and_the_next_batch_is_not_touched(
    pki: Pki, token: Token, credential: SigningCredential
) -> None:
    batches = SigningBatches()
    token.failures = [KeyTokenError("gone", code="token_not_available")]
    asyncio.get_running_loop().call_later(0.01, token.free.set)
    outcomes = await asyncio.gather(
        *(batches.sign(*_message(n), credential, NOW, token) for n in range(5)), return_exceptions=True
    )
    assert [(type(o), getattr(o, "code", None)) for o in outcomes] == [(KeyTokenError, "token_not_available")] * 5
    assert len({id(o) for o in outcomes}) == 5
    _verify(pki, 1, await batches.sign(*_message(1), credential, NOW, token))


@pytest.mark.parametrize("turns", [0, 1, 5])
@pytest.mark.parametrize("gone", [0, 1, 3])
async def test_one_who_hangs_up_takes_nobody_along(
    pki: Pki, token: Token, credential: SigningCredential, gone: int, turns: int
) -> None:
    """Neither who signs for all, nor one who waits; before the key is asked, or while it signs."""
    batches = SigningBatches()
    tasks: list[asyncio.Task[SignedDraft]] = []
    async with asyncio.TaskGroup() as group:
        for n in range(5):
            tasks.append(group.create_task(batches.sign(*_message(n), credential, NOW, token)))
        await _settled(turns)
        tasks[gone].cancel()
        await asyncio.sleep(0)
        token.free.set()
    assert tasks[gone].cancelled()
    for n, task in enumerate(tasks):
        if n != gone:
            _verify(pki, n, task.result())
    _verify(pki, 1, await batches.sign(*_message(1), credential, NOW, token))


async def test_who_hangs_up_when_it_is_his_turn_to_sign_hands_it_on(
    pki: Pki, token: Token, credential: SigningCredential, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.exchange.batching._MOST", 2)
    batches = SigningBatches()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(batches.sign(*_message(n), credential, NOW, token)) for n in range(6)]
        tasks[0].add_done_callback(lambda _: tasks[2].cancel())  # which leads by now, and has not run yet
        await _settled()
        token.free.set()
    assert [task.cancelled() for task in tasks] == [False, False, True, False, False, False]
    for n in (0, 1, 3, 4, 5):
        _verify(pki, n, tasks[n].result())


async def test_one_whose_signer_breaks_gets_the_error_and_the_others_wait_on(
    pki: Pki, token: Token, credential: SigningCredential
) -> None:
    batches = SigningBatches()
    token.failures = [ZeroDivisionError()]
    token.free.set()
    outcomes = await asyncio.gather(
        *(batches.sign(*_message(n), credential, NOW, token) for n in range(4)), return_exceptions=True
    )
    assert isinstance(outcomes[0], ZeroDivisionError)
    for n, outcome in enumerate(outcomes[1:], 1):
        assert isinstance(outcome, SignedDraft)
        _verify(pki, n, outcome)


async def test_the_latest_moment_and_the_newest_credential_are_used(
    pki: Pki, token: Token, credential: SigningCredential
) -> None:
    later = NOW + timedelta(minutes=5)
    answer = pki.responder.answer(ocsp_request(credential.certificate, pki.root.certificate, SHA1), later)
    newer = replace(credential, ocsp=(answer,))
    batches = SigningBatches()
    async with asyncio.TaskGroup() as group:
        group.create_task(batches.sign(*_message(0), credential, NOW, token))
        await _settled()
        second = group.create_task(batches.sign(*_message(1), credential, NOW, token))
        third = group.create_task(batches.sign(*_message(2), newer, later, token))
        await asyncio.sleep(0)
        token.free.set()
    assert second.result().draft.signed_info == third.result().draft.signed_info
    xml = second.result().draft.complete(second.result().value)
    assert b"T12:05:00.000Z</xades:SigningTime>" in xml
    assert b64encode(answer) in xml
