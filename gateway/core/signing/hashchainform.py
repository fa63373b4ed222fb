"""Hash chains as they are written (reference 4.3): digests of steps, and the two documents, laid out as X-Road does."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gateway.core.digest import Digest, DigestAlgorithm
from gateway.core.errors import MalformedMessage
from gateway.core.signing.strictxml import DS
from gateway.core.values import quick

HASHCHAIN = "http://cyber.ee/hashchain"
CHAIN_FILE = "/sig-hashchain.xml"


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Pieces of the documents with `%s` where digests, names and the like stand. X-Road's own library gives the prefix `ns2` to
    either of the two namespaces, as it happens in the life of one of its processes."""

    result: bytes
    head: bytes
    step: bytes
    given: bytes
    step_ref: bytes
    part: bytes
    tail: bytes


def _layout(hc: str, ds: str) -> Layout:
    """`hc`, `ds`: the prefixes of hash chains and of digests with their colons, of which one is empty."""
    declaration = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    default, ns2 = (HASHCHAIN, DS) if ds else (DS, HASHCHAIN)
    namespaces = f'xmlns="{default}" xmlns:ns2="{ns2}"'
    digest = f"            <{ds}DigestValue>%s</{ds}DigestValue>\n"
    method = 'DigestMethod Algorithm="%s"/>\n'
    texts = (
        f'{declaration}<{hc}HashChainResult URI="%s#STEP0" {namespaces}>\n    <{ds}{method}'
        f"    <{ds}DigestValue>%s</{ds}DigestValue>\n</{hc}HashChainResult>\n",
        f"{declaration}<{hc}HashChain {namespaces}>\n    <{hc}Default{method}",
        f'    <{hc}HashStep id="STEP%d">\n%s    </{hc}HashStep>\n',
        f"        <{hc}HashValue>\n{digest}        </{hc}HashValue>\n",
        f'        <{hc}StepRef URI="#STEP%d"/>\n',
        f'        <{hc}DataRef URI="%s">\n{digest}        </{hc}DataRef>\n',
        f"</{hc}HashChain>\n",
    )
    return Layout(*(text.encode() for text in texts))


OWN = _layout("ns2:", "")
_LAYOUTS = (OWN, _layout("", "ns2:"))


def layout_of(document: bytes) -> Layout | None:
    """The layout that a chain has, if it has one of X-Road's at all."""
    return next((layout for layout in _LAYOUTS if document.endswith(layout.tail)), None)


@quick
@dataclass(frozen=True, slots=True)
class Sibling:
    """The other child of a node on the way from the root to a leaf. `left`: it stands to the left of our branch."""

    left: bool
    digest: Digest


def chain_result(root: Digest, file: str, layout: Layout = OWN) -> bytes:
    """The document that is signed or time-stamped: the digest of the first step of the chain in `file`."""
    return layout.result % (file.encode(), root.algorithm.uri.encode(), _base64(root))


def chain_document(path: Sequence[Sibling], leaf: Sequence[tuple[str, Digest]], layout: Layout = OWN) -> bytes:
    """The chain from the root along `path` to a leaf: one part, or several whose step digest the leaf is. Parts are named.

    A lone part at the end of a path stands in the step of its sibling; without a path it has a step of its own.
    MalformedMessage when the digests are not all of one algorithm.
    """
    algorithm = leaf[0][1].algorithm
    values = [s.digest for s in path]
    values += [digest for _, digest in leaf]
    if any(d.algorithm is not algorithm for d in values):
        raise MalformedMessage("the digests of a hash chain are of different algorithms", code="unsupported_algorithm")
    lefts = tuple([s.left for s in path])
    if len(leaf) == 1 and lefts and not lefts[-1]:  # the part stands before its sibling
        values[-2:] = values[-1], values[-2]
    form = _chain_form(algorithm, lefts, tuple([name for name, _ in leaf]), layout)
    return form % tuple(map(_base64, values))


@lru_cache(maxsize=1024)
def _chain_form(algorithm: DigestAlgorithm, lefts: tuple[bool, ...], names: tuple[str, ...], layout: Layout) -> bytes:
    """The chain with `%s` where each digest stands."""
    parts = b"".join(layout.part % (name.replace("%", "%%").encode(), b"%s") for name in names)
    lone = len(names) == 1
    steps: list[bytes] = []
    for n, left in enumerate(lefts):
        own = parts if lone and n == len(lefts) - 1 else layout.step_ref % (n + 1)
        steps.append(layout.given + own if left else own + layout.given)
    if not (lefts and lone):
        steps.append(parts)
    written = b"".join(layout.step % (n, step) for n, step in enumerate(steps))
    return b"".join((layout.head % algorithm.uri.encode(), written, layout.tail))


def path_of(document: bytes, algorithm: DigestAlgorithm, layout: Layout) -> tuple[Sibling, ...]:
    """The `path` from which `chain_document` wrote this, if it did: that shows when it is written again. ValueError or
    MalformedMessage for digests that are none."""
    before, *others = document.split(layout.given.partition(b"%s")[0])
    found: list[Sibling] = []
    for other in others:
        digest = a2b_base64(other[: other.find(b"<")], strict_mode=True)
        found.append(Sibling(before.endswith(b'">\n'), Digest(algorithm, digest)))  # right behind the start of its step
        before = other
    return tuple(found)


def root_above(path: Sequence[Sibling], leaf: Digest) -> Digest:
    """The digest of the first step, from that of a leaf and what stands beside its way up. All digests of one algorithm."""
    pair, node = pair_digest(leaf.algorithm), leaf.value
    for sibling in reversed(path):
        node = pair(sibling.digest.value, node) if sibling.left else pair(node, sibling.digest.value)
    return Digest(leaf.algorithm, node)


@dataclass(frozen=True, slots=True)
class PlainForm:
    """A chain of one step over so many parts, with `%s` where each digest stands: `step` in DER, `document` and `result` in base64.
    What `step_digest`, `chain_document` and `chain_result` write, made once and filled for every message."""

    step: bytes
    document: bytes
    result: bytes


@lru_cache(maxsize=64)
def plain_form(algorithm: DigestAlgorithm, names: tuple[str, ...], layout: Layout = OWN) -> PlainForm:
    before, after = (piece.replace(b"%", b"%%") for piece in _SINGLE_DIGEST[algorithm])
    single = before + b"%s" + after
    head = _tlv(0x30, bytes(len(names) * _single_size(algorithm)))[: -len(names) * _single_size(algorithm)]
    return PlainForm(
        step=head.replace(b"%", b"%%") + single * len(names),
        document=_chain_form(algorithm, (), names, layout),
        result=layout.result % (CHAIN_FILE.encode(), algorithm.uri.encode(), b"%s"),
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


@lru_cache(maxsize=8)
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
