"""Is this certified copy what a registrar signed?

    python -m adapters.hotich.verify --authority certs/out/documents-ca.pem copy.json

`copy.json`: an answer of `POST /v1/copies` or `GET /v1/copies/{number}`; `-` reads standard input. Exit status 0 only if every
check held.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from adapters.hotich.signing import InvalidCopy, verify_copy


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m adapters.hotich.verify", description=__doc__)
    parser.add_argument("--authority", type=Path, required=True, help="PEM certificate of who vouches for registrars")
    parser.add_argument("copy", help="file, or - for standard input")
    options = parser.parse_args(arguments)
    try:
        authority = x509.load_pem_x509_certificate(options.authority.read_bytes())
        copy = json.loads(sys.stdin.buffer.read() if options.copy == "-" else Path(options.copy).read_bytes())
        document = base64.b64decode(copy["document"], validate=True)
        if hashlib.sha256(document).hexdigest() != copy["document_sha256"]:
            raise InvalidCopy("document_sha256 is not that of the document")
        signer = verify_copy(document, copy["signature"], authority, datetime.now(UTC))
    except (OSError, ValueError, KeyError, TypeError) as e:
        print(f"FAILED: {e}", file=sys.stderr)
        return 1
    print(document.decode())
    print(f"ok: signed by {signer.subject} at {signer.signed_at.isoformat()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
