from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping

import pytest
from lxml import etree

from gateway.core.digest import Digest, DigestAlgorithm, sha512
from gateway.core.errors import MalformedMessage
from gateway.core.signing.hashchain import (
    HashChain,
    build_hash_chain,
    part_names,
    verify_hash_chain,
    written_digests,
)
from gateway.core.signing.hashchainform import step_digest

MESSAGE, BODY, OTHER = (sha512(x) for x in (b"message", b"body", b"other"))
SHA512 = DigestAlgorithm.SHA512
PARTS = {"/message.xml": MESSAGE, "/attachment1": BODY}


def b64(digest: Digest) -> str:
    return b64encode(digest.value).decode()


def from_b64(text: str) -> Digest:
    return Digest(SHA512, b64decode(text))


def data_ref(name: str, digest: Digest) -> str:
    return f'<h:DataRef URI="{name}"><d:DigestValue>{b64(digest)}</d:DigestValue></h:DataRef>'


def hash_value(digest: Digest) -> str:
    return f"<h:HashValue><d:DigestValue>{b64(digest)}</d:DigestValue></h:HashValue>"


def step_ref(name: str) -> str:
    return f'<h:StepRef URI="{name}"/>'


NAMESPACES = 'xmlns:h="http://cyber.ee/hashchain" xmlns:d="http://www.w3.org/2000/09/xmldsig#"'
DEFAULT = f'<h:DefaultDigestMethod Algorithm="{SHA512.uri}"/>'


def chain_of(*steps: str, default: str = DEFAULT) -> bytes:
    written = "".join(f'<h:HashStep id="STEP{n}">{step}</h:HashStep>' for n, step in enumerate(steps))
    return f"<h:HashChain {NAMESPACES}>{default}{written}</h:HashChain>".encode()


def result_of(digest: Digest, uri: str = "/sig-hashchain.xml#STEP0", method: str | None = None) -> bytes:
    method = f'<d:DigestMethod Algorithm="{digest.algorithm.uri}"/>' if method is None else method
    return (
        f'<h:HashChainResult {NAMESPACES} URI="{uri}">{method}<d:DigestValue>{b64(digest)}</d:DigestValue>'
        "</h:HashChainResult>"
    ).encode()


def step(*values: Digest) -> Digest:
    return step_digest(values, SHA512)


def test_worked_example_of_the_reference() -> None:
    """valid-signed-hashchain of X-Road (reference 4.3)."""
    message = from_b64("mET+G37YrRAMl92j7gxR95W/rAcOBRlWTrbeJMt7L7lMr+1EALnsNRpq4fH6sUMJNWSA1B2kpDL0NDVCjIQnnw==")
    body = from_b64("YoZ26aBCLuGV0W9J7CH6YtOXhkEsleUwu1GwIrQ+ZJw7GBAnTwRZF2s2n/z8h1iOkzLiFmO8p4f2VVz+F1DqYg==")
    result = "RMrOJhh5munNHgv/2wN0WOuxn8xeQ6d5CDOkUjifIlQCoK52NKJyGa8Gf6FpHZlU5VKM4VzOYMTFLJKxeEVNxg=="
    assert b64(step(message, body)) == result


def test_der_of_a_list_longer_than_127_and_255_bytes() -> None:
    """SEQUENCE { SEQUENCE { OCTET STRING 64, UTF8String 39, SEQUENCE {} } ... } written out by hand."""
    uri = SHA512.uri.encode()
    assert len(uri) == 39
    single = b"\x30\x6d\x04\x40" + MESSAGE.value + b"\x0c\x27" + uri + b"\x30\x00"
    assert step(MESSAGE).value == hashlib.sha512(b"\x30\x6f" + single).digest()
    assert step(MESSAGE, MESSAGE).value == hashlib.sha512(b"\x30\x81\xde" + single * 2).digest()
    assert step(*[MESSAGE] * 3).value == hashlib.sha512(b"\x30\x82\x01\x4d" + single * 3).digest()


def test_documents_as_xroad_lays_them_out() -> None:
    """Byte for byte what 7.8.1 servers write (captured message 02)."""
    chain = build_hash_chain(MESSAGE, [BODY])
    assert chain.result == (
        b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
        b'<ns2:HashChainResult URI="/sig-hashchain.xml#STEP0" xmlns="http://www.w3.org/2000/09/xmldsig#"'
        b' xmlns:ns2="http://cyber.ee/hashchain">\n'
        b'    <DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha512"/>\n'
        b"    <DigestValue>" + b64(step(MESSAGE, BODY)).encode() + b"</DigestValue>\n</ns2:HashChainResult>\n"
    )
    assert chain.chain == (
        b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
        b'<ns2:HashChain xmlns="http://www.w3.org/2000/09/xmldsig#" xmlns:ns2="http://cyber.ee/hashchain">\n'
        b'    <ns2:DefaultDigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha512"/>\n'
        b'    <ns2:HashStep id="STEP0">\n'
        b'        <ns2:DataRef URI="/message.xml">\n'
        b"            <DigestValue>" + b64(MESSAGE).encode() + b"</DigestValue>\n"
        b"        </ns2:DataRef>\n"
        b'        <ns2:DataRef URI="/attachment1">\n'
        b"            <DigestValue>" + b64(BODY).encode() + b"</DigestValue>\n"
        b"        </ns2:DataRef>\n"
        b"    </ns2:HashStep>\n</ns2:HashChain>\n"
    )


@pytest.mark.parametrize("attachments", [0, 1, 2, 5])
def test_what_we_build_verifies_by_both_ways(attachments: int) -> None:
    digests = [sha512(bytes([n])) for n in range(attachments)]
    chain = build_hash_chain(MESSAGE, digests)
    inputs = dict(zip(part_names(attachments), [MESSAGE, *digests], strict=True))
    verify_hash_chain(chain.result, chain.chain, inputs)
    verify_hash_chain(chain.result, chain.chain + b"\n", inputs)  # not our bytes: the general verifier
    assert written_digests(chain.chain) == inputs


def test_digests_of_several_algorithms_make_no_chain() -> None:
    with pytest.raises(MalformedMessage) as e:
        build_hash_chain(MESSAGE, [DigestAlgorithm.SHA256.of(b"")])
    assert e.value.code == "unsupported_algorithm"


@pytest.mark.parametrize(
    "chain",
    [
        chain_of(data_ref("/attachment1", BODY) + data_ref("/message.xml", MESSAGE)),  # any order
        chain_of(
            step_ref("#STEP1") + hash_value(OTHER), data_ref("/message.xml", MESSAGE) + data_ref("/attachment1", BODY)
        ),
        chain_of(
            hash_value(OTHER) + step_ref("/sig-hashchain.xml#STEP1"),
            step_ref("#STEP2") + hash_value(OTHER),
            data_ref("/message.xml", MESSAGE) + data_ref("/attachment1", BODY),
        ),
        chain_of(step_ref("#STEP1") + data_ref("/attachment1", BODY), data_ref("/message.xml", MESSAGE)),
        chain_of(
            step_ref("#STEP1") * 2 + step_ref("#STEP2"),
            hash_value(OTHER),
            "".join(data_ref(n, d) for n, d in PARTS.items()),
        ),
    ],
)
def test_trees_of_any_shape(chain: bytes) -> None:
    verify_hash_chain(result_of(recompute(chain)), chain, PARTS)


def recompute(chain: bytes) -> Digest:
    """The root of a chain, by another way than the verifier's: recursion over the elements as they stand."""
    root = etree.fromstring(chain)
    steps = {s.get("id"): s for s in root.findall("{http://cyber.ee/hashchain}HashStep")}

    def value(e: etree._Element) -> Digest:
        if e.tag.endswith("StepRef"):
            return of(str(e.get("URI")).partition("#")[2])
        return Digest(SHA512, b64decode(e[0].text or ""))

    def of(name: str) -> Digest:
        return step(*(value(e) for e in steps[name]))

    return of("STEP0")


ORDINARY = chain_of(data_ref("/message.xml", MESSAGE) + data_ref("/attachment1", BODY))
RESULT = result_of(step(MESSAGE, BODY))


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"/message.xml": OTHER, "/attachment1": BODY}, "invalid_hash_chain"),  # altered message
        ({"/message.xml": MESSAGE, "/attachment1": OTHER}, "invalid_hash_chain"),  # altered body
        ({"/message.xml": MESSAGE}, "invalid_reference"),  # dropped body
        ({**PARTS, "/attachment2": OTHER}, "hashchain_unused_inputs"),  # added attachment
        ({}, "invalid_reference"),
        ({"/message.xml": DigestAlgorithm.SHA256.of(b"message"), "/attachment1": BODY}, "invalid_reference"),
    ],
)
def test_parts_that_are_not_those_of_the_chain(inputs: Mapping[str, Digest], code: str) -> None:
    verify_hash_chain(RESULT, ORDINARY, PARTS)
    ours = build_hash_chain(MESSAGE, [BODY])
    for result, chain in ((RESULT, ORDINARY), (ours.result, ours.chain)):
        with pytest.raises(MalformedMessage) as e:
            verify_hash_chain(result, chain, inputs)
        assert e.value.code == code


def cycle() -> HashChain:
    return HashChain(RESULT, chain_of(step_ref("#STEP1"), step_ref("#STEP0")))


def deep(levels: int) -> HashChain:
    steps = [step_ref(f"#STEP{n + 1}") for n in range(levels)]
    digest = step(MESSAGE, BODY)
    for _ in range(levels):
        digest = step(digest)
    return HashChain(result_of(digest), chain_of(*steps, "".join(data_ref(n, d) for n, d in PARTS.items())))


def many(steps: int) -> HashChain:
    """Wide rather than deep."""
    refs = "".join(step_ref(f"#STEP{n + 1}") for n in range(steps))
    root = step(*[step(OTHER)] * steps, MESSAGE, BODY)
    parts = "".join(data_ref(n, d) for n, d in PARTS.items())
    return HashChain(result_of(root), chain_of(refs + parts, *[hash_value(OTHER)] * steps))


def test_limits() -> None:
    for chain in (deep(60), many(120)):
        verify_hash_chain(chain.result, chain.chain, PARTS)
    for chain in (deep(64), deep(5000), many(128), cycle()):
        with pytest.raises(MalformedMessage) as e:
            verify_hash_chain(chain.result, chain.chain, PARTS)
        assert e.value.code == "malformed_hash_chain"


def test_a_tree_that_doubles_at_each_level_is_computed_once() -> None:
    levels = 50  # 2**50 paths
    steps = [step_ref(f"#STEP{n + 1}") * 2 for n in range(levels)]
    digest = step(OTHER)
    for _ in range(levels):
        digest = step(digest, digest)
    refs = step_ref("#STEP1") + "".join(data_ref(n, d) for n, d in PARTS.items())
    first = step_digest([digest, MESSAGE, BODY], SHA512)
    shifted = [s.replace(f"#STEP{n + 1}", f"#STEP{n + 2}") for n, s in enumerate(steps)]
    verify_hash_chain(result_of(first), chain_of(refs, *shifted, hash_value(OTHER)), PARTS)


TRANSFORM = '<d:Transforms><d:Transform Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"/></d:Transforms>'
PARTS_XML = data_ref("/message.xml", MESSAGE) + data_ref("/attachment1", BODY)
Rows = dict[str, tuple[bytes, bytes, str]]
MALFORMED: Rows = {
    "result not XML": (b"x", ORDINARY, "malformed_hash_chain"),
    "chain not XML": (RESULT, b"x", "malformed_hash_chain"),
    "result in place of chain": (RESULT, RESULT, "malformed_hash_chain"),
    "chain in place of result": (ORDINARY, ORDINARY, "malformed_hash_chain"),
    "result of another step": (result_of(step(MESSAGE, BODY), "/sig-hashchain.xml#STEP9"), ORDINARY, "malformed_hash_chain"),
    "result without a step": (result_of(step(MESSAGE, BODY), "/sig-hashchain.xml"), ORDINARY, "malformed_hash_chain"),
    "result without a file": (result_of(step(MESSAGE, BODY), "#STEP0"), ORDINARY, "malformed_hash_chain"),
    "result with a path": (result_of(step(MESSAGE, BODY), "/../x#STEP0"), ORDINARY, "malformed_hash_chain"),
    "result with an address": (result_of(step(MESSAGE, BODY), "http://x/y#STEP0"), ORDINARY, "malformed_hash_chain"),
    "another result": (result_of(OTHER), ORDINARY, "invalid_hash_chain"),
    "result by another algorithm": (
        result_of(DigestAlgorithm.SHA256.of(b"")),
        ORDINARY,
        "invalid_hash_chain",
    ),
    "unknown algorithm": (
        result_of(step(MESSAGE, BODY), method='<d:DigestMethod Algorithm="urn:x"/>'),
        ORDINARY,
        "unsupported_algorithm",
    ),
    "SHA-1": (RESULT, ORDINARY.replace(b"2001/04/xmlenc#sha512", b"2000/09/xmldsig#sha1"), "unsupported_algorithm"),
    "no digest method": (RESULT, chain_of(PARTS_XML, default=""), "malformed_hash_chain"),
    "no digest method at all": (
        result_of(step(MESSAGE, BODY), method=""),
        chain_of(default=""),
        "malformed_hash_chain",
    ),
    "no step": (RESULT, chain_of(), "malformed_hash_chain"),
    "a step twice": (RESULT, chain_of(PARTS_XML, hash_value(OTHER)).replace(b"STEP1", b"STEP0"), "malformed_hash_chain"),
    "a step without a name": (RESULT, ORDINARY.replace(b' id="STEP0"', b""), "malformed_hash_chain"),
    "a step without use": (RESULT, chain_of(PARTS_XML, hash_value(OTHER)), "malformed_hash_chain"),
    "a reference to no step": (RESULT, chain_of(step_ref("#STEP7")), "malformed_hash_chain"),
    "a reference without a step": (RESULT, chain_of(step_ref("/sig-hashchain.xml")), "malformed_hash_chain"),
    "another chain": (RESULT, chain_of(step_ref("/sig-hashchain2.xml#STEP1")), "invalid_reference"),
    "foreign data": (RESULT, chain_of(PARTS_XML + data_ref("/etc/passwd", OTHER)), "invalid_reference"),
    "a part twice": (
        result_of(step(MESSAGE, BODY, BODY)),
        chain_of(PARTS_XML + data_ref("/attachment1", BODY)),
        "malformed_hash_chain",
    ),
    "a written digest altered": (
        RESULT,
        chain_of(data_ref("/message.xml", OTHER) + data_ref("/attachment1", BODY)),
        "invalid_hash_chain_ref",
    ),
    "a part without a digest": (RESULT, chain_of('<h:DataRef URI="/message.xml"/>'), "malformed_hash_chain"),
    "a value without a digest": (RESULT, chain_of("<h:HashValue/>"), "malformed_hash_chain"),
    "a value with a name": (RESULT, chain_of('<h:HashValue URI="x"' + hash_value(OTHER)[12:]), "malformed_hash_chain"),
    "a short digest": (RESULT, chain_of(PARTS_XML.replace(b64(BODY), "AQ==")), "malformed_hash_chain"),
    "a transform": (
        RESULT,
        chain_of(PARTS_XML.replace("<d:DigestValue>", TRANSFORM + "<d:DigestValue>", 1)),
        "malformed_hash_chain",
    ),
    "an unknown element": (RESULT, chain_of(PARTS_XML + "<h:Foo/>"), "malformed_hash_chain"),
    "an unknown value": (RESULT, chain_of(hash_value(OTHER).replace("HashValue", "Foo")), "malformed_hash_chain"),
    "a value in another namespace": (RESULT, chain_of(PARTS_XML.replace("h:DataRef", "d:DataRef")), "malformed_hash_chain"),
    "text": (RESULT, chain_of(PARTS_XML + "x"), "malformed_hash_chain"),
    "a comment": (RESULT, chain_of(PARTS_XML + "<!--x-->"), "malformed_hash_chain"),
    "DOCTYPE": (RESULT, b"<!DOCTYPE x>" + ORDINARY, "malformed_hash_chain"),
    "too large": (RESULT, ORDINARY + b" " * 300_000, "malformed_hash_chain"),
}  # fmt: skip


@pytest.mark.parametrize("row", MALFORMED)
def test_refused(row: str) -> None:
    result, chain, code = MALFORMED[row]
    with pytest.raises(MalformedMessage) as e:
        verify_hash_chain(result, chain, PARTS)
    assert e.value.code == code


def test_a_step_may_carry_its_digest_if_it_is_right() -> None:
    inner = "".join(data_ref(n, d) for n, d in PARTS.items())
    make: Callable[[Digest], str] = lambda d: (  # noqa: E731
        f'<h:StepRef URI="#STEP1"><d:DigestValue>{b64(d)}</d:DigestValue></h:StepRef>'
    )
    result = result_of(step(step(MESSAGE, BODY)))
    verify_hash_chain(result, chain_of(make(step(MESSAGE, BODY)), inner), PARTS)
    with pytest.raises(MalformedMessage) as e:
        verify_hash_chain(result, chain_of(make(OTHER), inner), PARTS)
    assert e.value.code == "invalid_hash_chain_ref"


def test_an_own_digest_method_of_a_value() -> None:
    small = DigestAlgorithm.SHA256.of(b"message")
    method = f'<d:DigestMethod Algorithm="{small.algorithm.uri}"/>'
    chain = chain_of(data_ref("/message.xml", small).replace("<d:DigestValue>", method + "<d:DigestValue>"))
    verify_hash_chain(result_of(step(small)), chain, {"/message.xml": small})


def test_written_digests_of_a_broken_chain() -> None:
    with pytest.raises(MalformedMessage) as e:
        written_digests(b"<x/>")
    assert e.value.code == "malformed_hash_chain"
