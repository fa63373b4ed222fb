"""`python -m adapters.bhxh --listen 127.0.10.2:9000 --database env:ADAPTER_DATABASE_URL`"""

from dataclasses import replace

from adapters.bhxh.legs import AGENCY
from adapters.bhxh.service import build_adapter
from adapters.sdk.server import command_line

command_line(replace(build_adapter(), beside=AGENCY.run), listen="127.0.10.2:9000")
