"""Answers about single certificates on disk, for a start while their responder is away. One file each, named by the certificate.

Whatever is read back is as little believed as what comes over the network: who reads verifies it again, as of when it came. That
moment is only our own word; it lets a revocation stand that is older than answers may be, and makes nothing good any fresher.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from gateway.core.documents.revocation import Link
from gateway.core.errors import MalformedMessage
from gateway.core.signing.certificates import der, parse_certificate, sha256_hex

_MOST = 256 * 1024  # bytes of a file
_TEXTS = frozenset({"came", "shown", "certificate", "issuer", "response"})


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """`came`: when; `shown`: when somebody last showed the certificate before; `response`: DER OCSPResponse, not verified."""

    link: Link
    came: datetime
    shown: datetime
    response: bytes = field(repr=False)


class KeptAnswers:
    """`directory`: made when missing. What the disk does not give back is not there; what it does not give up is verified again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keep(self, answer: KeptAnswer) -> None:
        """Instead of the one before; OSError. If we crash here the old file stands: it is verified again when it is read."""
        self._directory.mkdir(parents=True, exist_ok=True)
        file = self._file(sha256_hex(answer.link[0]))
        new = file.with_suffix(".new")
        new.write_bytes(print_kept(answer))
        os.replace(new, file)

    def recall(self) -> Iterator[KeptAnswer]:
        """All that can be read; what cannot be is removed."""
        for file in sorted(self._directory.glob("*.ocsp")):
            try:
                found = parse_kept(file.read_bytes())
            except (MalformedMessage, OSError):
                found = None
            if found is not None and sha256_hex(found.link[0]) == file.stem:
                yield found
            else:
                self.forget(file.stem)

    def forget(self, certificate: str) -> None:
        """`certificate`: its SHA-256, hex."""
        with suppress(OSError):
            self._file(certificate).unlink()

    def _file(self, certificate: str) -> Path:
        return self._directory / f"{certificate}.ocsp"


def print_kept(answer: KeptAnswer) -> bytes:
    """A JSON object: moments as ISO 8601, the rest base64 of DER."""
    certificate, issuer = answer.link
    parts = {"certificate": der(certificate), "issuer": der(issuer), "response": answer.response}
    texts = {"came": answer.came.isoformat(), "shown": answer.shown.isoformat()}
    return json.dumps(texts | {name: base64.b64encode(part).decode() for name, part in parts.items()}).encode()


def parse_kept(data: bytes) -> KeptAnswer:
    """MalformedMessage for anything that `print_kept` does not write."""
    try:
        if len(data) > _MOST:
            raise ValueError("oversized")
        found: Any = json.loads(data)
        if not isinstance(found, dict) or found.keys() != _TEXTS or not all(isinstance(v, str) for v in found.values()):
            raise ValueError("not the texts of a kept answer")
        came, shown = datetime.fromisoformat(found["came"]), datetime.fromisoformat(found["shown"])
        if came.tzinfo is None or shown.tzinfo is None:
            raise ValueError("a moment without a zone")
        link = (_certificate(found["certificate"]), _certificate(found["issuer"]))
        return KeptAnswer(link, came, shown, base64.b64decode(found["response"], validate=True))
    except (ValueError, RecursionError) as e:
        raise MalformedMessage("a kept OCSP answer cannot be read") from e


def _certificate(text: str) -> x509.Certificate:
    return parse_certificate(base64.b64decode(text, validate=True))
