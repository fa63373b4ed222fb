"""Who may sign now, with what, and nothing but SignedInfo (reference 4.1); the authentication key in TLS."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from gateway.core.digest import sha512
from gateway.core.errors import KeyTokenError, TrustOutdated
from gateway.core.identifiers import MemberId
from gateway.core.signing.algorithms import verify
from gateway.core.signing.certificates import der
from gateway.core.signing.trust import CaCertificate, InstanceTrust
from gateway.core.signing.verify import MessageDigests, SignerVerdicts, verify_auth_certificate, verify_message
from gateway.core.signing.xades import draft_signature
from gateway.exchange.ports import Signer
from gateway.signer.authkeys import AuthKey, certificates_to_show
from gateway.signer.signer import LocalSigner
from gateway.signer.tokens.software import SoftwareToken
from gateway.transport.peers import AuthenticationKey
from gateway.trust.authority import Authority, Identity, create_root, named, validity
from tests.unit.trust.pki import G01, NOW, Pki, auth_subject, ocsp_request, rsa_key, sign_subject

G12 = MemberId("VN", "GOV", "G12")


class Answers:
    """OCSP answers as the client would keep them."""

    def __init__(self, pki: Pki) -> None:
        self._pki = pki
        self._known: dict[x509.Certificate, bytes] = {}

    def get(self, certificate: x509.Certificate) -> bytes | None:
        return self._known.get(certificate)

    def fetch(self, certificate: x509.Certificate, now: datetime = NOW) -> bytes:
        answer = self._pki.responder.answer(ocsp_request(certificate, self._pki.root.certificate), now)
        self._known[certificate] = answer
        return answer

    def forget(self, certificate: x509.Certificate) -> None:
        del self._known[certificate]


class World:
    def __init__(self, directory: Path) -> None:
        self.pki = Pki(directory)
        self.ocsp = Answers(self.pki)

    def signer(self, *identities: Identity) -> LocalSigner:
        for identity in identities:
            self.ocsp.fetch(identity.certificate)
        return LocalSigner([SoftwareToken(i.key, i.certificate) for i in identities], self.pki.trust_of, self.ocsp)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_each_member_signs_with_its_own_key(world: World) -> None:
    first, second = world.pki.sign(G01), world.pki.sign(G12)
    signer = world.signer(first, second)
    for member, identity in ((G01, first), (G12, second)):
        credential = signer.credential(member, NOW)
        assert (credential.member, credential.certificate) == (member, identity.certificate)
        assert credential.ocsp == (world.ocsp.get(identity.certificate),)
        assert credential.intermediates == ()


def test_the_credential_stays_the_same_object(world: World) -> None:
    signer = world.signer(world.pki.sign())
    first = signer.credential(G01, NOW)
    assert signer.credential(G01, NOW + timedelta(minutes=20)) is first


def test_a_new_ocsp_answer_makes_a_new_credential(world: World) -> None:
    identity = world.pki.sign()
    signer = world.signer(identity)
    first = signer.credential(G01, NOW)
    newer = world.ocsp.fetch(identity.certificate, NOW + timedelta(minutes=5))
    second = signer.credential(G01, NOW + timedelta(minutes=5))
    assert first.ocsp != second.ocsp == (newer,)


def test_a_new_trust_is_looked_at_again(world: World) -> None:
    signer = world.signer(world.pki.sign())
    first = signer.credential(G01, NOW)
    world.pki.fingerprint = b"trust 2"
    second = signer.credential(G01, NOW)
    assert second is not first
    assert second == first
    world.pki.authentication_only, world.pki.fingerprint = True, b"trust 3"
    with pytest.raises(KeyTokenError, match="approved for authentication only"):
        signer.credential(G01, NOW)


def test_a_member_may_change_its_key(world: World) -> None:
    """The first in the configuration that can sign is taken; when it cannot, the next."""
    old, new = world.pki.sign(), world.pki.sign()
    signer = world.signer(old, new)
    assert signer.credential(G01, NOW).certificate == old.certificate
    world.ocsp.forget(old.certificate)
    assert signer.credential(G01, NOW).certificate == new.certificate


Break = Callable[[World], tuple[LocalSigner, datetime]]


def _unknown_member(w: World) -> tuple[LocalSigner, datetime]:
    return w.signer(w.pki.sign(G12)), NOW


def _no_ocsp(w: World) -> tuple[LocalSigner, datetime]:
    identity = w.pki.sign()
    signer = w.signer(identity)
    w.ocsp.forget(identity.certificate)
    return signer, NOW


def _no_ocsp_any_more(w: World) -> tuple[LocalSigner, datetime]:
    identity = w.pki.sign()
    signer = w.signer(identity)
    signer.credential(G01, NOW)
    w.ocsp.forget(identity.certificate)
    return signer, NOW


def _old_ocsp(w: World) -> tuple[LocalSigner, datetime]:
    signer = w.signer(w.pki.sign())
    signer.credential(G01, NOW)
    return signer, NOW + timedelta(minutes=31)  # nextUpdate is at 30


def _stale_ocsp(w: World) -> tuple[LocalSigner, datetime]:
    signer = w.signer(w.pki.sign())
    signer.credential(G01, NOW)
    w.pki.freshness, w.pki.fingerprint = timedelta(minutes=10), b"stricter"
    return signer, NOW + timedelta(minutes=11)


def _revoked(w: World) -> tuple[LocalSigner, datetime]:
    identity = w.pki.sign()
    signer = w.signer(identity)
    signer.credential(G01, NOW)
    w.pki.index.revoke(identity.certificate, NOW, x509.ReasonFlags.key_compromise)
    w.ocsp.fetch(identity.certificate, NOW + timedelta(seconds=1))
    return signer, NOW + timedelta(seconds=1)


def _expired(w: World) -> tuple[LocalSigner, datetime]:
    return w.signer(w.pki.sign(during=validity(NOW.replace(year=2020), years=1))), NOW


def _ends_in_between(w: World) -> tuple[LocalSigner, datetime]:
    short = replace(w.pki.during, not_after=NOW + timedelta(minutes=5))
    signer = w.signer(w.pki.sign(during=short))
    signer.credential(G01, NOW)
    return signer, NOW + timedelta(minutes=6)


def _not_a_signing_certificate(w: World) -> tuple[LocalSigner, datetime]:
    return w.signer(w.pki.authority.issue_authentication(sign_subject(), w.pki.during)), NOW


def _of_another_ca(w: World) -> tuple[LocalSigner, datetime]:
    other = Authority(create_root(named("Test CA", organisation="Test"), w.pki.during), lambda c: None)
    return w.signer(other.issue_signing(sign_subject(), w.pki.during)), NOW


def _subject_names_nobody(w: World) -> tuple[LocalSigner, datetime]:
    return w.signer(w.pki.authority.issue_signing(auth_subject(), w.pki.during)), NOW


CANNOT: dict[str, tuple[Break, str]] = {
    "unknown member": (_unknown_member, "Cannot sign for 'VN/GOV/G01': no signing certificate of this member"),
    "no OCSP answer": (_no_ocsp, "no fresh OCSP answer"),
    "no OCSP answer any more": (_no_ocsp_any_more, "no fresh OCSP answer"),
    "OCSP answer past nextUpdate": (_old_ocsp, "out of date"),
    "OCSP answer too old": (_stale_ocsp, "too old"),
    "revoked": (_revoked, "OCSP says the certificate is revoked"),
    "expired": (_expired, "expired or not yet valid"),
    "expires after the credential was made": (_ends_in_between, "expired or not yet valid"),
    "authentication certificate": (_not_a_signing_certificate, "is not a signing certificate"),
    "another CA of the same name": (_of_another_ca, "not issued by approved"),
    "subject does not fit the profile": (_subject_names_nobody, "misses a field"),
}


@pytest.mark.parametrize("name", CANNOT)
def test_cannot_sign_fail(name: str, world: World) -> None:
    make, words = CANNOT[name]
    signer, now = make(world)
    with pytest.raises(KeyTokenError, match=words) as e:
        signer.credential(G01, now)
    assert e.value.code == "cannot_sign"


def test_without_trust_nobody_signs_fail(world: World) -> None:
    def outdated(instance: str, now: datetime) -> InstanceTrust:
        raise TrustOutdated("expired")

    identity = world.pki.sign()
    signer = LocalSigner([SoftwareToken(identity.key, identity.certificate)], outdated, world.ocsp)
    with pytest.raises(TrustOutdated):
        signer.credential(G01, NOW)
    assert signer.holders("VN", NOW) == (("CN=G01,O=GOV,C=VN", identity.certificate),)


def test_holders(world: World) -> None:
    mine, not_signing = world.pki.sign(), world.pki.auth()
    signer = world.signer(mine, not_signing)
    assert signer.holders("VN", NOW) == (
        ("VN/GOV/G01", mine.certificate),
        ("CN=ss1,C=VN", not_signing.certificate),
    )


# --- signing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ec", "rsa"])
@pytest.mark.parametrize("bodies", [(), (sha512(b"body"),)], ids=["single", "chain"])
async def test_signs_a_draft(world: World, kind: str, bodies: tuple[()]) -> None:
    signer = world.signer(world.pki.sign(key=rsa_key() if kind == "rsa" else None))
    credential = signer.credential(G01, NOW)
    draft = draft_signature(sha512(b"message"), bodies, credential, NOW)
    value = await signer.sign(credential, draft.signed_info)
    verify(credential.certificate.public_key(), credential.algorithm, value, draft.signed_info)


async def test_core_believes_the_signature(world: World) -> None:
    port: Signer = world.signer(world.pki.sign())
    message, body = sha512(b"message"), sha512(b"body")
    credential = port.credential(G01, NOW)
    draft = draft_signature(message, (body,), credential, NOW)
    xml = draft.complete(await port.sign(credential, draft.signed_info))
    verified = verify_message(
        MessageDigests(message, (body,)),
        signature=xml,
        hash_chain_result=draft.hash_chain_result,
        hash_chain=draft.hash_chain,
        signer=G01,
        trust=world.pki.trust,
        at=NOW,
        verdicts=SignerVerdicts(),
    )
    assert (verified.member, verified.certificate) == (G01, credential.certificate)


async def test_signs_nothing_else_fail(world: World) -> None:
    signer = world.signer(world.pki.sign())
    credential = signer.credential(G01, NOW)
    good = draft_signature(sha512(b"message"), (), credential, NOW).signed_info
    cases = {
        "empty": b"",
        "a digest": b"\0" * 64,
        "a TLS handshake": b" " * 64 + b"TLS 1.3, client CertificateVerify\0" + b"\0" * 64,
        "not canonical": good.replace(b"ds:SignedInfo xmlns", b"ds:SignedInfo  xmlns"),
        "without namespaces": b"<ds:SignedInfo></ds:SignedInfo>",
        "another element": good.replace(b"SignedInfo", b"SignedProperties"),
        "cut": good[:-1],
        "something behind": good + b"x",
        "oversized": good.replace(b"</ds:SignedInfo>", b" " * 20_000 + b"</ds:SignedInfo>"),
    }
    for name, data in cases.items():
        with pytest.raises(KeyTokenError, match="nothing but a canonical SignedInfo") as e:
            await signer.sign(credential, data)
        assert e.value.code == "cannot_sign", name


async def test_signs_with_no_other_key_fail(world: World) -> None:
    ours, theirs = world.signer(world.pki.sign()), world.signer(world.pki.sign())
    credential = theirs.credential(G01, NOW)
    draft = draft_signature(sha512(b"message"), (), credential, NOW)
    with pytest.raises(KeyTokenError) as e:
        await ours.sign(credential, draft.signed_info)
    assert e.value.code == "key_not_found"


# --- the authentication key ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("memory", [True, False], ids=["memory", "file"])
@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_loads_into_tls(world: World, memory: bool, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not memory:
        monkeypatch.delattr(os, "memfd_create")
    identity = world.pki.auth(rsa_key() if kind == "rsa" else None)
    key = AuthKey(SoftwareToken(identity.key, identity.certificate), world.ocsp)
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    key.load_into(server)
    key.load_into(client)
    assert shown_certificate(server, client) == key.chain[0] == der(identity.certificate)


def shown_certificate(server: ssl.SSLContext, client: ssl.SSLContext) -> bytes | None:
    """What the client sees after a handshake in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ends[0].getpeercert(binary_form=True)


def test_a_token_that_keeps_its_key_fail(world: World) -> None:
    class Sealed(SoftwareToken):
        def export_key(self) -> bytes:
            raise KeyTokenError("the token keeps its key", code="key_not_available")

    identity = world.pki.auth()
    with pytest.raises(KeyTokenError) as e:
        AuthKey(Sealed(identity.key, identity.certificate), world.ocsp).load_into(
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        )
    assert e.value.code == "key_not_available"


def test_a_key_that_openssl_refuses_fail(world: World) -> None:
    class Odd(SoftwareToken):
        def export_key(self) -> bytes:
            return b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"

    identity = world.pki.auth()
    with pytest.raises(KeyTokenError) as e:
        AuthKey(Odd(identity.key, identity.certificate), world.ocsp).load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    assert e.value.code == "key_not_available"


def test_core_believes_the_authentication_key(world: World) -> None:
    identity = world.pki.auth()
    world.ocsp.fetch(identity.certificate)
    key: AuthenticationKey = AuthKey(SoftwareToken(identity.key, identity.certificate), world.ocsp)
    chain = (der(identity.certificate),)
    assert (
        verify_auth_certificate(chain, key.ocsp_responses(), world.pki.trust, NOW).certificate == identity.certificate
    )


def test_ocsp_of_the_chain_is_complete_or_absent(world: World) -> None:
    middle = world.pki.authority.issue_intermediate(named("Middle"), world.pki.during)
    leaf = Authority(middle, lambda c: None).issue_authentication(auth_subject(), world.pki.during)
    key = AuthKey(
        SoftwareToken(leaf.key, leaf.certificate, [middle.certificate, world.pki.root.certificate]), world.ocsp
    )
    assert key.chain == (der(leaf.certificate), der(middle.certificate))
    first = world.ocsp.fetch(leaf.certificate)
    assert key.ocsp_responses() == ()
    assert key.ocsp_answers() == {key.chain[0]: first}
    second = world.ocsp.fetch(middle.certificate)
    assert key.ocsp_responses() == (first, second)
    assert key.ocsp_answers() == {key.chain[0]: first, key.chain[1]: second}


def test_only_what_no_listed_authority_issued_is_shown_besides_the_leaf(world: World) -> None:
    """A peer wants an OCSP answer for each certificate it is shown (reference 3.3)."""
    middle = world.pki.authority.issue_intermediate(named("Middle"), world.pki.during)
    leaf = Authority(middle, lambda c: None).issue_authentication(auth_subject(), world.pki.during)
    token = SoftwareToken(leaf.key, leaf.certificate, [middle.certificate])
    both = (leaf.certificate, middle.certificate)
    assert certificates_to_show(token, world.pki.trust) == both
    listed = replace(world.pki.trust.approved_cas[0], intermediates=(CaCertificate(middle.certificate),))
    assert certificates_to_show(token, replace(world.pki.trust, approved_cas=(listed,))) == both[:1]
    assert certificates_to_show(token, replace(world.pki.trust, approved_cas=())) == both
    assert AuthKey(token, world.ocsp, both[:1]).chain == (der(leaf.certificate),)


async def test_keys_are_replaced_while_a_message_is_being_signed(world: World) -> None:
    old, new = world.pki.sign(), world.pki.sign()
    signer = world.signer(old)
    drafted = signer.credential(G01, NOW)
    draft = draft_signature(sha512(b"message"), (), drafted, NOW)
    world.ocsp.fetch(new.certificate)
    signer.use([SoftwareToken(new.key, new.certificate)])
    verify(
        old.certificate.public_key(),
        drafted.algorithm,
        await signer.sign(drafted, draft.signed_info),
        draft.signed_info,
    )
    assert signer.credential(G01, NOW).certificate == new.certificate
    signer.use([SoftwareToken(new.key, new.certificate)])
    with pytest.raises(KeyTokenError) as e:
        await signer.sign(drafted, draft.signed_info)
    assert e.value.code == "key_not_found"
