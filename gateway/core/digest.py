"""A digest and its algorithm, kept together. Core works on these; bodies stay outside."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from gateway.core.errors import MalformedMessage
from gateway.core.values import quick


class DigestAlgorithm(Enum):
    """Algorithms that may protect a message: value = XML-DSig / XML-Enc URI. SHA-1 is not one of them.

    (SHA-1 still names certificates in OCSP CertIDs and the 5577 look-up; those places hash for identification only.)
    """

    SHA224 = "http://www.w3.org/2001/04/xmldsig-more#sha224"
    SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
    SHA384 = "http://www.w3.org/2001/04/xmldsig-more#sha384"
    SHA512 = "http://www.w3.org/2001/04/xmlenc#sha512"

    uri: str
    size: int  # digest length in bytes
    raw: Callable[[bytes], hashlib._Hash]  # of `hashlib`, for whoever needs ten thousand of them

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.raw = getattr(hashlib, self.name.lower())
        self.size = self.raw(b"").digest_size

    __hash__ = object.__hash__  # Enum's own is Python code, and each digest of each message asks for it

    def of(self, data: bytes) -> Digest:
        return Digest(self, self.raw(data).digest())

    @classmethod
    def from_uri(cls, uri: str) -> DigestAlgorithm:
        """The algorithm with this URI; MalformedMessage for any other."""
        try:
            return cls(uri)
        except ValueError as e:
            raise MalformedMessage("unsupported digest algorithm", code="unsupported_algorithm") from e


@quick
@dataclass(frozen=True, slots=True)
class Digest:
    algorithm: DigestAlgorithm
    value: bytes

    def __post_init__(self) -> None:
        if len(self.value) != self.algorithm.size:
            raise MalformedMessage(f"a {self.algorithm.name} digest has {self.algorithm.size} bytes")


def sha512(data: bytes) -> Digest:
    """The digest X-Road uses for every message part (`x-hash-algorithm: SHA-512`; reference 3.9)."""
    return Digest(_SHA512, hashlib.sha512(data).digest())


_SHA512 = DigestAlgorithm.SHA512
