"""Keys on a PKCS#11 token: SoftHSM is the outside judge of our use of the interface."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.errors import KeyTokenError
from gateway.core.signing.algorithms import verify
from gateway.core.signing.xadesform import SIGNED_INFO_APEX
from gateway.signer.signer import LocalSigner
from gateway.signer.tokens import open_token
from gateway.signer.tokens import pkcs11 as room
from gateway.trust.authority import Identity
from tests.support.softhsm import PIN, SoftHsm, softhsm
from tests.unit.trust.pki import G01, NOW, SHA1, Pki, ocsp_request

pytestmark = pytest.mark.interop


@pytest.fixture
def hsm(monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    monkeypatch.setattr(room, "_LOOK_AGAIN_AFTER", 0.0)
    return softhsm()


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


def _certificate(identity: Identity, folder: Path) -> Path:
    path = folder / "certificate.pem"
    path.write_bytes(identity.certificate.public_bytes(Encoding.PEM))
    return path


def test_a_token_that_was_pulled_says_so_and_works_again_when_it_is_back(
    hsm: SoftHsm, pki: Pki, tmp_path: Path
) -> None:
    identity = pki.sign()
    token = open_token(hsm.keep("pulled", identity), pin=PIN, certificate=_certificate(identity, tmp_path))
    hsm.tokens.rename(away := hsm.folder / "away")
    for _ in range(3):
        with pytest.raises(KeyTokenError) as e:
            token.sign(token.algorithm, b"data")
        assert e.value.code == "token_not_available"
    away.rename(hsm.tokens)
    verify(identity.certificate.public_key(), token.algorithm, token.sign(token.algorithm, b"data"), b"data")


def test_while_it_is_away_it_is_looked_for_once_a_second(
    hsm: SoftHsm, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = pki.sign()
    token = open_token(hsm.keep("looked", identity), pin=PIN, certificate=_certificate(identity, tmp_path))
    generation = token._library.generation  # type: ignore[attr-defined]
    monkeypatch.setattr(room, "_LOOK_AGAIN_AFTER", 3600.0)
    token._library._looked = -3600.0  # type: ignore[attr-defined]
    hsm.tokens.rename(away := hsm.folder / "away")
    try:
        for _ in range(20):
            with pytest.raises(KeyTokenError):
                token.sign(token.algorithm, b"data")
    finally:
        away.rename(hsm.tokens)
    assert token._library.generation == generation + 1  # type: ignore[attr-defined]
    monkeypatch.setattr(room, "_LOOK_AGAIN_AFTER", 0.0)
    token.sign(token.algorithm, b"data")


def test_a_refused_pin_is_not_tried_again(
    hsm: SoftHsm, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = pki.sign()
    certificate = _certificate(identity, tmp_path)
    token = open_token(hsm.keep("pin", identity), pin=PIN, certificate=certificate)
    opened: list[object] = []
    plain = room._Library.session

    def counting(self: object, *arguments: object) -> object:
        opened.append(1)
        return plain(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(room._Library, "session", counting)
    token._pin = "0000"  # type: ignore[attr-defined]
    token._library.call(token._library.start_again)  # type: ignore[attr-defined]
    for _ in range(3):
        with pytest.raises(KeyTokenError) as e:
            token.sign(token.algorithm, b"data")
        assert e.value.code == "pin_incorrect"
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda uri: uri.replace("object=wrong", "object=nothing"), "key_not_found"),
        (lambda uri: uri.replace("token=gateway-test", "token=elsewhere"), "token_not_available"),
        (lambda uri: uri.replace("libsofthsm2.so", "libabsent.so"), "token_not_found"),
    ],
    ids=["key", "token", "library"],
)
def test_what_is_not_there_is_named(hsm: SoftHsm, pki: Pki, tmp_path: Path, change: object, code: str) -> None:
    identity = pki.sign()
    uri = hsm.keep(f"wrong{code}", identity).replace(f"object=wrong{code}", "object=wrong")
    with pytest.raises(KeyTokenError) as e:
        open_token(change(uri), pin=PIN, certificate=_certificate(identity, tmp_path))  # type: ignore[operator]
    assert e.value.code == code


def test_a_certificate_of_another_key_is_noticed_at_once(hsm: SoftHsm, pki: Pki, tmp_path: Path) -> None:
    uri = hsm.keep("other", pki.sign())
    with pytest.raises(KeyTokenError, match="does not belong"):
        open_token(uri, pin=PIN, certificate=_certificate(pki.sign(), tmp_path))


async def test_a_thousand_signatures_at_once(hsm: SoftHsm, pki: Pki, tmp_path: Path) -> None:
    """With the token pulled and put back in the middle: each call has a good signature or a clear error, and none is stuck."""
    identity = pki.sign()
    token = open_token(hsm.keep("many", identity), pin=PIN, certificate=_certificate(identity, tmp_path))
    answer = pki.responder.answer(ocsp_request(identity.certificate, pki.root.certificate, SHA1), NOW)
    signer = LocalSigner([token], pki.trust_of, _Good(answer))
    credential = signer.credential(G01, NOW)

    async def one(number: int) -> str:
        info = SIGNED_INFO_APEX + b"%d</ds:SignedInfo>" % number
        if number == 400:
            hsm.tokens.rename(hsm.folder / "away")
        if number == 600:
            (hsm.folder / "away").rename(hsm.tokens)
        try:
            value = await signer.sign(credential, info)
        except KeyTokenError as e:
            return e.code
        verify(identity.certificate.public_key(), credential.algorithm, value, info)
        return "signed"

    async with asyncio.timeout(60):
        first = [await one(n) for n in range(400)]
        outcomes = await asyncio.gather(*(one(n) for n in range(400, 1400)))
    assert set(first) == {"signed"}
    assert set(outcomes) <= {"signed", "token_not_available"}
    assert outcomes[-300:].count("signed") == 300


class _Good:
    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def get(self, _: object) -> bytes:
        return self._answer
