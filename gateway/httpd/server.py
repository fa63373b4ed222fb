"""A port: makes connections, and ends them in good order."""

from __future__ import annotations

import asyncio

from gateway.httpd.connection import Connection, ConnectionCount, Port
from gateway.httpd.values import Handler


class HttpServer:
    """Call it for each accepted connection, as `loop.create_server` does. `tasks`: must outlive `stop`."""

    def __init__(self, handler: Handler, tasks: asyncio.TaskGroup, count: ConnectionCount | None = None) -> None:
        self._port = Port(handler, tasks, count)

    def __call__(self) -> Connection:
        return Connection(self._port)

    async def stop(self, grace: float) -> None:
        """No further requests; `grace` seconds for those under way, then they are cancelled."""
        await asyncio.sleep(0)  # what is here already is begun
        port = self._port
        port.stopping = True
        for connection in tuple(port.served):
            connection.stop()
        if port.served:
            _, late = await asyncio.wait(port.served.values(), timeout=grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=grace)
