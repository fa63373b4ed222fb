"""The small framework under every adapter. Rule: an adapter author writes SQL, a document and plain handlers, nothing else.

problems.py    the one error family of adapters, printed as RFC 9457 problem+json
road.py        typed X-Road headers of a call (all optional: `curl` needs none)
schema.py      JSON schema of the OpenAPI document -> validator; the document is the only description there is
document.py    openapi.yaml and manifest.yaml -> operations
web.py         Adapter, Endpoint, Call; build_app: the aiohttp application
access.py      one structured log line a call, without anything about a person
postgres.py    pool, numbered SQL, where the connection parameters come from
server.py      serve (until cancelled), run (command line)
"""

from adapters.sdk.postgres import Connection, Pool, bootstrap, open_pool
from adapters.sdk.problems import InvalidIdentifier, MalformedCall, NotFound, Problem
from adapters.sdk.road import RepresentedParty, RoadHeaders
from adapters.sdk.schema import DefinitionError
from adapters.sdk.server import run, serve
from adapters.sdk.web import Adapter, Call, Endpoint, JsonObject, build_app

__all__ = [
    "Adapter",
    "Call",
    "Connection",
    "DefinitionError",
    "Endpoint",
    "InvalidIdentifier",
    "JsonObject",
    "MalformedCall",
    "NotFound",
    "Pool",
    "Problem",
    "RepresentedParty",
    "RoadHeaders",
    "bootstrap",
    "build_app",
    "open_pool",
    "run",
    "serve",
]
