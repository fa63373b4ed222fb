"""Each guarantee has one maker, and a skipped step does not type-check (architecture: order as types)."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, Module, calls, imports, module, modules, nodes

_VALUES = {"Moment", "InformationSystem", "SignedParts", "ServiceReply"}  # carried along; they vouch for nothing


def states() -> Module:
    return next(m for m in modules("gateway") if m.name == "gateway.exchange.states")


def table() -> dict[str, str]:
    """State -> the one file that builds it, from the table in the docstring of `states.py` (`"` repeats the file above)."""
    made: dict[str, str] = {}
    file = ""
    for line in (ast.get_docstring(states().tree, clean=False) or "").splitlines():
        if not re.match(r"  [A-Z]", line):
            continue
        named = re.search(r"\b\w+/\w+\.py\b", line)
        file = named.group(0) if named else file
        for state in re.findall(r"[A-Z]\w+", re.split(r"\s{3,}", line.strip())[0]):
            made[state] = f"gateway/{file}"
    return made


def test_the_table_names_every_state() -> None:
    classes = {
        node.name
        for node in states().tree.body
        if isinstance(node, ast.ClassDef) and any("dataclass" in ast.unparse(d) for d in node.decorator_list)
    }
    assert table().keys() == classes - _VALUES


def misbuilt(made: dict[str, str], found: Iterable[Module]) -> Iterator[str]:
    for m in found:
        for called, node in calls(m):
            state = called.rpartition(".")[2]
            if state in made and m.where != made[state]:
                yield f"{m.where}:{node.lineno}: {state} is built by {made[state]} only"


def test_each_state_is_built_in_one_module() -> None:
    assert list(misbuilt(table(), modules("gateway"))) == []
    built = {(c.rpartition(".")[2], m.where) for m in modules("gateway") for c, _ in calls(m)}
    assert [f"nobody builds {state}" for state, file in table().items() if (state, file) not in built] == []


def test_a_second_maker_is_seen() -> None:
    made = {"LoggedRequest": "gateway/messagelog/writer.py"}
    assert list(misbuilt(made, [module("gateway.app.build", "x = states.LoggedRequest(signed, 1)")]))


def test_no_state_is_forged_by_copying() -> None:
    """`dataclasses.replace` and friends would make evidence without its maker. Faults vouch for nothing."""
    forged = {"replace", "dataclasses.replace", "copy.replace", "object.__new__", "object.__setattr__"}
    rooms = {"exchange", "messagelog", "clientproxy", "serverproxy", "transport"}
    found = [
        f"{m.where}:{node.lineno}: {ast.unparse(node)}"
        for m in modules("gateway")
        if m.room.removeprefix("gateway.") in rooms
        for called, node in calls(m)
        if called in forged and not (node.args and ast.unparse(node.args[0]) == "fault")
    ]
    assert found == []


_APPENDS = {
    "append_request",
    "append_response",
    "append_authorized",
    "append_refused",
    "append_found",
    "append_failed",
    "append_reply",
}


def test_there_is_no_log_that_forgets() -> None:
    """One implementation of the message log in the gateway. The in-memory one lives in tests/support."""
    found = {
        (m.where, node.name)
        for m in modules("gateway")
        for node in nodes(m)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in _APPENDS
    }
    expected = {"gateway/exchange/ports.py", "gateway/messagelog/writer.py"}
    assert found == {(file, name) for file in expected for name in _APPENDS}


def test_only_the_exchange_knows_the_order() -> None:
    """Nobody else calls the log's appends or asks the signer for a message signature."""
    callers = {
        (m.where, called.rpartition(".")[2])
        for m in modules("gateway")
        for called, _ in calls(m)
        if called.rpartition(".")[2] in _APPENDS
    }
    assert {where for where, _ in callers} == {"gateway/exchange/client_side.py", "gateway/exchange/server_side.py"}
    drafting = {
        m.where for m in modules("gateway") for i in imports(m) if i.target.endswith("signing.xades") and _drafts(m)
    }
    assert drafting == {"gateway/exchange/batching.py", "gateway/exchange/signing.py"}


def _drafts(m: Module) -> bool:
    return any(called.rpartition(".")[2] in ("draft_signature", "draft_batch") for called, _ in calls(m))


# (file, the step's line, what a hasty hand would write in its place)
_STEPS = [
    ("client_side.py", "logged = await ports.log.append_request(signed)", "logged = signed"),
    ("client_side.py", "return await ports.log.append_response(authentic)", "return authentic"),
    ("client_side.py", "signed = await sign_request(routed, ports.signer, ports.batches)", "signed = routed"),
    ("client_side.py", "authentic = _authenticate(logged, reply, _moment(ports), ports.verdicts)", "authentic = reply"),
    (
        "server_side.py",
        "dispatchable = await ports.log.append_authorized(discloser.request(examined))  # 8, 9",
        "dispatchable = discloser.request(examined)",
    ),
    (
        "server_side.py",
        "dispatchable = await ports.log.append_authorized(discloser.request(examined))  # 8, 9",
        "dispatchable = await ports.log.append_authorized(examined)",
    ),
    ("server_side.py", "recorded = await ports.log.append_found(answered)  # 11", "recorded = answered"),
    ("server_side.py", "disclosed = await ports.disclosure.release(recorded)  # 11", "disclosed = recorded"),
    ("server_side.py", "return await ports.log.append_reply(signed)", "return signed"),
    ("server_side.py", "authentic = _authenticate(incoming, delivery.message.ocsp, ports)", "authentic = incoming"),
    ("server_side.py", "decided = _decide(authentic, conf, about)  # 6", "decided = authentic"),
    ("server_side.py", "examined = await _examine(decided, ports.revocations)  # 7", "examined = decided"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "gateway", folder / "gateway", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def type_errors(copy: Path, file: str) -> str:
    """What mypy says about one file of the copy."""
    checked = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "mypy",
                "--strict",
                "--config-file=",
                "--follow-imports=silent",
                "--no-error-summary",
            ),
            *("--ignore-missing-imports", f"--cache-dir={copy / 'cache'}", f"gateway/exchange/{file}"),
        ],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode in (0, 1), checked.stderr
    return checked.stdout


@pytest.mark.slow
@pytest.mark.parametrize("file", ["client_side.py", "server_side.py"])
def test_the_order_as_it_is_type_checks(copy: Path, file: str) -> None:
    assert type_errors(copy, file) == ""


@pytest.mark.slow
@pytest.mark.parametrize(("file", "step", "shortcut"), _STEPS)
@pytest.mark.parametrize("deleted", [True, False], ids=["deleted", "bypassed"])
def test_a_skipped_step_does_not_type_check(copy: Path, file: str, step: str, shortcut: str, *, deleted: bool) -> None:
    path = copy / "gateway" / "exchange" / file
    before = path.read_text("utf-8")
    assert before.count(step) == 1, "the step moved: adapt this table"
    try:
        path.write_text(before.replace(step, "pass" if deleted else shortcut), "utf-8")
        errors = type_errors(copy, file)
    finally:
        path.write_text(before, "utf-8")
    assert re.search(r"\[(return|name-defined|arg-type|return-value)\]", errors), errors
