"""`python -m adapters.dancu --listen 127.0.10.1:9000 --database env:ADAPTER_DATABASE_URL`"""

from dataclasses import replace

from adapters.dancu import build_adapter
from adapters.dancu.legs import AGENCY
from adapters.sdk.server import command_line

command_line(replace(build_adapter(), beside=AGENCY.run), listen="127.0.10.1:9000")
