"""`python -m adapters.lienthong` serves; `… demo` runs both procedures through `make run`."""

import os
import sys

from adapters.lienthong import demo
from adapters.lienthong.process import build_coordinator, places_of
from adapters.sdk.server import command_line, start_errors


def main() -> None:
    if sys.argv[1:2] == ["demo"]:
        raise SystemExit(demo.main(sys.argv[2:]))
    with start_errors("lienthong"):
        coordinator = build_coordinator(places_of(os.environ))
    command_line(coordinator, listen="127.0.10.4:9000")


main()
