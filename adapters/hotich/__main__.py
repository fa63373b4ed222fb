"""`HOTICH_SIGNER=registrar.p12 HOTICH_FACILITIES=ca.pem python -m adapters.hotich --listen 127.0.10.3:9000 --database env:NAME`

`HOTICH_SIGNER`: the registrar's PKCS#12 file; its PIN stands beside it, in the file of the same name that ends in `.pin`.
`HOTICH_FACILITIES`: PEM certificates of who vouches for health facilities, whose notices count. `ADAPTER_ROAD`: the client proxy
of our security server, through which notices are asked for and outcomes told; with the files of `adapters.sdk.tls` we speak mutual
TLS with it, both ways.
"""

import os
from dataclasses import replace
from pathlib import Path

from cryptography import x509

from adapters.hotich.legs import ROAD, agency
from adapters.hotich.notices import ask_for_notices
from adapters.hotich.service import build_adapter
from adapters.hotich.signing import load_registrar
from adapters.sdk.server import command_line, start_errors
from adapters.sdk.signedxml import trust_list
from adapters.sdk.tls import road_of


def _file(name: str) -> Path:
    if name not in os.environ:
        raise ValueError(f"the environment variable {name} is not set")
    return Path(os.environ[name])


def main() -> None:
    with start_errors("hotich"):
        registrar = load_registrar(_file("HOTICH_SIGNER"))
        facilities = x509.load_pem_x509_certificates(_file("HOTICH_FACILITIES").read_bytes())
        notices = ask_for_notices(*road_of(os.environ, ROAD), trust_list(facilities))
        legs = agency(registrar, notices).connected(os.environ)
    command_line(replace(build_adapter(registrar, notices), beside=legs.run), listen="127.0.10.3:9000")


main()
