"""`python -m adapters.dvc --listen 127.0.10.4:9022 --database env:ADAPTER_DATABASE_URL`"""

from adapters.dvc import build_adapter
from adapters.sdk.server import command_line

command_line(build_adapter(), listen="127.0.10.4:9022")
