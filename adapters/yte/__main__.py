"""`python -m adapters.yte --listen 127.0.10.4:9018 --database env:ADAPTER_DATABASE_URL`

`YTE_ROAD`: the client proxy of our security server, `https://…:8443` together with the files of `adapters.sdk.tls`.
"""

import os
import sys
from dataclasses import replace
from functools import partial

from adapters.sdk.server import command_line
from adapters.sdk.tls import tls_of
from adapters.yte import build_adapter
from adapters.yte.openings import ROAD, send_openings


def main() -> None:
    try:
        tls = tls_of(os.environ)
    except ValueError as e:
        print(f"python -m adapters.yte: {e}", file=sys.stderr)
        raise SystemExit(2) from e
    openings = partial(send_openings, os.environ.get("YTE_ROAD", ROAD), tls)
    command_line(replace(build_adapter(), beside=openings), listen="127.0.10.4:9018")


main()
