"""`python -m adapters.lienthong` serves; `… demo` runs both procedures through `make run`."""

import os
import sys

from adapters.lienthong import demo
from adapters.lienthong.process import build_coordinator, places_of
from adapters.sdk import DefinitionError
from adapters.sdk.server import command_line


def main() -> None:
    if sys.argv[1:2] == ["demo"]:
        raise SystemExit(demo.main(sys.argv[2:]))
    try:
        coordinator = build_coordinator(places_of(os.environ))
    except DefinitionError as e:
        print(f"python -m adapters.lienthong: {e}", file=sys.stderr)
        raise SystemExit(2) from e
    command_line(coordinator, listen="127.0.10.4:9000")


main()
