"""Who may import whom (gateway/README.md, "Arrows"). Whatever is not listed is forbidden."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from tests.architecture.source import Module, imports, module, modules

_SHELL = frozenset({"gateway.core", "gateway.exchange", "gateway.settings"})
_LISTENING = _SHELL | {"gateway.httpd"}
_STORED = _SHELL | {"gateway.storage"}
_ANY = frozenset({"*"})

MAY_IMPORT: dict[str, frozenset[str]] = {
    "gateway": frozenset(),
    "gateway.core": frozenset(),
    "gateway.exchange": frozenset({"gateway.core"}),
    "gateway.settings": frozenset({"gateway.core"}),
    "gateway.pages": frozenset(),
    "gateway.httpd": frozenset({"gateway.core"}),
    "gateway.clientproxy": _LISTENING,
    "gateway.serverproxy": _LISTENING,
    "gateway.transport": _SHELL,
    "gateway.signer": _SHELL,
    "gateway.confclient": _SHELL,
    "gateway.registry": _SHELL,
    "gateway.trust": _SHELL,
    "gateway.revocation": _SHELL,
    "gateway.storage": _SHELL,
    "gateway.monitoring": _SHELL,
    "gateway.messagelog": _STORED,
    "gateway.transparency": _STORED,
    "gateway.witness": _STORED,
    "gateway.ownservices": _STORED,
    "gateway.citizen": _STORED | {"gateway.pages"},
    "gateway.app": _ANY,
    "gateway.__main__": _ANY,
}
_ADAPTERS = {
    "adapters.sdk": ("gateway.core",),
    "adapters.people": ("adapters.sdk",),
    "adapters.lienthong": ("adapters.sdk", "adapters.people", "gateway.pages"),
    "adapters.dvc": ("adapters.sdk", "adapters.people", "gateway.pages"),
}
_OURS = ("gateway", "adapters", "certs", "tests")


def room_of(name: str) -> str:
    return ".".join(name.split(".")[:2])


def forbidden(m: Module, known: frozenset[str]) -> Iterator[str]:
    """Arrows of `m` that are not in the table. The root package (versions, nothing else) is everybody's."""
    for found in imports(m, known):
        if found.target.split(".")[0] not in _OURS or found.target == "gateway":
            continue
        target = room_of(found.target)
        if target == m.room or _allowed(m.room, target):
            continue
        yield f"{m.where}:{found.line}: {m.room} must not import {found.target}"


def _allowed(room: str, target: str) -> bool:
    if room.startswith("adapters."):
        return target in _ADAPTERS.get(room, ("adapters.sdk", "adapters.people"))
    if room.startswith("certs"):
        return target.startswith(("gateway.", "certs"))  # a tool that uses the rooms; nothing uses it
    allowed = MAY_IMPORT.get(room, frozenset())
    return target in allowed or ("*" in allowed and target.startswith("gateway."))


def names(found: Iterable[Module]) -> frozenset[str]:
    return frozenset(m.name for m in found)


def test_no_arrow_outside_the_table() -> None:
    known = names(modules())
    assert [problem for m in modules() for problem in forbidden(m, known)] == []


def test_every_room_is_in_the_table() -> None:
    assert {m.room for m in modules("gateway")} <= MAY_IMPORT.keys()


@pytest.mark.parametrize(
    ("importer", "line"),
    [
        ("gateway.core.digest", "import gateway.exchange.states"),
        ("gateway.core.digest", "from gateway.settings import loader"),
        ("gateway.exchange.states", "from gateway import transport"),
        ("gateway.exchange.states", "def f():\n    from gateway.storage.database import Database"),
        ("gateway.settings.loader", "from gateway.exchange.ports import Side"),
        ("gateway.transport.peers", "from ..monitoring import metrics"),
        ("gateway.signer.signer", "from gateway.storage.database import Database"),
        ("gateway.storage.database", "from gateway.messagelog.writer import MessageLogWriter"),
        ("gateway.confclient.client", "import gateway.app"),
        ("gateway.trust.authority", "import tests.support.simulator"),
        ("gateway.nobody_knows_this_room", "from gateway.core import errors"),
        ("adapters.sdk.service", "from gateway.exchange import ports"),
        ("adapters.dancu.service", "from gateway.core import errors"),
        ("adapters.dancu.service", "from adapters.bhxh import source"),
        ("adapters.dancu.service", "from gateway.pages import words"),
        ("adapters.vneid.service", "from gateway.pages import look"),
        ("gateway.pages.words", "from gateway.citizen import views"),
        ("gateway.pages.look", "from gateway.core import errors"),
        ("gateway.httpd.connection", "from gateway.exchange import ports"),
        ("gateway.transport.link", "from gateway.httpd.values import Request"),
        ("adapters.sdk.service", "from adapters.people import model"),
        ("adapters.people.model", "from adapters.dancu import source"),
    ],
)
def test_a_forbidden_arrow_is_seen(importer: str, line: str) -> None:
    known = names(modules()) | {"gateway.transport", "gateway.settings.loader", "gateway.monitoring.metrics"}
    assert list(forbidden(module(importer, line), known))


@pytest.mark.parametrize(
    ("importer", "line"),
    [
        ("gateway.messagelog.writer", "from gateway.storage.database import Database"),
        ("gateway.exchange.blame", "from gateway.core.errors import GatewayError"),
        ("gateway.app.build", "from gateway.monitoring import metrics"),
        ("gateway.transport.link", "from gateway import VERSION"),
        ("gateway.core.errors", "import lxml.etree"),
        ("adapters.sdk.service", "from gateway.core import errors"),
        ("adapters.dancu.service", "from adapters.sdk import service"),
        ("adapters.dancu.service", "from adapters.people import model"),
        ("gateway.citizen.pages", "from gateway.pages.look import Look"),
        ("gateway.clientproxy.proxy", "from gateway.httpd.values import Request"),
        ("adapters.lienthong.web.app", "from gateway.pages import look"),
    ],
)
def test_a_drawn_arrow_is_free(importer: str, line: str) -> None:
    assert list(forbidden(module(importer, line), names(modules()))) == []


def cycles(found: Iterable[Module]) -> list[list[str]]:
    """Strongly connected groups of more than one module (Tarjan)."""
    graph = {m.name: m for m in found}
    known = frozenset(graph)
    edges = {
        name: {i.target for i in imports(m, known) if i.target in known and i.target != name}
        for name, m in graph.items()
    }
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for target in edges[name]:
            if target not in index:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], index[target])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                groups.append(sorted(group))

    for name in edges:
        if name not in index:
            visit(name)
    return groups


def test_no_module_needs_itself_through_others() -> None:
    assert cycles(modules()) == []


def test_a_cycle_is_seen() -> None:
    made_up = [module("x.a", "import x.b"), module("x.b", "from x import c"), module("x.c", "def f():\n    import x.a")]
    assert cycles(made_up) == [["x.a", "x.b", "x.c"]]
    assert cycles(made_up[:2]) == []


def test_nothing_is_imported_for_the_type_checker_only() -> None:
    """Needing TYPE_CHECKING means that an arrow points the wrong way."""
    assert [m.where for m in modules() if "TYPE_CHECKING" in m.text] == []
