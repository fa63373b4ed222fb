"""`python -m adapters.dancu --listen 127.0.10.1:9000 --database env:ADAPTER_DATABASE_URL`

`ADAPTER_ROAD`: the client proxy of our security server; with the files of `adapters.sdk.tls` we speak mutual TLS with it.
"""

import os
from dataclasses import replace

from adapters.dancu import build_adapter
from adapters.dancu.legs import AGENCY
from adapters.sdk.server import command_line, start_errors

with start_errors("dancu"):
    agency = AGENCY.connected(os.environ)
command_line(replace(build_adapter(), beside=agency.run), listen="127.0.10.1:9000")
