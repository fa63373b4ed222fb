"""What `make run` starts, all in one process: `config/demo.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from gateway.settings.common import ExistingFile, Listen, Strict
from gateway.settings.loader import load
from gateway.settings.names import Piece
from gateway.settings.server import DatabaseSettings


class AdapterSettings(Strict):
    """`name`: the package below `adapters`; `environment`: variables that the adapter wants, no secrets."""

    name: Annotated[Piece, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    listen: Listen
    database: DatabaseSettings | None = None
    environment: dict[Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")], str] = Field(default_factory=dict)


class DemoSettings(Strict):
    trust: ExistingFile
    registry: ExistingFile
    servers: Annotated[tuple[ExistingFile, ...], Field(min_length=1)]
    adapters: tuple[AdapterSettings, ...] = ()
    transparency: ExistingFile | None = None
    witnesses: tuple[ExistingFile, ...] = ()
    citizen: ExistingFile | None = None


def load_demo(path: Path, *, files: bool = True) -> DemoSettings:
    """SettingsError holds every problem. `files`: False does not look at the files that the settings name."""
    return load(path, DemoSettings, files=files)
