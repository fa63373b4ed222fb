"""A tiny adapter: what the framework needs and nothing about citizens."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

from adapters.sdk import Adapter, Call, Endpoint, JsonObject, NotFound, Pool

OPENAPI = """
    openapi: 3.0.3
    info: {title: toy, version: 1.0.0}
    paths:
      /v1/things/{name}:
        get:
          parameters:
            - {name: name, in: path, required: true, schema: {type: string, maxLength: 20}}
            - {name: most, in: query, schema: {type: integer, minimum: 1, maximum: 9}}
          responses: {}
      /v1/things:
        post:
          requestBody:
            content:
              application/json:
                schema:
                  type: object
                  additionalProperties: false
                  required: [name]
                  properties:
                    name: {type: string, minLength: 1, maxLength: 100000}
                    day: {type: string, format: date}
          responses: {}
"""
MANIFEST = """
    name: toy
    title: Toy
    owner: GOV/T01
    service: VN/GOV/T01/toy/things
    synthetic: true
    endpoints:
      GET /v1/things/{name}: {action: {vi: đọc, en: read}, subjects: none}
      POST /v1/things: {action: {vi: ghi, en: write}, subjects: none}
"""
SCHEMA = "--- 1: things\ncreate table thing (name text);\n"


async def read(call: Call) -> JsonObject:
    match call.path["name"]:
        case "missing":
            raise NotFound("no such thing")
        case "broken":
            raise RuntimeError("Key (id)=(999300000017) already exists")
        case "down":
            raise ConnectionRefusedError("999300000017")
        case name:
            client = None if call.road.client is None else str(call.road.client)
            return {"name": name, "most": call.query.get("most"), "client": client, "user": call.road.user_id}


async def write(call: Call) -> JsonObject:
    return {"length": len(call.body["name"]), "day": str(call.body.get("day"))}


class HealthyPool:
    async def fetchval(self, _: str) -> int:
        return 1


def endpoints(_: Pool) -> Sequence[Endpoint]:
    return (Endpoint("GET", "/v1/things/{name}", read), Endpoint("POST", "/v1/things", write))


def toy(folder: Path, *, openapi: str = OPENAPI, manifest: str = MANIFEST, schema: str = SCHEMA) -> Adapter:
    for name, text in (("openapi.yaml", openapi), ("manifest.yaml", manifest), ("schema.sql", schema)):
        (folder / name).write_text(dedent(text), "utf-8")
    return Adapter(name="toy", folder=folder, endpoints=endpoints)


def impatient(adapter: Adapter) -> Adapter:
    return replace(adapter, body_seconds=0.01)
