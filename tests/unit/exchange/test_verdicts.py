"""What is remembered of peers is bounded in bytes as well as in number: nobody signed what stands beside the OCSP answer that
counts, so a member could write other things there into each of its messages."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from gateway.core.digest import sha512
from gateway.core.globalconf.model import GlobalConfiguration, OptionalParts, SecurityServer, SharedParameters
from gateway.core.identifiers import MemberId, SecurityServerId
from gateway.core.signing.ocsp import MAX_RESPONSE
from gateway.core.signing.verify import MessageDigests, SignerVerdicts, verify_message
from gateway.core.signing.xades import draft_signature
from gateway.exchange.peers import PeerVerdicts
from tests.support.pki import Pki, complete

OWNER = MemberId("VN", "GOV", "G22")
SERVER = SecurityServerId("VN", "GOV", "G22", "ss1")
SURPLUS = bytes(MAX_RESPONSE - 1)


def kept(verdicts: SignerVerdicts | PeerVerdicts) -> int:
    """Bytes of all that verdicts are found by."""

    def size(value: object) -> int:
        return (
            sum(map(size, value)) if isinstance(value, tuple) else len(value) if isinstance(value, bytes | str) else 0
        )

    return sum(map(size, verdicts._known))


@pytest.fixture
def pki() -> Pki:
    return Pki()


@pytest.mark.parametrize("surplus", [0, 2])
def test_a_signature_with_much_beside_it(pki: Pki, surplus: int) -> None:
    signer, verdicts = pki.issue_sign(OWNER), SignerVerdicts()
    credential = pki.credential(signer)
    credential = replace(credential, ocsp=(*credential.ocsp, *(SURPLUS,) * surplus))
    signed = complete(draft_signature(sha512(b"m"), (), credential, pki.now), signer)
    for _ in range(2):
        verify_message(
            MessageDigests(sha512(b"m")),
            signature=signed.signature,
            hash_chain_result=None,
            hash_chain=None,
            signer=OWNER,
            trust=pki.trust(),
            at=pki.now,
            verdicts=verdicts,
        )
    assert (verdicts.size, verdicts.hits, kept(verdicts) < 8192) == (1, 1, True)


@pytest.mark.parametrize("surplus", [0, 2])
def test_a_peer_with_much_beside_its_message(pki: Pki, surplus: int) -> None:
    auth, verdicts = pki.issue_auth(SERVER), PeerVerdicts()
    server = SecurityServer(SERVER, None, (hashlib.sha256(auth.der).digest(),), frozenset({OWNER}))
    trust = pki.trust()
    shared = SharedParameters("VN", 6, trust.ocsp_freshness, approved_cas=trust.approved_cas, servers=(server,))
    conf = GlobalConfiguration("VN", "f", {}, {"VN": shared}, {"VN": None}, None, OptionalParts())
    answers = (pki.ocsp(auth.certificate, this_update=pki.now), *(SURPLUS,) * surplus)
    for _ in range(2):
        assert verdicts.verify((auth.der,), answers, conf, OWNER, pki.now)[0] is server
    assert (len(verdicts.certificates()), verdicts.hits, kept(verdicts) < 8192) == (1, 1, True)
