"""Keys on a PKCS#11 token: SoftHSM is the outside judge of our use of the interface."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from pkcs11 import Attribute, ObjectClass, PKCS11Error

from gateway.core.errors import KeyTokenError
from gateway.core.signing.algorithms import verify
from gateway.core.signing.requests import KeyType, build_request, parse_request
from gateway.core.signing.xadesform import SIGNED_INFO_APEX
from gateway.settings.pkcs11uri import parse_pkcs11_uri
from gateway.signer.newkeys import new_token_key
from gateway.signer.signer import LocalSigner
from gateway.signer.tokens import cryptoki as room
from gateway.signer.tokens import open_token
from gateway.trust.authority import Identity, Use
from gateway.trust.issuing import issue
from tests.support.softhsm import PIN, SoftHsm, softhsm
from tests.unit.trust.pki import G01, NOW, SHA1, Pki, ocsp_request, sign_subject

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
    generation = token._key._library.generation  # type: ignore[attr-defined]
    monkeypatch.setattr(room, "_LOOK_AGAIN_AFTER", 3600.0)
    token._key._library._looked = -3600.0  # type: ignore[attr-defined]
    hsm.tokens.rename(away := hsm.folder / "away")
    try:
        for _ in range(20):
            with pytest.raises(KeyTokenError):
                token.sign(token.algorithm, b"data")
    finally:
        away.rename(hsm.tokens)
    assert token._key._library.generation == generation + 1  # type: ignore[attr-defined]
    monkeypatch.setattr(room, "_LOOK_AGAIN_AFTER", 0.0)
    token.sign(token.algorithm, b"data")


def test_a_refused_pin_is_not_tried_again(
    hsm: SoftHsm, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = pki.sign()
    certificate = _certificate(identity, tmp_path)
    token = open_token(hsm.keep("pin", identity), pin=PIN, certificate=certificate)
    opened: list[object] = []
    plain = room.Library.session

    def counting(self: object, *arguments: object) -> object:
        opened.append(1)
        return plain(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(room.Library, "session", counting)
    token._key._pin = "0000"  # type: ignore[attr-defined]
    token._key._library.call(token._key._library.start_again)  # type: ignore[attr-defined]
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


@pytest.mark.parametrize("kind", [KeyType.EC_P256, KeyType.EC_P384, KeyType.RSA_2048])
def test_a_key_made_on_the_token_gets_a_certificate_and_signs(
    hsm: SoftHsm, pki: Pki, tmp_path: Path, kind: KeyType
) -> None:
    uri = parse_pkcs11_uri(hsm.uri(f"made-{kind.value}"))
    key = new_token_key(kind, uri, PIN)
    request = parse_request(build_request(sign_subject(), key.public_key, key.sign))
    certificate = issue(pki.authority, request, Use.SIGN, NOW, years=1)
    (tmp_path / "made.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    token = open_token(str(uri), pin=PIN, certificate=tmp_path / "made.pem")
    verify(key.public_key, token.algorithm, token.sign(token.algorithm, b"data"), b"data")
    with pytest.raises(KeyTokenError, match="already"):
        new_token_key(kind, uri, PIN)


def test_a_key_on_the_token_cannot_be_taken_out(hsm: SoftHsm) -> None:
    uri = parse_pkcs11_uri(hsm.uri("kept"))
    new_token_key(KeyType.EC_P256, uri, PIN)
    library = room.library(uri.module)

    def take() -> bytes:
        return bytes(room.find_one(library.session(uri, PIN), uri, ObjectClass.PRIVATE_KEY)[Attribute.VALUE])

    with pytest.raises(PKCS11Error):
        library.call(take)


def test_a_key_is_not_made_without_a_name_or_without_the_token(hsm: SoftHsm) -> None:
    uri = parse_pkcs11_uri(hsm.uri("never"))
    with pytest.raises(KeyTokenError, match="needs a name"):
        new_token_key(KeyType.EC_P256, replace(uri, object=None, id=b"1"), PIN)
    with pytest.raises(KeyTokenError):
        new_token_key(KeyType.EC_P256, replace(uri, token="elsewhere"), PIN)
