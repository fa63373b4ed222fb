"""Documents from strangers: any bytes give a verdict or the one error, and no altered byte is ever the same document."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.content.document import DocumentRule
from gateway.core.content.finding import Policy
from gateway.core.content.returns import ReturnCause
from gateway.core.documents.causes import Cause, DocumentRejected
from gateway.core.documents.reading import read_document
from gateway.core.documents.revocation import KnownRevocations
from gateway.core.documents.verify import verify_document
from gateway.core.errors import MalformedMessage
from gateway.core.subjects.pointer import FromPointer
from gateway.revocation.kept import KeptAnswer, parse_kept, print_kept
from tests.support.documents import OLDEST, Documents
from tests.unit.core.content.test_returns import RULE as RETURNS

WORLD = Documents()
GOOD = WORLD.signed()
_SNIPPETS = st.sampled_from(
    [b"<", b">", b"&", b"<!--", b"<?x?>", b"<ds:Signature/>", b' Id="p1"', b"\x00", b"\xff", b"]]>", b" "]
)


def cause(document: bytes) -> Cause:
    try:
        verify_document(document, WORLD.trust, at=WORLD.now, oldest=OLDEST)
    except DocumentRejected as e:
        return e.cause
    return Cause.GOOD


@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda tail: b"<n>" + tail + b"</n>"))
@example(b"<\xff>")
def test_any_bytes(data: bytes) -> None:
    assert cause(data) in (Cause.MALFORMED, Cause.UNSIGNED, Cause.FORM, Cause.WRAPPED)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 4), st.binary(max_size=4) | _SNIPPETS)
def test_an_altered_document_is_refused_or_is_the_same(at: int, length: int, instead: bytes) -> None:
    """What may change: white space in tags and the certificate's surroundings; the canonical form of what was signed may not."""
    altered = GOOD[:at] + instead + GOOD[at + length :]
    if cause(altered) is Cause.GOOD:
        assert delivered(altered) == delivered(GOOD)


def delivered(document: bytes) -> tuple[str, ...]:
    """All that the document says, in order, without its signature."""
    root = read_document(document)
    said: list[str] = []
    for element in root.iter():
        if "xmldsig" in str(element.tag) or "SigningTime" in str(element.tag):
            continue
        said += (str(element.tag), element.text or "", *(f"{k!s}={v!s}" for k, v in sorted(element.attrib.items())))
    return tuple(said)


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.text(max_size=5) | st.integers(), lambda x: st.lists(x, max_size=3)).map(
        lambda document: json.dumps({"outcome": "returned", "document": document, "reason": document}).encode()
    )
)
def test_any_message_that_may_return_a_dossier(body: bytes) -> None:
    found = RETURNS.examine(body)
    assert found is None or ReturnCause(found.cause) in ReturnCause
    rule = DocumentRule(Policy.OBSERVE, FromPointer("/document"), WORLD.trust, 1000, OLDEST)
    assert rule.examine(body, WORLD.now, KnownRevocations()).refuse is False


KEPT = print_kept(KeptAnswer((WORLD.signer.certificate, WORLD.pki.ca.certificate), WORLD.now, WORLD.now, b"response"))


@given(
    st.binary(max_size=100)
    | st.tuples(st.integers(0, len(KEPT) - 1), st.binary(max_size=3)).map(
        lambda cut: KEPT[: cut[0]] + cut[1] + KEPT[cut[0] + 1 :]
    )
)
@example(KEPT)
@example(b"[" * 100_000)
def test_any_bytes_on_disk_are_a_kept_answer_or_none(data: bytes) -> None:
    try:
        found = parse_kept(data)
    except MalformedMessage:
        assert data != KEPT
        return
    assert parse_kept(print_kept(found)) == found
