"""`python -m adapters.dancu --listen 127.0.10.1:9000 --database env:ADAPTER_DATABASE_URL`"""

from adapters.dancu import build_adapter
from adapters.sdk.server import command_line

command_line(build_adapter(), listen="127.0.10.1:9000")
