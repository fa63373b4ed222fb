"""The service `inquiries` against its OpenAPI document: Schemathesis, which is not ours, makes calls from it, good and bad ones,
sends them through a whole exchange, and holds every answer to the document."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
import yaml

from gateway.settings.ownservices import DOCUMENTS
from gateway.storage.database import Database
from tests.support.tracker import tracker_world
from tests.unit.ownservices.test_inquiries import ANH, PURPOSE, SERVICE, deliver, inquiry

pytestmark = [pytest.mark.slow, pytest.mark.interop, pytest.mark.timeout(300)]

# What the exchange refuses (whom is it about?) is X-Road's fault with 500, so those checks that want 4xx in its place are left out.
CHECKS = "status_code_conformance,content_type_conformance,response_schema_conformance"


def _about_somebody_here(document: Path, copy: Path) -> Path:
    """The document says that any text is a person's number and any service the one asked; here they are those that exist."""
    value = yaml.safe_load(document.read_text("utf-8"))
    schemas = value["components"]["schemas"]
    schemas["Person"]["properties"] = {"kind": {"enum": ["vn-personal-number"]}, "number": {"enum": [ANH]}}
    schemas["Inquiry"]["properties"]["record"]["properties"]["service"] = {"enum": ["VN/GOV/G01/dancu/person"]}
    copy.write_text(yaml.safe_dump(value, allow_unicode=True), "utf-8")
    return copy


async def test_every_answer_fits_the_document(database: Database, tmp_path: Path) -> None:
    world = tracker_world(database)
    assert (await deliver(world, inquiry()))[0] == 201
    (listed,) = await world.box.store.listed(answered=False)
    assert await world.box.store.reply(listed.id, "Đã xem") is not None
    chosen = _about_somebody_here(DOCUMENTS["gateway:inquiries"], tmp_path / "openapi.yaml")
    async with world.over_http() as server:
        address = server + SERVICE.removesuffix("/v1")
        command = (sys.executable, "-m", "schemathesis.cli", "run", str(chosen), "--url", address)
        stated = ("-H", "X-Road-Client: VN/GOV/G22/dvc", "-H", ": ".join(PURPOSE))
        judge = await asyncio.create_subprocess_exec(
            *command,
            *stated,
            *("--checks", CHECKS, "--max-examples", "25", "--seed", "1", "--no-color"),
            *("--phases", "examples,coverage,fuzzing", "--generation-database", "none"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await judge.communicate())[0].decode()
    assert judge.returncode == 0, said
    assert len(await world.box.store.listed(answered=True)) > 1, said  # good ones were taken
    assert {s.entry.person.number for s in world.sim.provider.log.entries} == {ANH}, said
