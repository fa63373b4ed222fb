"""`HOTICH_SIGNER=registrar.p12 python -m adapters.hotich --listen 127.0.10.3:9000 --database env:ADAPTER_DATABASE_URL`

`HOTICH_SIGNER`: the registrar's PKCS#12 file; its PIN stands beside it, in the file of the same name that ends in `.pin`.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

from adapters.hotich.legs import agency
from adapters.hotich.service import build_adapter
from adapters.hotich.signing import load_registrar
from adapters.sdk.server import command_line


def main() -> None:
    try:
        registrar = load_registrar(Path(os.environ["HOTICH_SIGNER"]))
    except (KeyError, OSError, ValueError) as e:
        print(f"python -m adapters.hotich: HOTICH_SIGNER does not give the registrar's key: {e}", file=sys.stderr)
        raise SystemExit(2) from e
    command_line(replace(build_adapter(registrar), beside=agency(registrar).run), listen="127.0.10.3:9000")


main()
