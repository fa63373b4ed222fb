"""One time-stamp over many signatures: the documents that tie each of them to it (reference 4.7, 5.1, 6.2).

What is stamped is `ts-hashchainresult.xml`, which is the same for the whole batch and says the root of the tree of signature
digests. For each signature there is a `ts-hashchain.xml`, which walks from that root to the digest of its XML.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.digest import Digest
from gateway.core.errors import MalformedMessage
from gateway.core.signing.hashchain import verify_hash_chain, written_digests
from gateway.core.signing.hashchainform import Sibling, chain_document, chain_result

SIGNATURE = "/META-INF/signatures.xml"
CHAIN_FILE = "/ts-hashchain.xml"


def batch_result(root: Digest) -> bytes:
    """`ts-hashchainresult.xml`: the bytes that are stamped."""
    return chain_result(root, CHAIN_FILE)


def batch_chain(signature: Digest, path: Sequence[Sibling]) -> bytes:
    """`ts-hashchain.xml` of the signature XML with this digest, `path` from the root down as `HashTree.path` gives it. A batch has
    at least two signatures, so a path has at least one sibling; MalformedMessage otherwise."""
    if not path:
        raise MalformedMessage("a single signature is time-stamped without a chain", code="malformed_hash_chain")
    return chain_document(path, ((SIGNATURE, signature),))


def verify_batch_chain(result: bytes, chain: bytes, signature: bytes) -> None:
    """`result` follows from `chain` and exactly this signature XML. MalformedMessage with the codes of `verify_hash_chain`."""
    written = written_digests(chain, CHAIN_FILE).get(SIGNATURE)
    if written is None:
        raise MalformedMessage("The time-stamp's hash chain does not name the signature", code="invalid_reference")
    verify_hash_chain(result, chain, {SIGNATURE: written.algorithm.of(signature)})
