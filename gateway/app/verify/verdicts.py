"""What a verification of files says: printed step by step, or as JSON; the status is 0 only when every step held."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.core.messagelog.steps import Step


@dataclass(frozen=True, slots=True)
class Verdict:
    """About one thing that was verified. `facts`: more about it, for `--json`."""

    what: str
    steps: tuple[Step, ...]
    facts: dict[str, Any]

    @property
    def ok(self) -> bool:
        return bool(self.steps) and all(step.ok for step in self.steps)


def report(verdicts: Sequence[Verdict], *, as_json: bool) -> int:
    """Print them; the exit status."""
    ok = bool(verdicts) and all(verdict.ok for verdict in verdicts)
    if as_json:
        print(json.dumps({"ok": ok, "verified": [_json(v) for v in verdicts]}, ensure_ascii=False, indent=2))
        return 0 if ok else 1
    for verdict in verdicts:
        print(verdict.what)
        for step in verdict.steps:
            print(f"  {step.number}. {'ok    ' if step.ok else 'FAILED'}  {step.what}")
    if not verdicts:
        print("there is nothing to verify")
        return 1
    print(f"{len(verdicts)} verified: {'every step held' if ok else 'NOT every step held'}")
    return 0 if ok else 1


def _json(verdict: Verdict) -> dict[str, Any]:
    steps = [{"step": s.number, "ok": s.ok, "what": s.what, "code": s.code} for s in verdict.steps]
    return {"what": verdict.what, "ok": verdict.ok, **verdict.facts, "steps": steps}
