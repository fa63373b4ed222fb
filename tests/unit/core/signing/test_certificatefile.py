"""Certificates of a file: PEM in its order, or one in DER; any other bytes are the one error."""

from __future__ import annotations

import contextlib

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import MalformedMessage
from gateway.core.signing.certificatefile import certificates_in
from tests.support.pki import Pki

PKI = Pki()
DER = PKI.ca.der
PEM = PKI.ca.certificate.public_bytes(Encoding.PEM)


def test_one_in_der_is_what_it_is_in_pem() -> None:
    assert certificates_in(DER) == certificates_in(PEM) == [PKI.ca.certificate]


def test_several_in_pem_keep_their_order_whatever_stands_around_them() -> None:
    text = b"Bag Attributes\n" + PEM + b"# and\n" + PKI.tsa.certificate.public_bytes(Encoding.PEM)
    assert certificates_in(text) == [PKI.ca.certificate, PKI.tsa.certificate]


@pytest.mark.parametrize(
    "data",
    [b"", DER[:-1], DER + b"\0", PEM[:-40], b"-----BEGIN CERTIFICATE REQUEST-----"],
    ids=["empty", "cut", "more", "cut PEM", "request"],
)
def test_what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        certificates_in(data)


@given(
    st.binary(max_size=200)
    | st.builds(
        lambda at, byte: DER[:at] + bytes([byte]) + DER[at + 1 :], st.integers(0, len(DER) - 1), st.integers(0, 255)
    )
)
def test_any_bytes_give_certificates_or_the_one_error(data: bytes) -> None:
    with contextlib.suppress(MalformedMessage):
        assert certificates_in(data)
