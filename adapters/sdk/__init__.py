"""The small framework under every adapter. Rule: an adapter author writes SQL, a document and plain handlers, nothing else.

problems.py    the one error family of adapters, printed as RFC 9457 problem+json
road.py        typed X-Road headers of a call (all optional: `curl` needs none)
schema.py      JSON schema of the OpenAPI document -> validator; the document is the only description there is
document.py    openapi.yaml -> operations
manifest.py    manifest.yaml: whom each endpoint is about, for which purposes; held against the document
contract.py    manifest -> the gateway's service contract (`python -m adapters.sdk.contract`)
effects.py     what changes something happens once for each idempotency key
web.py         Adapter, Endpoint, Effect, Prepared, Call; build_app: the aiohttp application
access.py      one structured log line a call, without anything about a person
sources/       records that are elsewhere: another table, a CSV file, a REST or SOAP service
xmltree.py, signedxml.py   XML of others: made a tree, judged by its signature, with the gateway's own rules
identity.py    our side of the identity provider, for adapters with pages for people
tls.py         mutual TLS with the security server, both ways
testkit.py     for tests: an adapter over real HTTP, each answer held against its document
postgres.py    pool, numbered SQL, where the connection parameters come from
seeding.py     invented records into an empty database, once
server.py      serve (until cancelled), run (command line)
"""

from adapters.sdk.postgres import Connection, Pool, bootstrap, open_pool
from adapters.sdk.problems import Conflict, InvalidIdentifier, MalformedCall, NotFound, Problem, Refused
from adapters.sdk.road import RepresentedParty, RoadHeaders
from adapters.sdk.schema import DefinitionError
from adapters.sdk.seeding import Rows, copy_rows, seed_once
from adapters.sdk.server import run, serve
from adapters.sdk.web import Adapter, Call, Effect, Endpoint, JsonObject, Prepared, build_app

__all__ = [
    "Adapter",
    "Call",
    "Conflict",
    "Connection",
    "DefinitionError",
    "Effect",
    "Endpoint",
    "InvalidIdentifier",
    "JsonObject",
    "MalformedCall",
    "NotFound",
    "Pool",
    "Prepared",
    "Problem",
    "Refused",
    "RepresentedParty",
    "RoadHeaders",
    "Rows",
    "bootstrap",
    "build_app",
    "copy_rows",
    "open_pool",
    "run",
    "seed_once",
    "serve",
]
