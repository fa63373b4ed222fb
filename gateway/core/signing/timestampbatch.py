"""One time-stamp over many signatures: the documents that tie each of them to it (reference 4.7, 5.1, 6.2).

What is stamped is `ts-hashchainresult.xml`, which is the same for the whole batch and says the root of the tree of signature
digests. For each signature there is a `ts-hashchain.xml`, which walks from that root to the digest of its XML.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Sequence

from gateway.core.digest import Digest
from gateway.core.errors import MalformedMessage
from gateway.core.signing.hashchain import chain_result, verify_hash_chain, written_digests
from gateway.core.signing.hashtree import Sibling

SIGNATURE = "/META-INF/signatures.xml"
CHAIN_FILE = "/ts-hashchain.xml"

_HEAD = (
    b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    b'<ns2:HashChain xmlns="http://www.w3.org/2000/09/xmldsig#" xmlns:ns2="http://cyber.ee/hashchain">\n'
    b'    <ns2:DefaultDigestMethod Algorithm="%s"/>\n'
)
_STEP = b'    <ns2:HashStep id="STEP%d">\n%s%s    </ns2:HashStep>\n'
_GIVEN = b"        <ns2:HashValue>\n            <DigestValue>%s</DigestValue>\n        </ns2:HashValue>\n"
_BRANCH = b'        <ns2:StepRef URI="#STEP%d"/>\n'
_LEAF = b'        <ns2:DataRef URI="/META-INF/signatures.xml">\n            <DigestValue>%s</DigestValue>\n        </ns2:DataRef>\n'
_TAIL = b"</ns2:HashChain>\n"


def batch_result(root: Digest) -> bytes:
    """`ts-hashchainresult.xml`: the bytes that are stamped."""
    return chain_result(root, CHAIN_FILE)


def batch_chain(signature: Digest, path: Sequence[Sibling]) -> bytes:
    """`ts-hashchain.xml` of the signature XML with this digest, `path` from the root down as `HashTree.path` gives it. A batch has
    at least two signatures, so a path has at least one sibling; MalformedMessage otherwise."""
    if not path:
        raise MalformedMessage("a single signature is time-stamped without a chain", code="malformed_hash_chain")
    steps = []
    for n, sibling in enumerate(path):
        given = _GIVEN % _base64(sibling.digest)
        own = _LEAF % _base64(signature) if n == len(path) - 1 else _BRANCH % (n + 1)
        steps.append(_STEP % (n, *((given, own) if sibling.left else (own, given))))
    return b"".join((_HEAD % signature.algorithm.uri.encode(), *steps, _TAIL))


def verify_batch_chain(result: bytes, chain: bytes, signature: bytes) -> None:
    """`result` follows from `chain` and exactly this signature XML. MalformedMessage with the codes of `verify_hash_chain`."""
    written = written_digests(chain, CHAIN_FILE).get(SIGNATURE)
    if written is None:
        raise MalformedMessage("The time-stamp's hash chain does not name the signature", code="invalid_reference")
    verify_hash_chain(result, chain, {SIGNATURE: written.algorithm.of(signature)})


def _base64(digest: Digest) -> bytes:
    return b2a_base64(digest.value, newline=False)
