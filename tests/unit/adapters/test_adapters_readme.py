"""The adapter that `adapters/README.md` writes is built from its text and called."""

import asyncio
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer, unused_port

from adapters.sdk import Adapter, bootstrap, build_app
from adapters.sdk.access import adapter_log
from adapters.sdk.manifest import load_manifest
from adapters.sdk.testkit import key_of, served
from gateway.settings.contracts import load_contract
from gateway.settings.openapi import openapi_endpoints

ADAPTERS = Path(__file__).parents[3] / "adapters"
README = (ADAPTERS / "README.md").read_text("utf-8")
FILES = dict(re.findall(r"\*\*`adapters/library/([a-z_.]+)`\*\*.*?```[a-z]+\n(.*?)```", README, re.DOTALL))


@pytest.fixture
def library(tmp_path: Path) -> Adapter:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, "utf-8")
    spec = importlib.util.spec_from_file_location("library_service", tmp_path / "service.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    adapter: Adapter = module.LIBRARY
    return adapter


def test_all_five_files_are_there() -> None:
    assert sorted(FILES) == ["__main__.py", "manifest.yaml", "openapi.yaml", "schema.sql", "service.py"]


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [
        ("TV-0001", 200, {"number": "TV-0001", "valid_until": "2027-01-31"}),
        ("TV-0002", 404, "not_found"),
        ("TV-1", 422, "invalid_identifier"),
    ],
)
async def test_it_answers(library: Adapter, source_pool: Any, number: str, status: int, said: Any) -> None:
    await bootstrap(source_pool, library.name, FILES["schema.sql"])
    app = build_app(library, source_pool, adapter_log("library", io.StringIO()))
    async with TestClient(TestServer(app)) as client, client.get(f"/v1/cards/{number}") as answer:
        found = await answer.json(content_type=None)
        assert (answer.status, found if status == 200 else found["code"]) == (status, said)


async def test_a_renewal_comes_once(library: Adapter, source_pool: Any) -> None:
    async with served(library, source_pool) as cards:
        path = "/v1/cards/TV-0001/renewals"
        for _ in range(2):
            async with cards.client.post(
                path, json={"until": "2028-01-31"}, headers={"Idempotency-Key": key_of(1)}
            ) as a:
                assert (a.status, (await a.json())["valid_until"]) == (201, "2028-01-31")
        async with cards.client.post(path, json={"until": "2028-01-31"}, headers={"Idempotency-Key": key_of(2)}) as a:
            assert (a.status, (await a.json(content_type=None))["code"]) == (409, "valid_longer")


def commands() -> list[str]:
    """Of the section, in its order."""
    section = README.partition("## Write one in 15 minutes")[2].partition("\n## ")[0]
    return [line for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL) for line in block.splitlines()]


@pytest.mark.slow
async def test_the_section_followed_to_the_letter(tmp_path: Path, source_parameters: dict[str, Any]) -> None:
    """In an empty folder beside the project's packages; only the port is another one, because 127.0.10.9 may be in use."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    folder = tmp_path / "adapters" / "library"
    folder.mkdir(parents=True)
    for name in ("adapters/__init__.py", "adapters/sdk", "adapters/people", "gateway"):
        (tmp_path / name).symlink_to(ADAPTERS.parent / name)
    shutil.copytree(ADAPTERS.parent / "config" / "codes", tmp_path / "config" / "codes")
    (tmp_path / "config" / "contracts").mkdir()
    address = f"127.0.0.1:{unused_port()}"
    for name, text in FILES.items():
        (folder / name).write_text(text.replace("127.0.10.9:9000", address), "utf-8")
    start, read, renew, contract = (line.replace("127.0.10.9:9000", address) for line in commands())
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ADAPTER_DATABASE_URL": json.dumps(source_parameters),
    }

    async def said(command: str) -> str:
        process = await asyncio.create_subprocess_shell(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE)
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, command
        return out.decode()

    process = await asyncio.create_subprocess_shell(
        f"exec {start}", cwd=tmp_path, env=environment, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 60) == f"READY http://{address}\n".encode()
        assert json.loads(await said(read)) == {"number": "TV-0001", "valid_until": "2027-01-31"}
        renewed = await said(renew)
        assert json.loads(renewed)["valid_until"] == "2028-01-31"
        assert await said(renew) == renewed
        assert json.loads(await said(read))["valid_until"] == "2028-01-31"
    finally:
        process.terminate()
        await process.wait()
    await said(contract)
    endpoints = openapi_endpoints(folder / "openapi.yaml")
    printed = tmp_path / "config/contracts/library-cards.yaml"
    printed.write_text(printed.read_text("utf-8").replace("config/codes", str(tmp_path / "config/codes")), "utf-8")
    assert len(load_contract(printed, "VN/GOV/G16/library/cards", endpoints).endpoints) == 2


@pytest.mark.parametrize("name", ["dancu", "bhxh", "hotich"])
def test_every_curl_of_an_adapter_is_a_call_that_its_document_describes(name: str) -> None:
    """A whole instance is called with them in `tests/system/test_registers.py`."""
    manifest = load_manifest(ADAPTERS / name)
    lines = re.findall(r"(?m)^curl .*$", (ADAPTERS / name / "README.md").read_text("utf-8"))
    assert len(lines) >= 2
    for line in lines:
        path = re.search(rf"/r1/{manifest.service}(/[^ ?']*)", line)
        assert path is not None, line
        method = "POST" if "--json" in line else "GET"
        templates = [n.partition(" ")[2] for n in manifest.endpoints if n.startswith(method)]
        assert any(re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", t), path[1]) for t in templates), line


def test_every_adapter_is_in_the_map() -> None:
    folders = {path.name for path in ADAPTERS.iterdir() if (path / "__init__.py").exists()}
    assert folders == set(re.findall(r"^\| `([a-z]+)/`", README, re.MULTILINE))
