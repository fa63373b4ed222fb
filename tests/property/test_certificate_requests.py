"""Any bytes are a proved certificate request, or one of the two errors."""

from __future__ import annotations

from functools import partial

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import MalformedMessage, SignatureRejected
from gateway.core.signing.algorithms import sign_der
from gateway.core.signing.requests import build_request, parse_request, request_algorithm
from tests.unit.trust.pki import sign_subject

KEY = ec.generate_private_key(ec.SECP256R1())
PEM = build_request(
    sign_subject(), KEY.public_key(), partial(sign_der, KEY, request_algorithm(KEY.public_key())), ["a.example.vn"]
)
DER = x509.load_pem_x509_csr(PEM).public_bytes(Encoding.DER)


def attempt(data: bytes) -> None:
    try:
        request = parse_request(data)
    except (MalformedMessage, SignatureRejected):
        return
    assert request.public_key == KEY.public_key()  # nobody finds a signature of another key by chance
    assert request.subject == sign_subject()


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300), st.text(max_size=60).map(lambda s: b"-----BEGIN " + s.encode("utf-8", "replace"))
    )
)
def test_any_bytes(data: bytes) -> None:
    attempt(data)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([PEM, DER]), st.data())
def test_near_requests(good: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 40)))
    piece = data.draw(st.one_of(st.binary(max_size=8), st.just(b"\x30\x80" * 300)))
    attempt(good[:start] + piece + good[end:])
