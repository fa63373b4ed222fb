"""Hash chains: one signature over several parts, or over several messages (reference 4.3).

A chain is a tree written as steps. A step hashes the DER list of its values; a value is a hash that is given, another step, or a
part of the message (DataRef). What is signed is the *result* document with the root's digest.

Rules of the verifier, stricter than X-Road in all but the first: a part given to us replaces the digest written in the chain; its
written digest must be equal; every part is referenced exactly once and nothing else is; every step is used; no transforms; no
cycles; depth and number of steps are bounded. The codes are those of X-Road, below the category `malformed_signature`.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from lxml import etree

from gateway.core.digest import Digest, DigestAlgorithm
from gateway.core.errors import MalformedMessage
from gateway.core.signing.hashchainform import (
    CHAIN_FILE,
    HASHCHAIN,
    OWN,
    Layout,
    chain_document,
    chain_result,
    layout_of,
    path_of,
    plain_form,
    root_above,
    step_digest,
)
from gateway.core.signing.hashtree import build_tree
from gateway.core.signing.strictxml import (
    DS,
    Children,
    InvalidXml,
    check_attributes,
    digest_method,
    digest_value,
    need_attribute,
    parse_xml,
)
from gateway.core.values import quick

_MAX_STEPS = 128
_MAX_DEPTH = 64
_MAX_VALUES = 1024


@quick
@dataclass(frozen=True, slots=True)
class HashChain:
    """`result`: the document that is signed; `chain`: how it is computed from the message's parts."""

    result: bytes
    chain: bytes


@lru_cache(maxsize=64)
def part_names(attachments: int) -> tuple[str, ...]:
    """The names of a message's parts in signatures: the message, then its attachments from 1 (a REST body is attachment 1)."""
    return ("/message.xml", *(f"/attachment{n}" for n in range(1, attachments + 1)))


def build_hash_chain(message: Digest, attachments: Sequence[Digest], layout: Layout = OWN) -> HashChain:
    """The one-step chain over a message and its attachments, laid out as X-Road does. All digests of one algorithm."""
    algorithm = message.algorithm
    if any(a.algorithm is not algorithm for a in attachments):
        raise MalformedMessage("the digests of a hash chain are of different algorithms", code="unsupported_algorithm")
    form = plain_form(algorithm, part_names(len(attachments)), layout)
    values = (message.value, *(a.value for a in attachments))
    root = algorithm.of(form.step % values).value
    return HashChain(
        form.result % b2a_base64(root, newline=False),
        form.document % tuple(b2a_base64(value, newline=False) for value in values),
    )


def build_hash_chains(messages: Sequence[tuple[Digest, Sequence[Digest]]]) -> tuple[HashChain, ...]:
    """One result over several messages, each a digest and its attachments' digests, and the chain of each (reference 4.3, "several
    inputs"). All digests of one algorithm."""
    parts = [tuple(zip(part_names(len(rest)), (message, *rest), strict=True)) for message, rest in messages]
    tree = build_tree([_leaf([digest for _, digest in leaf]) for leaf in parts])
    result = chain_result(tree.root, CHAIN_FILE)
    return tuple(HashChain(result, chain_document(tree.path(n), leaf)) for n, leaf in enumerate(parts))


def _leaf(digests: Sequence[Digest]) -> Digest:
    return digests[0] if len(digests) == 1 else step_digest(digests, digests[0].algorithm)


def verify_hash_chain(result: bytes, chain: bytes, inputs: Mapping[str, Digest]) -> None:
    """`result` follows from `chain` with exactly these parts. `inputs`: digests by part name, see `part_names`.

    MalformedMessage with `malformed_hash_chain`, `invalid_hash_chain` (does not compute to the result), `invalid_hash_chain_ref`
    (a written digest differs from the part's), `invalid_reference` (names a part that is not here) or
    `hashchain_unused_inputs` (a part is not covered).
    """
    if _is_what_we_write(result, chain, inputs):
        return
    try:
        _Verifier(result, chain, inputs).run()
    except InvalidXml as e:
        raise _malformed(str(e)) from e


def written_digests(chain: bytes, file: str = CHAIN_FILE) -> dict[str, Digest]:
    """What a chain, named `file`, says about the parts it names. For containers that do not keep their attachments (reference
    5.2): digests from here may stand in for missing attachments in `verify_hash_chain`, which then says nothing of their content.

    MalformedMessage (`malformed_hash_chain`) when the chain cannot be read.
    """
    try:
        steps, _ = _parse_chain(chain, file)
    except InvalidXml as e:
        raise _malformed(str(e)) from e
    return {v.part: v.written for step in steps.values() for v in step if v.part is not None and v.written is not None}


def _is_what_we_write(result: bytes, chain: bytes, inputs: Mapping[str, Digest]) -> bool:
    """A chain of the usual form needs no parser: it is the very bytes that we would write for these parts, alone or in a tree that
    has the same other branches."""
    digests, layout = tuple(inputs.values()), layout_of(chain)
    if not digests or tuple(inputs) != part_names(len(digests) - 1) or layout is None:
        return False
    algorithm = digests[0].algorithm
    if any(d.algorithm is not algorithm for d in digests):
        return False
    try:
        path = path_of(chain, algorithm, layout)
    except (ValueError, MalformedMessage):
        return False  # the general reader says what is wrong
    if not path:
        ours = build_hash_chain(digests[0], digests[1:], layout)
    elif len(path) < _MAX_DEPTH:
        root = root_above(path, _leaf(digests))
        ours = HashChain(chain_result(root, CHAIN_FILE, layout), chain_document(path, tuple(inputs.items()), layout))
    else:
        return False
    return ours.chain == chain and ours.result == result


def _malformed(what: str) -> MalformedMessage:
    return MalformedMessage(f"Hash chain is malformed: {what}", code="malformed_hash_chain")


@dataclass(frozen=True, slots=True)
class _Value:
    """One line of a step: a part (`part`), a step (`step`) or neither: a given hash. `written`: the digest as it stands there;
    only a step may leave it out."""

    algorithm: DigestAlgorithm
    written: Digest | None
    part: str | None = None
    step: str | None = None


class _Verifier:
    """Reads both documents, then computes from the root down. Used once."""

    def __init__(self, result: bytes, chain: bytes, inputs: Mapping[str, Digest]) -> None:
        self._inputs = inputs
        self._referenced: set[str] = set()
        self._consistent = True  # whatever is written beside parts and steps is what they really hash to
        self._open: list[str] = []
        self._done: dict[tuple[str, DigestAlgorithm], Digest] = {}
        self._file, self._root, algorithm, written = _parse_result(result)
        self._steps, default = _parse_chain(chain, self._file)
        self._root_algorithm = algorithm or default
        self._written = written

    def run(self) -> None:
        if self._root_algorithm is None:
            raise _malformed("no digest method")
        expected = digest_value(self._written, self._root_algorithm)
        if self._step(self._root, self._root_algorithm) != expected:
            raise MalformedMessage("Hash chain does not lead to its result", code="invalid_hash_chain")
        if not self._consistent:
            raise MalformedMessage("A digest in the hash chain is not that of its part", code="invalid_hash_chain_ref")
        if {step for step, _ in self._done} != self._steps.keys():
            raise _malformed("a step is not used")
        if self._referenced != set(self._inputs):
            raise MalformedMessage("The hash chain does not cover all parts", code="hashchain_unused_inputs")

    def _step(self, name: str, algorithm: DigestAlgorithm) -> Digest:
        if (name, algorithm) in self._done:
            return self._done[name, algorithm]
        if name not in self._steps:
            raise _malformed("unknown step")
        if name in self._open or len(self._open) >= _MAX_DEPTH:
            raise _malformed("a cycle, or too deep")
        self._open.append(name)
        digest = step_digest([self._resolve(value) for value in self._steps[name]], algorithm)
        self._open.pop()
        self._done[name, algorithm] = digest
        return digest

    def _resolve(self, value: _Value) -> Digest:
        if value.step is not None:
            digest = self._step(value.step, value.algorithm)
        elif value.part is not None:
            digest = self._part(value.part, value.algorithm)
        else:
            assert value.written is not None
            return value.written
        self._consistent &= value.written in (None, digest)
        return digest

    def _part(self, name: str, algorithm: DigestAlgorithm) -> Digest:
        digest = self._inputs.get(name)
        if digest is None or digest.algorithm is not algorithm:
            raise MalformedMessage("The hash chain names data that are not here", code="invalid_reference")
        if name in self._referenced:
            raise _malformed("a part is referenced twice")
        self._referenced.add(name)
        return digest


def _parse_result(xml: bytes) -> tuple[str, str, DigestAlgorithm | None, etree._Element]:
    """(chain file, root step, digest method if given, DigestValue element)"""
    root = parse_xml(xml)
    if root.tag != f"{{{HASHCHAIN}}}HashChainResult":
        raise InvalidXml("the root element is not HashChainResult")
    file, _, step = need_attribute(root, "URI").partition("#")
    if not re.fullmatch(r"/[A-Za-z0-9._-]{1,100}", file, re.ASCII) or not step:
        raise InvalidXml("the result does not name a step of a chain")
    children = Children(root)
    method = children.maybe(f"{{{DS}}}DigestMethod")
    written = children.one(f"{{{DS}}}DigestValue")
    children.end()
    return file, step, None if method is None else digest_method(method), written


def _parse_chain(xml: bytes, file: str) -> tuple[dict[str, tuple[_Value, ...]], DigestAlgorithm | None]:
    root = parse_xml(xml)
    if root.tag != f"{{{HASHCHAIN}}}HashChain":
        raise InvalidXml("the root element is not HashChain")
    check_attributes(root)
    children = Children(root)
    method = children.maybe(f"{{{HASHCHAIN}}}DefaultDigestMethod")
    default = None if method is None else digest_method(method)
    steps: dict[str, tuple[_Value, ...]] = {}
    for step in children.many(f"{{{HASHCHAIN}}}HashStep", _MAX_STEPS):
        steps[need_attribute(step, "id")] = _parse_step(step, default, file)
    children.end()
    return steps, default


def _parse_step(step: etree._Element, default: DigestAlgorithm | None, file: str) -> tuple[_Value, ...]:
    children = Children(step)
    values: list[_Value] = []
    while (element := children.any()) is not None:
        values.append(_parse_value(element, default, file))
    if len(values) > _MAX_VALUES:
        raise InvalidXml("too many values")
    return tuple(values)


def _parse_value(element: etree._Element, default: DigestAlgorithm | None, file: str) -> _Value:
    children = Children(element)
    method = children.maybe(f"{{{DS}}}DigestMethod")
    algorithm = default if method is None else digest_method(method)
    written = children.maybe(f"{{{DS}}}DigestValue")
    children.end()  # no Transforms: they would run code of the sender's choice over the data
    if algorithm is None:
        raise InvalidXml("no digest method")
    digest = None if written is None else digest_value(written, algorithm)
    if element.tag == f"{{{HASHCHAIN}}}StepRef":
        return _Value(algorithm, digest, step=_step_name(need_attribute(element, "URI"), file))
    if digest is None:
        raise InvalidXml("a value without a digest")
    if element.tag == f"{{{HASHCHAIN}}}DataRef":
        return _Value(algorithm, digest, part=need_attribute(element, "URI"))
    if element.tag != f"{{{HASHCHAIN}}}HashValue":
        raise InvalidXml("an unexpected element")
    check_attributes(element)
    return _Value(algorithm, digest)


def _step_name(uri: str, file: str) -> str:
    where, separator, step = uri.partition("#")
    if where not in ("", file):
        raise MalformedMessage("The hash chain names another chain", code="invalid_reference")
    if not separator or not step:
        raise InvalidXml("a reference does not name a step")
    return step
