"""`python -m adapters.yte --listen 127.0.10.4:9018 --database env:ADAPTER_DATABASE_URL`"""

from dataclasses import replace

from adapters.sdk.server import command_line
from adapters.yte import build_adapter
from adapters.yte.openings import send_openings

command_line(replace(build_adapter(), beside=send_openings), listen="127.0.10.4:9018")
