"""Framing: any bytes and any chunking. What the encoder writes comes back byte for byte, however the network cut it."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.errors import MalformedMessage
from gateway.core.framing.transport import (
    HASH_CHAIN,
    HASH_CHAIN_RESULT,
    OCSP,
    REST_BODY,
    REST_REQUEST,
    REST_RESPONSE,
    SIGNATURE,
    AttachmentData,
    Direction,
    Event,
    FramingLimits,
    TransportDecoder,
    TransportEncoder,
    TransportMessage,
    parse_boundary,
)
from gateway.core.framing.whole import take_apart

B = "xtopB"
SOAP = (
    b"--xtopB\r\ncontent-type: text/xml; charset=UTF-8\r\nContent-ID: <a>\r\n\r\n<x/>\r\n--xtopB\r\ncontent-type: multipart/mixed;"
    b" charset=UTF-8; boundary=xattB\r\n\r\n\r\n--xattB\r\nA: 1\r\n\r\none\r\n--xattB\r\n\r\n\r\n\r\n--xattB--\r\n\r\n--xtopB\r\n"
    b"content-type: signature/bdoc-1.0/ts\r\n\r\ns\r\n--xtopB--\r\n"
)
# Contents made of what delimiters are made of.
content = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b"--", b"-", b"xtop", b"--xatt", b"\r\n\r\n", b"a", b"--xtopA"]), max_size=8
).map(b"".join) | st.binary(max_size=60)


def cut(data: bytes, points: list[int]) -> list[bytes]:
    edges = [0, *sorted(point % (len(data) + 1) for point in points), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def run(pieces: list[bytes], direction: Direction) -> tuple[list[Event], TransportMessage | str]:
    """Events with neighbouring data joined, and the message or the code of the refusal."""
    decoder = TransportDecoder(B, direction)
    events: list[Event] = []
    try:
        for piece in pieces:
            for event in decoder.feed(piece):
                if isinstance(event, AttachmentData) and events and isinstance(events[-1], AttachmentData):
                    events[-1] = AttachmentData(events[-1].data + event.data)
                else:
                    events.append(event)
        return events, decoder.close()
    except MalformedMessage as e:
        return [], e.code


points = st.lists(st.integers(0, 10_000), max_size=12)


@given(content, st.none() | content, st.lists(content, max_size=3), st.booleans(), points)
def test_encoded_message_comes_back_in_any_chunking(
    part: bytes, body: bytes | None, ocsp: list[bytes], chain: bool, at: list[int]
) -> None:
    parts = [(OCSP, data) for data in ocsp] + [(REST_REQUEST, part)]
    parts += [(REST_BODY, body)] if body is not None else []
    parts += [(HASH_CHAIN_RESULT, part), (HASH_CHAIN, part + b"\r")] if chain else []
    encoder = TransportEncoder(B)
    data = b"".join(encoder.part(*p) for p in [*parts, (SIGNATURE, b"\n" + part)]) + encoder.close()
    events, message = run(cut(data, at), Direction.REQUEST)
    assert isinstance(message, TransportMessage)
    assert (message.part, message.ocsp, message.signature) == (part, tuple(ocsp), b"\n" + part)
    assert (message.hash_chain_result, message.hash_chain) == ((part, part + b"\r") if chain else (None, None))
    assert b"".join(e.data for e in events if isinstance(e, AttachmentData)) == (body or b"")
    assert message.attachments == (body is not None)


@given(points, st.integers(0, len(SOAP)), st.integers(0, 6), content, st.sampled_from(Direction))
def test_chunking_changes_nothing(at: list[int], start: int, cut_out: int, put_in: bytes, direction: Direction) -> None:
    """Also for damaged messages: refused whole means refused in pieces, with the same code."""
    data = SOAP[:start] + put_in + SOAP[start + cut_out :]
    whole = run([data], direction)
    assert run(cut(data, at), direction) == whole
    assert run([data[i : i + 1] for i in range(len(data))], direction) == whole


@given(st.lists(st.binary(max_size=60), max_size=6), st.sampled_from(Direction))
@example([b"--xtopB--\r\n"], Direction.RESPONSE)
def test_any_bytes(pieces: list[bytes], direction: Direction) -> None:
    run([b"--xtopB\r\n", *pieces], direction)
    run(pieces, direction)


@given(st.text(max_size=60) | st.text('multipart/mixed; boundary="xA,', max_size=60).map("multipart/mixed;".__add__))
def test_any_content_type(text: str) -> None:
    with suppress(MalformedMessage):
        TransportEncoder(parse_boundary(text))


TYPES = (OCSP, REST_REQUEST, REST_RESPONSE, REST_BODY, HASH_CHAIN_RESULT, HASH_CHAIN, SIGNATURE, "text/xml")
USUAL = st.builds(
    lambda ocsp, direction, body, chain: [
        *((OCSP, b"o" * n) for n in range(ocsp)),
        (REST_REQUEST if direction is Direction.REQUEST else REST_RESPONSE, b"m"),
        *([(REST_BODY, body)] if body is not None else []),
        *([(HASH_CHAIN_RESULT, b"r"), (HASH_CHAIN, b"c")] if chain else []),
        (SIGNATURE, b"s"),
    ],
    st.integers(0, 3),
    st.sampled_from(Direction),
    st.none() | content,
    st.booleans(),
)
PARTS = USUAL | st.lists(st.tuples(st.sampled_from(TYPES), content), max_size=7)
SMALL = FramingLimits(message=20, part=20, ocsp=20, ocsp_parts=2, attachments=1, body=30)


def both(data: bytes, direction: Direction, limits: FramingLimits) -> TransportMessage | None:
    """What the reader of whole messages gives, once the incremental one has given the same."""
    whole = take_apart(data, B, direction, limits)
    if whole is not None:
        decoder = TransportDecoder(B, direction, limits)
        body = b"".join(e.data for e in decoder.feed(data) if isinstance(e, AttachmentData))
        assert decoder.close() == whole.message
        assert body == (whole.body or b"")
        assert (whole.message.attachments == 1) == (whole.body is not None)
    return None if whole is None else whole.message


@given(PARTS, st.sampled_from(Direction), st.sampled_from([SMALL, FramingLimits()]))
def test_a_whole_message_reads_as_the_decoder_reads_it(
    parts: list[tuple[str, bytes]], direction: Direction, limits: FramingLimits
) -> None:
    encoder = TransportEncoder(B)
    both(b"".join(encoder.part(*p) for p in parts) + encoder.close(), direction, limits)


@given(USUAL, st.integers(0, 2000), st.integers(0, 3), content)
def test_a_changed_whole_message_reads_as_the_decoder_reads_it(
    parts: list[tuple[str, bytes]], at: int, cut_out: int, put_in: bytes
) -> None:
    encoder = TransportEncoder(B)
    data = b"".join(encoder.part(*p) for p in parts) + encoder.close()
    at %= len(data)
    both(data[:at] + put_in + data[at + cut_out :], Direction.REQUEST, FramingLimits())


@given(st.binary(max_size=200) | content, st.sampled_from(Direction))
def test_any_bytes_are_a_whole_message_or_left_to_the_decoder(data: bytes, direction: Direction) -> None:
    both(data, direction, FramingLimits())


def test_what_servers_write_is_taken_whole() -> None:
    parts = [(OCSP, b"o"), (REST_REQUEST, b"m"), (REST_BODY, b""), (HASH_CHAIN_RESULT, b"r"), (HASH_CHAIN, b"c")]
    encoder = TransportEncoder(B)
    data = b"".join(encoder.part(*p) for p in [*parts, (SIGNATURE, b"s")]) + encoder.close()
    assert both(data, Direction.REQUEST, FramingLimits()) is not None
    assert both(data, Direction.RESPONSE, FramingLimits()) is None
    assert both(data, Direction.REQUEST, FramingLimits(part=0)) is None
