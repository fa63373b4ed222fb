"""The data tracker against its OpenAPI document: the one published for X-Road countries (beside the project), and our own.

Schemathesis, which is not ours, makes calls from the document, good and bad ones, sends them through a whole exchange, and holds
every answer to the document.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.settings.ownservices import DOCUMENTS
from gateway.storage.database import Database
from tests.support.access import add_access
from tests.support.simulator import START
from tests.support.tracker import TRACKER, tracker_world

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

PUBLISHED = Path(__file__).resolve().parents[3] / "shared/vectors/data-tracker/dumonitor-openapi.yaml"
OURS = DOCUMENTS["gateway:findUsage"]
ANH = "999300000017"
# A refusal by the exchange (whom is it about?) is X-Road's fault with 500, which the protocol has, so those checks that want 4xx
# in its place are left out.
CHECKS = "status_code_conformance,content_type_conformance,response_schema_conformance,negative_data_rejection"
_WORDS = ("description", "summary", "example", "externalDocs", "info", "tags", "title")


def published() -> dict[str, Any]:
    if not PUBLISHED.is_file():
        pytest.skip("the published OpenAPI document is not beside the project (../shared/vectors/data-tracker)")
    found: dict[str, Any] = yaml.safe_load(PUBLISHED.read_text("utf-8"))
    return found


def meaning(value: Any) -> Any:
    """A document without what is only said to people."""
    if isinstance(value, dict):
        return {k: meaning(v) for k, v in value.items() if k not in _WORDS}
    return [meaning(v) for v in value] if isinstance(value, list) else value


def test_our_document_means_the_published_one() -> None:
    assert meaning(yaml.safe_load(OURS.read_text("utf-8"))) == meaning(published())


async def test_the_document_that_is_served_means_the_published_one(database: Database) -> None:
    world = tracker_world(database)
    _, served = await world.content("/r1/VN/GOV/G01/dancu/getOpenAPI?serviceCode=findUsage")
    assert meaning(yaml.safe_load(served)) == meaning(published())


def _about_somebody_here(document: Path, copy: Path) -> Path:
    """The document says that any text is a person's number; here it names the one who has records."""
    value = yaml.safe_load(document.read_text("utf-8"))
    (user_code,) = (p for p in value["paths"]["/v2/findUsage"]["get"]["parameters"] if p["name"] == "userCode")
    user_code["schema"] = {"type": "string", "enum": [ANH], "example": ANH}
    copy.write_text(yaml.safe_dump(value, allow_unicode=True), "utf-8")
    return copy


@pytest.mark.slow
@pytest.mark.parametrize("document", [PUBLISHED, OURS], ids=["published", "ours"])
async def test_every_answer_fits_the_document(database: Database, document: Path, tmp_path: Path) -> None:
    if document == PUBLISHED:
        published()  # or skipped
    world = tracker_world(database)
    for n in range(5):
        await add_access(database.pool, ANH, START - timedelta(days=n), outcome=("granted", "refused")[n % 2])
    chosen = _about_somebody_here(document, tmp_path / "openapi.yaml")
    async with world.over_http() as server:
        command = (sys.executable, "-m", "schemathesis.cli", "run", str(chosen), "--url", server + TRACKER)
        options = ("-H", "X-Road-Client: VN/GOV/G22/dvc", "--checks", CHECKS, "--max-examples", "25", "--seed", "1")
        judge = await asyncio.create_subprocess_exec(
            *command,
            *options,
            *("--phases", "examples,coverage,fuzzing", "--generation-database", "none", "--no-color"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await judge.communicate())[0].decode()
    assert judge.returncode == 0, said
    assert {s.entry.person.number for s in world.sim.provider.log.entries} == {ANH}, said
