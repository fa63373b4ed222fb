"""Each accepted exchange made again by our own encoder, with the captured identifiers, time, certificate, OCSP answers, boundary.

What may differ is what a private key or the layout of XML decides: the signature value, white space, line breaks in base64,
namespace prefixes. Everything else is equal, down to the digest of the signed properties.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from lxml import etree

from gateway.core.digest import sha512
from gateway.core.framing.transport import REST_REQUEST, REST_RESPONSE, TransportMessage
from gateway.core.identifiers import MemberId
from gateway.core.messages.rest import parse_request
from gateway.core.signing.xades import SigningCredential, draft_signature, parse_signature
from gateway.exchange.states import LoggedRequest, SignedParts
from gateway.exchange.wire import frame
from gateway.transport.peer_message import encode_request
from gateway.transport.spool import Spool
from tests.interop.test_live_messages import ANSWERED, LIVE, RESPONSES, REST_REQUESTS, decode, load, name
from tests.support.http_raw import RawHttp

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not LIVE.is_dir(), reason="the folder shared/vectors beside the checkout is absent"),
]

MESSAGES = sorted({*REST_REQUESTS, *(RESPONSES[path] for path in ANSWERED)})
NS = {"ds": "http://www.w3.org/2000/09/xmldsig#", "hc": "http://cyber.ee/hashchain"}
MASKED = f"{{{NS['ds']}}}SignatureValue"
# Signed in another way than ours, on purpose: over a batch of messages, over the parts without a chain, over not all parts.
OTHERWISE = ("batch", "direct-references", "body-not-covered-response")


def is_batch(message: TransportMessage) -> bool:
    """More steps than one, or a chain although there is no body: several messages under one signature."""
    return message.hash_chain is not None and (message.hash_chain.count(b"HashStep id=") > 1 or not message.attachments)


ALONE = [p for p in MESSAGES if not any(o in p.name for o in OTHERWISE) and not is_batch(decode(load(p))[0])]
REAL_SIDES = {("wire", "request"), ("wire", "response"), ("to-consumer", "request"), ("to-provider", "response")}
REAL = [p for p in ALONE if (p.parent.name, p.stem.rpartition("-")[2]) in REAL_SIDES]


def infoset(xml: bytes) -> Any:
    """Names, attributes and text without layout; the signature value masked."""

    def value(element: etree._Element) -> Any:
        text = "" if element.tag == MASKED else re.sub(r"\s+", "", element.text or "")
        return element.tag, sorted(element.items()), text, [value(child) for child in element]

    return value(etree.fromstring(xml))


def made_again(message: TransportMessage, bodies: list[bytes]) -> SignedParts:
    """Signed at the captured time by the captured certificate; the value itself is a key's, so it is the captured one."""
    assert message.signature is not None
    captured = parse_signature(message.signature)
    credential = SigningCredential(
        MemberId("DEV", "COM", "any"), captured.certificate, captured.algorithm, (), captured.ocsp
    )
    draft = draft_signature(sha512(message.part), [sha512(b) for b in bodies], credential, captured.signing_time)
    body = None
    if bodies:
        sink = Spool(above=2**20, limit=2**20)
        sink.write(bodies[0])
        body = sink.finish()
    signature = draft.complete(captured.value)
    return SignedParts(message.part, body, signature, draft.hash_chain_result, draft.hash_chain)


def test_most_of_the_captures_are_comparable() -> None:
    assert (len(ALONE), len(REAL)) == (80, 42)


@pytest.mark.parametrize("path", ALONE, ids=name)
def test_the_signature_differs_only_in_its_value(path: Path) -> None:
    message, bodies = decode(load(path))
    again = made_again(message, bodies)
    assert message.signature is not None
    signature = again.signature
    if again.hash_chain_result is not None and message.hash_chain_result is not None and path not in REAL:
        # laid out in another way by its maker, so the signed bytes are others; that it says the same is the next test
        ours, theirs = (b64encode(sha512(r).value) for r in (again.hash_chain_result, message.hash_chain_result))
        assert signature.count(ours) == 1
        signature = signature.replace(ours, theirs)
    assert infoset(signature) == infoset(message.signature)
    assert parse_signature(again.signature).signed_properties == parse_signature(message.signature).signed_properties


@pytest.mark.parametrize("path", ALONE, ids=name)
def test_the_hash_chain_says_the_same(path: Path) -> None:
    message, bodies = decode(load(path))
    again = made_again(message, bodies)
    assert (again.hash_chain is None) is (message.hash_chain is None)
    if again.hash_chain is not None and message.hash_chain is not None:
        assert again.hash_chain_result is not None
        assert message.hash_chain_result is not None
        assert infoset(again.hash_chain) == infoset(message.hash_chain)
        assert infoset(again.hash_chain_result) == infoset(message.hash_chain_result)


@pytest.mark.parametrize("path", REAL, ids=name)
def test_what_real_servers_wrote_is_written_byte_for_byte(path: Path) -> None:
    """Chain documents, framing, order and heads of the parts; the signature's layout alone is ours."""
    http = load(path)
    message, bodies = decode(http)
    again = replace(made_again(message, bodies), signature=message.signature or b"")
    request = http.start_line.startswith("POST ")
    boundary = http.headers["content-type"].partition("boundary=")[2]
    framed = frame(again, REST_REQUEST if request else REST_RESPONSE, boundary, message.ocsp)
    assert framed.inline == http.body
    assert framed.content_type == http.headers["content-type"]


HEADS = [p for p in REAL if p.name.endswith("-request.bin")]
APACHE = {"User-Agent", "Accept-Encoding"}  # what the library of a real consumer adds by itself


def lines_of(head: bytes) -> list[str]:
    return head.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")


@pytest.mark.parametrize("path", HEADS, ids=name)
def test_the_http_head_of_a_request(path: Path) -> None:
    http: RawHttp = load(path)
    message, bodies = decode(http)
    request = parse_request(message.part)
    signed = SimpleNamespace(received=SimpleNamespace(request=request), parts=made_again(message, bodies))
    address, _, port = http.headers["host"].partition(":")
    head, _ = encode_request(cast("LoggedRequest", SimpleNamespace(signed=signed)), message.ocsp, address, int(port))
    captured = [line for line in lines_of(path.read_bytes()) if line.partition(":")[0] not in APACHE]
    assert [masked(line) for line in lines_of(head)] == [masked(line) for line in captured]


def masked(line: str) -> str:
    return re.sub(r"boundary=xtop[A-Za-z]{30}$|^(x-proxy-version): 7\.8\.\d+(-SNAPSHOT-\w+)?$", r"\1", line)
