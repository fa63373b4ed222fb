"""What never gets in: long files, undocumented modules, stray tasks, loose TLS, machines' paths, private keys."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from gateway.core.errors import GatewayError
from gateway.monitoring.outcomes import OTHER, bounded_code
from tests.architecture.source import Module, calls, module, modules, nodes, project_files, text_files

_MOST_LINES = 400


def test_no_file_is_long() -> None:
    """Past 300 lines ask what the second subject is; past this there is one."""
    long = [f"{m.where}: {n}" for m in modules() if (n := m.text.count("\n")) > _MOST_LINES]
    assert long == []


def test_every_module_says_what_it_is_for() -> None:
    assert [m.where for m in modules() if not ast.get_docstring(m.tree)] == []


def stray_tasks(m: Module) -> Iterator[str]:
    """A task that no TaskGroup owns swallows its error."""
    groups = {
        ast.unparse(item.optional_vars)
        for node in nodes(m)
        if isinstance(node, ast.AsyncWith)
        for item in node.items
        if item.optional_vars is not None and ast.unparse(item.context_expr).endswith("TaskGroup()")
    }
    for called, node in calls(m):
        owner, _, method = called.rpartition(".")
        if method == "ensure_future" or (method == "create_task" and owner not in groups and not _is_group(m, owner)):
            yield f"{m.where}:{node.lineno}: {called}"


def _is_group(m: Module, owner: str) -> bool:
    """An argument or attribute annotated as TaskGroup somewhere in the module."""
    name = re.escape(owner.removeprefix("self."))
    return re.search(rf"\b{name}: (asyncio\.)?TaskGroup\b", m.text) is not None


def test_every_task_belongs_to_a_group() -> None:
    assert [problem for m in modules() for problem in stray_tasks(m)] == []


@pytest.mark.parametrize(
    "text",
    [
        "asyncio.create_task(f())",
        "asyncio.ensure_future(f())",
        "asyncio.get_running_loop().create_task(f())",
        "loop.create_task(f())",
        "async def f():\n    async with asyncio.timeout(1) as group:\n        group.create_task(g())",
    ],
)
def test_a_stray_task_is_seen(text: str) -> None:
    assert list(stray_tasks(module("x", text)))


def test_an_owned_task_is_free() -> None:
    owned = (
        "async def f(tasks: TaskGroup):\n    tasks.create_task(g())\n"
        "    async with TaskGroup() as own:\n        own.create_task(g())"
    )
    assert list(stray_tasks(module("x", owned))) == []


_LOOSE_TLS = re.compile(
    r"check_hostname|CERT_NONE|CERT_OPTIONAL|_create_unverified_context|verify=False|ssl=False|verify_ssl|TCPConnector\([^)]*ssl"
)


def test_loose_tls_stays_where_it_is_argued() -> None:
    """Every place that turns one of OpenSSL's checks off stands in the table of `transport/tls.py`."""
    found = {m.where for m in modules() if _LOOSE_TLS.search(m.text)}
    assert found <= {"gateway/transport/tls.py"}


def test_what_openssl_does_not_check_is_checked_by_us() -> None:
    """A context without OpenSSL's chain check is used only where the peer is judged right after the handshake."""
    users = {m.where for m in modules() for called, _ in calls(m) if called.rpartition(".")[2] == "peer_client_context"}
    for where in users:
        text = next(m.text for m in modules() if m.where == where)
        assert "verify(" in text, where
        assert "shown_chain" in text, where
    unchecked = {m.where for m in modules() for c, _ in calls(m) if c.rpartition(".")[2] == "unchecked_service_context"}
    assert unchecked <= {"gateway/transport/services.py"}


_MACHINE = re.compile(r"(?<![\w.:/-])/(?:" + "|".join(("work", "root", "home", "Users", "private/var")) + r")/\w")


def test_no_path_of_one_machine() -> None:
    found = [f"{name}: {hit.group(0)}" for name, text in text_files() for hit in _MACHINE.finditer(text)]
    assert found == []


_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s[\sA-Za-z0-9+/=:,-]{60}"
)  # with content: a name alone opens nothing
_KEY_FILES = {".p12", ".pfx", ".key", ".jks", ".keystore"}


def test_no_private_key_is_kept() -> None:
    assert [name for name, text in text_files() if _PRIVATE_KEY.search(text)] == []
    assert [str(p) for p in project_files() if p.suffix in _KEY_FILES] == []


def test_a_private_key_would_be_seen() -> None:
    for kind in ("", "EC ", "RSA ", "ENCRYPTED "):
        assert _PRIVATE_KEY.search(f"-----BEGIN {kind}PRIVATE" + " KEY-----\n" + "MIGH" * 16)


def test_locks_name_no_registry() -> None:
    """Where packages come from is the business of whoever installs them; what they are is fixed by their hashes."""
    for name, text in text_files():
        if name.endswith(".lock"):
            assert re.search(r"https?://|--index-url|--extra-index", re.sub(r"(?m)^\s*#.*$", "", text)) is None, name


def _codes() -> Iterator[tuple[str, str]]:
    for m in modules("gateway"):
        for called, node in calls(m):
            given = [k.value for k in node.keywords if k.arg == "code"] + (node.args[:1] if called == "Denial" else [])
            for value in given:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield f"{m.where}:{node.lineno}", value.value


def _family(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    yield kind
    for sub in kind.__subclasses__():
        yield from _family(sub)


def test_every_error_code_we_raise_has_a_name_in_the_metrics() -> None:
    own = [*_codes(), *((k.__name__, k.default_code) for k in _family(GatewayError))]
    assert len(own) > 20
    assert [f"{where}: {code}" for where, code in own if OTHER in bounded_code(code).split(".")] == []


def test_only_one_place_makes_trees_of_xml() -> None:
    """`core/xmlparser.py` has the safe options; whoever parses by himself would have to remember them."""
    makers = {"etree.XMLParser", "etree.fromstring", "etree.XML", "etree.parse", "etree.iterparse", "etree.HTMLParser"}
    found = {m.where for m in modules() for called, _ in calls(m) if called in makers}
    assert found == {"gateway/core/xmlparser.py"}
