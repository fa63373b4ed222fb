"""A return needs a reason of the list and its legal reference; nothing of the message is kept that is not in the list."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.content.returns import ReturnReason, ReturnRule
from gateway.core.subjects.pointer import FromPointer

RULE = ReturnRule(
    FromPointer("/outcome"),
    ("returned",),
    FromPointer("/reason/code"),
    FromPointer("/reason/legal_reference"),
    {"MISMATCH": ReturnReason(("LAW-1", "LAW-2")), "PAPER": ReturnReason(("LAW-1",), unlawful=True)},
)


def found(body: Any) -> tuple[str, str, bool] | None:
    finding = RULE.examine(body if isinstance(body, bytes | None) else json.dumps(body).encode())
    assert finding is None or bool(finding.detail) is finding.refuse
    return None if finding is None else (finding.cause, finding.subject, finding.refuse)


def returned(**reason: Any) -> dict[str, Any]:
    return {"outcome": "returned", "reason": reason}


@pytest.mark.parametrize(
    "body", [{"outcome": "done"}, {"outcome": None}, {}, {"outcome": "done", "reason": {"code": ""}}]
)
def test_nothing_is_returned(body: Any) -> None:
    assert found(body) is None


@pytest.mark.parametrize(
    ("body", "result"),
    [
        (returned(code="MISMATCH", legal_reference="LAW-2", note="…"), ("good", "MISMATCH", False)),
        (returned(code=" MISMATCH ", legal_reference="LAW-1"), ("unknown", "", True)),
        (returned(code="MISMATCH", legal_reference=" LAW-1"), ("legal_reference", "MISMATCH", True)),
        (returned(code="PAPER", legal_reference="LAW-1"), ("unlawful_demand", "PAPER", False)),
        ({"outcome": "returned"}, ("empty", "", True)),
        (returned(), ("empty", "", True)),
        (returned(code=None, legal_reference="LAW-1"), ("empty", "", True)),
        (returned(code=" \n", legal_reference="LAW-1"), ("empty", "", True)),
        (returned(code="999300000017", legal_reference="LAW-1"), ("unknown", "", True)),
        (returned(code="mismatch", legal_reference="LAW-1"), ("unknown", "", True)),
        (returned(code="MISMATCH"), ("legal_reference", "MISMATCH", True)),
        (returned(code="MISMATCH", legal_reference="LAW-3"), ("legal_reference", "MISMATCH", True)),
        (returned(code="PAPER", legal_reference=""), ("legal_reference", "PAPER", True)),
        (returned(code=7), ("unreadable", "", True)),
        (
            b'{"outcome": "done", "outcome": "returned"}',
            ("unreadable", "", True),
        ),  # services take the first or the last
        (b"outcome=returned", ("unreadable", "", True)),
        (None, ("unreadable", "", True)),
    ],
)
def test_returned(body: Any, result: tuple[str, str, bool]) -> None:
    assert found(body) == result
