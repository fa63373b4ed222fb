"""`python -m adapters.yte --listen 127.0.10.4:9018 --database env:ADAPTER_DATABASE_URL`"""

from adapters.sdk.server import command_line
from adapters.yte import build_adapter

command_line(build_adapter(), listen="127.0.10.4:9018")
