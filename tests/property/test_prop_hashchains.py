"""Hash chains of X-Road's usual form are judged without a parser: the judgement is the parser's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.digest import Digest, sha512
from gateway.core.errors import MalformedMessage
from gateway.core.signing.hashchain import HashChain, build_hash_chain, build_hash_chains, part_names, verify_hash_chain


@dataclass(frozen=True)
class Received:
    chain: HashChain
    parts: Mapping[str, Digest]


def _other_prefixes(document: bytes) -> bytes:
    """As another process of X-Road lays it out."""
    for old, new in (
        (b'xmlns="http://www.w3.org/2000/09/xmldsig#" xmlns:ns2="http://cyber.ee/hashchain"', b"@"),
        (b"ns2:", b"$"),
        (b"<Digest", b"<ns2:Digest"),
        (b"</Digest", b"</ns2:Digest"),
        (b"$", b""),
        (b"@", b'xmlns="http://cyber.ee/hashchain" xmlns:ns2="http://www.w3.org/2000/09/xmldsig#"'),
    ):
        document = document.replace(old, new)
    return document


@st.composite
def received(draw: st.DrawFn) -> Received:
    bodies = draw(st.lists(st.integers(0, 2), min_size=2, max_size=20))
    messages = [
        (sha512(b"%d" % n), tuple(sha512(b"%d of %d" % (b, n)) for b in range(count))) for n, count in enumerate(bodies)
    ]
    n = draw(st.integers(0, len(messages) - 1))
    message, rest = messages[n]
    alone = draw(st.booleans()) and rest
    chain = build_hash_chain(message, rest) if alone else build_hash_chains(messages)[n]
    if draw(st.booleans()):
        chain = HashChain(_other_prefixes(chain.result), _other_prefixes(chain.chain))
    return Received(chain, dict(zip(part_names(len(rest)), (message, *rest), strict=True)))


def _refusal(result: bytes, chain: bytes, parts: Mapping[str, Digest]) -> str | None:
    try:
        verify_hash_chain(result, chain, parts)
    except MalformedMessage as e:
        return e.code
    return None


@settings(max_examples=60, deadline=None)
@given(received())
def test_whatever_is_written_is_accepted_in_either_layout(message: Received) -> None:
    assert _refusal(message.chain.result, message.chain.chain, message.parts) is None
    assert _refusal(message.chain.result, message.chain.chain + b"\n", message.parts) is None  # by the parser


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_what_was_altered_is_judged_as_the_parser_judges_it(data: st.DataObject) -> None:
    message = data.draw(received())
    chain = bytearray(message.chain.chain)
    result = bytearray(message.chain.result)
    altered = data.draw(st.sampled_from([chain, result]))
    at = data.draw(st.integers(0, len(altered) - 1))
    altered[at : at + data.draw(st.integers(0, 3))] = data.draw(
        st.one_of(st.binary(max_size=3), st.sampled_from([b"A", b"=", b" ", b"<", b"\n"]))
    )
    told = _refusal(bytes(result), bytes(chain), message.parts)
    assert told == _refusal(bytes(result), bytes(chain) + b"\n", message.parts)


@settings(max_examples=60, deadline=None)
@given(received(), received())
def test_a_chain_leads_from_its_own_message_only(one: Received, other: Received) -> None:
    if one.parts != other.parts:
        assert _refusal(one.chain.result, one.chain.chain, other.parts) is not None
