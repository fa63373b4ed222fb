"""The adapter that `adapters/README.md` writes is built from its text and called."""

import importlib.util
import io
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from adapters.sdk import Adapter, bootstrap, build_app
from adapters.sdk.access import adapter_log

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


def test_every_adapter_is_in_the_map() -> None:
    folders = {path.name for path in ADAPTERS.iterdir() if (path / "__init__.py").exists()}
    assert folders == set(re.findall(r"^\| `([a-z]+)/`", README, re.MULTILINE))
