"""`python -m adapters.dvc --listen 127.0.10.4:9022 --database env:ADAPTER_DATABASE_URL`, with the pages beside it (`DVC_PAGES`)."""

import os
from dataclasses import replace

from adapters.dvc import build_adapter
from adapters.dvc.web.app import Pages, places_of
from adapters.sdk.server import command_line, start_errors

with start_errors("dvc"):
    pages = Pages(places_of(os.environ))
command_line(replace(build_adapter(), beside=pages.run), listen="127.0.10.4:9022")
