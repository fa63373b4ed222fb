"""Dân cư: the population register (Cơ sở dữ liệu quốc gia về dân cư) with invented citizens.

service.py        the endpoints            openapi.yaml   what callers are promised
verification.py   yes/no comparison        manifest.yaml  who owns it
source.py         SQL                      schema.sql     tables, in numbered steps
identifiers.py    personal numbers         seed/          the generator of citizens
"""

from collections.abc import Callable, Mapping
from typing import Any

from adapters import sdk
from adapters.dancu.service import build_adapter

__all__ = ["build_adapter", "serve"]


async def serve(
    listen_host: str, listen_port: int, dsn_kwargs: Mapping[str, Any], ready: Callable[[], None] | None = None
) -> None:
    """Fill an empty database with citizens, serve until cancelled. `dsn_kwargs`: of `asyncpg.create_pool`."""
    await sdk.serve(build_adapter(), listen_host, listen_port, dsn_kwargs, ready)
