"""Hash chains as they are written (reference 4.3): digests of steps, and the two documents, laid out as X-Road does."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gateway.core.digest import Digest, DigestAlgorithm
from gateway.core.errors import MalformedMessage
from gateway.core.signing.strictxml import DS

HASHCHAIN = "http://cyber.ee/hashchain"
CHAIN_FILE = "/sig-hashchain.xml"

_DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_NAMESPACES = f'xmlns="{DS}" xmlns:ns2="{HASHCHAIN}"'
_RESULT = (
    f'{_DECLARATION}<ns2:HashChainResult URI="%s#STEP0" {_NAMESPACES}>\n'
    '    <DigestMethod Algorithm="%s"/>\n'
    "    <DigestValue>%s</DigestValue>\n"
    "</ns2:HashChainResult>\n"
).encode()
_HEAD = (f'{_DECLARATION}<ns2:HashChain {_NAMESPACES}>\n    <ns2:DefaultDigestMethod Algorithm="%s"/>\n').encode()
_STEP = b'    <ns2:HashStep id="STEP%d">\n%s    </ns2:HashStep>\n'
_HASH_VALUE = b"        <ns2:HashValue>\n            <DigestValue>%s</DigestValue>\n        </ns2:HashValue>\n"
_STEP_REF = b'        <ns2:StepRef URI="#STEP%d"/>\n'
_DATA_REF = b'        <ns2:DataRef URI="%s">\n            <DigestValue>%s</DigestValue>\n        </ns2:DataRef>\n'
_TAIL = b"</ns2:HashChain>\n"


@dataclass(frozen=True, slots=True)
class Sibling:
    """The other child of a node on the way from the root to a leaf. `left`: it stands to the left of our branch."""

    left: bool
    digest: Digest


def chain_result(root: Digest, file: str) -> bytes:
    """The document that is signed or time-stamped: the digest of the first step of the chain in `file`."""
    return _RESULT % (file.encode(), root.algorithm.uri.encode(), _base64(root))


def chain_document(path: Sequence[Sibling], leaf: Sequence[tuple[str, Digest]]) -> bytes:
    """The chain from the root along `path` to a leaf: one part, or several whose step digest the leaf is. Parts are named.

    A lone part at the end of a path stands in the step of its sibling; without a path it has a step of its own.
    MalformedMessage when the digests are not all of one algorithm.
    """
    algorithm = leaf[0][1].algorithm
    if any(d.algorithm is not algorithm for d in (*(s.digest for s in path), *(d for _, d in leaf))):
        raise MalformedMessage("the digests of a hash chain are of different algorithms", code="unsupported_algorithm")
    refs = b"".join(_DATA_REF % (name.encode(), _base64(digest)) for name, digest in leaf)
    lone = len(leaf) == 1
    steps: list[bytes] = []
    for n, sibling in enumerate(path):
        given = _HASH_VALUE % _base64(sibling.digest)
        own = refs if lone and n == len(path) - 1 else _STEP_REF % (n + 1)
        steps.append(given + own if sibling.left else own + given)
    if not (path and lone):
        steps.append(refs)
    written = b"".join(_STEP % (n, step) for n, step in enumerate(steps))
    return b"".join((_HEAD % algorithm.uri.encode(), written, _TAIL))


@dataclass(frozen=True, slots=True)
class PlainForm:
    """A chain of one step over so many parts, with `%s` where each digest stands: `step` in DER, `document` and `result` in base64.
    What `step_digest`, `chain_document` and `chain_result` write, made once and filled for every message."""

    step: bytes
    document: bytes
    result: bytes


@lru_cache(maxsize=64)
def plain_form(algorithm: DigestAlgorithm, names: tuple[str, ...]) -> PlainForm:
    uri = algorithm.uri.encode()
    before, after = (piece.replace(b"%", b"%%") for piece in _SINGLE_DIGEST[algorithm])
    single = before + b"%s" + after
    head = _tlv(0x30, bytes(len(names) * _single_size(algorithm)))[: -len(names) * _single_size(algorithm)]
    refs = b"".join(_DATA_REF % (name.encode(), b"%s") for name in names)
    return PlainForm(
        step=head.replace(b"%", b"%%") + single * len(names),
        document=b"".join((_HEAD % uri, _STEP % (0, refs), _TAIL)),
        result=_RESULT % (CHAIN_FILE.encode(), uri, b"%s"),
    )


def _single_size(algorithm: DigestAlgorithm) -> int:
    return sum(map(len, _SINGLE_DIGEST[algorithm])) + algorithm.size


def step_digest(values: Sequence[Digest], algorithm: DigestAlgorithm) -> Digest:
    """H(DER(DigestList)): SEQUENCE OF SEQUENCE { OCTET STRING, UTF8String uri, empty SEQUENCE of transforms }."""
    pieces: list[bytes] = []
    for digest in values:
        before, after = _SINGLE_DIGEST[digest.algorithm]
        pieces += (before, digest.value, after)
    encoded = _tlv(0x30, b"".join(pieces))
    return algorithm.of(encoded)


def pair_digest(algorithm: DigestAlgorithm) -> Callable[[bytes, bytes], bytes]:
    """`step_digest` of two digests of this algorithm, for whoever needs ten thousand of them: digests in, digest out."""
    before, after = _SINGLE_DIGEST[algorithm]
    between = after + before
    content = 2 * (len(between) + algorithm.size)
    head = _tlv(0x30, bytes(content))[:-content] + before
    raw = algorithm.raw

    def digest(left: bytes, right: bytes) -> bytes:
        return raw(b"".join((head, left, between, right, after))).digest()

    return digest


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _around(algorithm: DigestAlgorithm) -> tuple[bytes, bytes]:
    """What DER puts before and after a digest of this algorithm in its SingleDigest."""
    single = _tlv(0x30, _tlv(0x04, bytes(algorithm.size)) + (after := _tlv(0x0C, algorithm.uri.encode()) + b"\x30\x00"))
    return single[: len(single) - len(after) - algorithm.size], after


_SINGLE_DIGEST = {algorithm: _around(algorithm) for algorithm in DigestAlgorithm}


def _base64(digest: Digest) -> bytes:
    return b2a_base64(digest.value, newline=False)
