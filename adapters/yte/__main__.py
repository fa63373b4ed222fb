"""`python -m adapters.yte --listen 127.0.10.4:9018 --database env:ADAPTER_DATABASE_URL`

`ADAPTER_ROAD`: the client proxy of our security server; with the files of `adapters.sdk.tls` we speak mutual TLS with it.
"""

import os
from dataclasses import replace
from functools import partial

from adapters.sdk.server import command_line, start_errors
from adapters.sdk.tls import road_of
from adapters.yte import build_adapter
from adapters.yte.openings import ROAD, send_openings

with start_errors("yte"):
    road = road_of(os.environ, ROAD)
command_line(replace(build_adapter(), beside=partial(send_openings, *road)), listen="127.0.10.4:9018")
