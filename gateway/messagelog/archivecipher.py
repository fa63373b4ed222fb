"""Archives encrypted to recipients (age v1, X25519). This server can write such a file and cannot read it; who holds an identity of
one of the recipients can, with this program or with any `age`.

Inside is the archive that would have been written in clear, byte for byte. Its file has its name and `.age` behind; the chain knows
archives by their names without that, so encryption may begin, end or get other recipients in the middle of a chain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

import pyrage

from gateway.core.digest import Digest, DigestAlgorithm
from gateway.core.errors import EvidenceUnavailable, MalformedMessage

SUFFIX = ".age"
_MOST_IDENTITIES = 1000


@dataclass(frozen=True, slots=True)
class ArchiveRecipients:
    """Public keys as `age-keygen` prints them. `of_groups`: by member or subsystem in readable form, instead of `default`."""

    default: tuple[str, ...]
    of_groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, chain: str) -> tuple[str, ...]:
        """Of the archives of this group: its own, else its member's, else the default ones."""
        member = "/".join(chain.split("/")[:3])
        return self.of_groups.get(chain) or self.of_groups.get(member) or self.default


class Identities:
    """What opens archives: the text of an identity file as `age-keygen` writes it. MalformedMessage, which never repeats the text,
    when it is none."""

    def __init__(self, text: str) -> None:
        lines = [line.strip() for line in text.splitlines()]
        words = [line for line in lines if line and not line.startswith("#")]
        if not 0 < len(words) <= _MOST_IDENTITIES:
            raise MalformedMessage("no age identity in it, or too many")
        try:
            self._identities = [pyrage.x25519.Identity.from_str(word) for word in words]
        except pyrage.IdentityError as e:
            raise MalformedMessage("not an age identity file: lines AGE-SECRET-KEY-1…") from e

    def decrypt(self, source: IO[bytes], target: IO[bytes]) -> None:
        """Write the archive inside. MalformedMessage when the file is not whole, unaltered and to one of these identities; what was
        written is then nothing. OSError when `target` does not take it."""
        sink = _Sink(target)
        try:
            pyrage.decrypt_io(source, sink, self._identities)
        except (pyrage.DecryptError, OSError) as e:
            if sink.failure is not None:
                raise sink.failure from e
            raise MalformedMessage(
                "The archive cannot be decrypted: it is encrypted to somebody else, altered, or cut short",
                code="malformed_archive",
            ) from e


def encrypt(source: IO[bytes], target: IO[bytes], recipients: Sequence[str]) -> Digest:
    """Write the encrypted file; its SHA-512. EvidenceUnavailable when `target` does not take it. Memory stays flat."""
    sink = _Sink(target)
    try:
        pyrage.encrypt_io(source, sink, [pyrage.x25519.Recipient.from_str(word) for word in recipients])
    except (pyrage.EncryptError, pyrage.RecipientError, OSError) as e:
        why = type(e).__name__ if sink.failure is None else sink.failure.strerror
        raise EvidenceUnavailable(f"The archive cannot be encrypted: {why}") from e
    return Digest(DigestAlgorithm.SHA512, sink.written.digest())


class _Sink:
    """Passes on what the library writes, and keeps what it does not tell: the digest, and why it could not be written."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self.written = hashlib.sha512()
        self.failure: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            size = self._target.write(data)
        except OSError as e:
            self.failure = e
            raise
        self.written.update(data[:size])
        return size

    def flush(self) -> None:
        """Nothing waits here."""
