"""`HOTICH_SIGNER=registrar.p12 HOTICH_FACILITIES=ca.pem python -m adapters.hotich --listen 127.0.10.3:9000 --database env:NAME`

`HOTICH_SIGNER`: the registrar's PKCS#12 file; its PIN stands beside it, in the file of the same name that ends in `.pin`.
`HOTICH_FACILITIES`: PEM certificates of who vouches for health facilities, whose notices count. `HOTICH_ROAD`: the client proxy
of our security server, through which notices are asked for.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

from cryptography import x509

from adapters.hotich.legs import ROAD, agency
from adapters.hotich.notices import ask_for_notices
from adapters.hotich.service import build_adapter
from adapters.hotich.signing import load_registrar
from adapters.sdk.server import command_line
from adapters.sdk.signedxml import trust_list


def main() -> None:
    try:
        registrar = load_registrar(Path(os.environ["HOTICH_SIGNER"]))
        facilities = x509.load_pem_x509_certificates(Path(os.environ["HOTICH_FACILITIES"]).read_bytes())
    except (KeyError, OSError, ValueError) as e:
        print(
            f"python -m adapters.hotich: HOTICH_SIGNER or HOTICH_FACILITIES is not as it should be: {e}",
            file=sys.stderr,
        )
        raise SystemExit(2) from e
    notices = ask_for_notices(os.environ.get("HOTICH_ROAD", ROAD), trust_list(facilities))
    adapter = build_adapter(registrar, notices)
    command_line(replace(adapter, beside=agency(registrar, notices).run), listen="127.0.10.3:9000")


main()
