"""`python -m adapters.bhxh --listen 127.0.10.2:9000 --database env:ADAPTER_DATABASE_URL`

`ADAPTER_ROAD`: the client proxy of our security server; with the files of `adapters.sdk.tls` we speak mutual TLS with it.
"""

import os
from dataclasses import replace

from adapters.bhxh.legs import AGENCY
from adapters.bhxh.service import build_adapter
from adapters.sdk.server import command_line, start_errors

with start_errors("bhxh"):
    agency = AGENCY.connected(os.environ)
command_line(replace(build_adapter(), beside=agency.run), listen="127.0.10.2:9000")
