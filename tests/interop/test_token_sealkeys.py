"""Key-encryption keys on a PKCS#11 token: the same envelopes as from a file, a lost device told apart from a wrong envelope."""

from __future__ import annotations

import os
from datetime import date
from functools import cache
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.app.sources import key_source
from gateway.core.errors import EvidenceUnavailable, KeyTokenError, MalformedMessage, SettingsError
from gateway.core.sealing.envelope import seal, unseal
from gateway.messagelog.keyadmin import KeyAdministration, Selection
from gateway.messagelog.keysource import KeySource, check_keys
from gateway.messagelog.sealing import Seal
from gateway.settings.common import SecretReference
from gateway.signer.tokens import cryptoki as room
from gateway.signer.tokens.sealkeys import TokenSealKey
from gateway.storage.database import Database
from tests.support.sealing import OLD
from tests.support.softhsm import PIN, SoftHsm, softhsm

VALUE = bytes(range(32))
DAY, MEMBER = date(2026, 11, 24), "VN/GOV/G22"
NONCE, PLACE = bytes(12), b"place"


pytestmark = pytest.mark.interop


@cache
def _uri() -> str:
    return softhsm().keep_secret("log-key", VALUE)


@pytest.fixture
def hsm(monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    monkeypatch.setattr(room, "_LOOK_AGAIN_AFTER", 0.0)
    return softhsm()


@pytest.fixture
def uri(hsm: SoftHsm) -> str:
    return _uri()


class Words:
    """The operator's secret, which changes while the program runs, and the PIN, in files."""

    def __init__(self, folder: Path, pin: str = PIN) -> None:
        self._file = folder / "log.keys"
        (folder / "pin").write_text(pin)
        self._pin = SecretReference("file", str(folder / "pin"))

    def say(self, *words: str) -> None:
        self._file.write_text("\n".join(words))

    def source(self, *words: str) -> KeySource:
        self.say(*words)
        return key_source(SecretReference("file", str(self._file)), self._pin)


def test_the_envelopes_are_those_of_a_key_in_a_file(uri: str) -> None:
    token, file = TokenSealKey(uri, PIN), AESGCM(VALUE)
    assert seal(token, b"x" * 32, PLACE, NONCE) == seal(file, b"x" * 32, PLACE, NONCE)
    assert unseal(token, seal(file, b"", PLACE, NONCE), PLACE) == b""


@pytest.mark.parametrize("at", [0, 20, -1])
def test_an_altered_envelope_is_refused_and_the_token_goes_on(uri: str, at: int) -> None:
    token = TokenSealKey(uri, PIN)
    sealed = bytearray(token.encrypt(NONCE, b"x" * 32, PLACE))
    sealed[at] ^= 1
    with pytest.raises(InvalidTag):
        token.decrypt(NONCE, bytes(sealed), PLACE)
    with pytest.raises(MalformedMessage):
        unseal(token, seal(token, b"x", PLACE, NONCE), b"another place")
    assert token.decrypt(NONCE, token.encrypt(NONCE, b"y", PLACE), PLACE) == b"y"


@pytest.mark.parametrize(
    ("pin", "name", "why"),
    [("9999", "log-key", "does not take the PIN"), (PIN, "no-such-key", "0 objects of this name, not one")],
)
def test_what_is_wrong_is_said(hsm: SoftHsm, uri: str, pin: str, name: str, why: str) -> None:
    token = room.library(hsm.library)
    token.call(token.start_again)  # without the login of other tests
    with pytest.raises(KeyTokenError, match=why):
        TokenSealKey(hsm.uri(name), pin).encrypt(NONCE, b"", PLACE)


@pytest.mark.parametrize("bad", ["pkcs11:", "pkcs11:object=x", "pkcs11:token=a;object=b?module-path=/x&pin-value=1234"])
def test_a_word_that_is_no_uri_is_refused_without_repeating_it(tmp_path: Path, bad: str) -> None:
    with pytest.raises(SettingsError) as e:
        Words(tmp_path).source(f"k1:{bad}")
    assert "1234" not in str(e.value)


async def test_rotation_from_a_file_to_a_token(database: Database, tmp_path: Path, uri: str) -> None:
    """While a server runs: it takes the key on the token for the next data key; then the one in the file can go."""
    words = Words(tmp_path)
    source = words.source(OLD)
    seal_of = Seal(database.pool, source)
    first = await seal_of.key(DAY, MEMBER)
    words.say(f"hsm:{uri}", OLD)
    await seal_of.key(DAY, "VN/GOV/G01")
    administration = KeyAdministration(database, lambda: pytest.fail("nobody asks for the time"))
    assert [key.kek for key in await administration.listed(Selection(member="VN/GOV/G01"))] == ["hsm"]
    assert await administration.rewrap(source) == 1
    alone = words.source(f"hsm:{uri}")
    await check_keys(database.pool, alone)
    again = await Seal(database.pool, alone).key(DAY, MEMBER)
    sealed = seal(first.cipher, b"message", PLACE, NONCE)
    assert (again.id, unseal(again.cipher, sealed, PLACE)) == (first.id, b"message")


async def test_a_token_that_is_away_and_comes_back(tmp_path: Path, hsm: SoftHsm, uri: str) -> None:
    source = Words(tmp_path).source(f"hsm:{uri}")
    wrapped = await source.wrap(os.urandom(32), UUID(int=5), DAY, MEMBER)
    hsm.tokens.rename(away := hsm.folder / "away")
    try:
        with pytest.raises(EvidenceUnavailable, match="does not answer"):
            await source.open(wrapped)
        with pytest.raises(EvidenceUnavailable, match="does not answer"):
            await source.wrap(bytes(32), UUID(int=6), DAY, MEMBER)
    finally:
        away.rename(hsm.tokens)
    assert (await source.open(wrapped)).id == UUID(int=5)
