"""What stands in `deploy/` is true of the code: verbs, metrics, settings files and runbook sections exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from gateway.app.cli import cli
from gateway.monitoring.citizen import PortalMetrics
from gateway.monitoring.inquiries import InquiriesCollector, InquiriesReading
from gateway.monitoring.line import ExchangeLine
from gateway.monitoring.logs import LineLog
from gateway.monitoring.metrics import PrometheusObserver
from gateway.monitoring.readings import Readings, ReadingsCollector
from gateway.monitoring.transparency import LogCollector, WitnessCollector, WitnessReading
from tests.architecture.source import ROOT

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
_METRIC = re.compile(r"\bgateway_[a-z_]+")


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard_expressions() -> Iterator[str]:
    dashboard = json.loads((DEPLOY / "grafana" / "gateway.json").read_text("utf-8"))
    yield from (target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    yield from (v["query"] for v in dashboard["templating"]["list"] if v["type"] == "query")


def metrics() -> set[str]:
    """Every name that a scrape of one of our roles can show."""
    registry = CollectorRegistry()
    PrometheusObserver(registry, ExchangeLine(LineLog()))
    registry.register(ReadingsCollector(Readings()))
    registry.register(LogCollector(lambda: (), lambda: 0))
    registry.register(WitnessCollector(lambda: WitnessReading((), 0, 0)))
    registry.register(InquiriesCollector(lambda: InquiriesReading(0, 0, 0, 0.0)))
    PortalMetrics(registry)
    families = re.findall(r"(?m)^# TYPE (\S+) (\S+)$", generate_latest(registry).decode())
    more = {"histogram": ("_bucket", "_sum", "_count")}
    return {name + end for name, kind in families for end in more.get(kind, ("",))}


def test_every_metric_of_alerts_and_dashboard_is_one_of_ours() -> None:
    named = {m for text in (*(r["expr"] for r in rules()), *dashboard_expressions()) for m in _METRIC.findall(text)}
    assert len(named) > 15
    assert named - metrics() == set()


def test_every_alert_has_its_section_in_the_runbook_and_every_section_its_alert() -> None:
    sections = re.findall(r"(?m)^### (\w+)$", (DEPLOY / "RUNBOOK.md").read_text("utf-8"))
    assert sections == [rule["alert"] for rule in rules()]
    assert [rule["annotations"]["runbook"] for rule in rules()] == [f"#{name.lower()}" for name in sections]


@pytest.mark.parametrize("unit", UNITS, ids=lambda p: p.name)
def test_a_unit_starts_a_role_with_a_file_of_its_own(unit: Path) -> None:
    parser = RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit)
    verb, option, config = re.fullmatch(
        r"/opt/gateway/\.venv/bin/python -m gateway (\w+) (--config) (/etc/gateway/[\w/%]+\.yaml)",
        parser["Service"]["ExecStart"],
    ).groups()  # type: ignore[union-attr]
    commands: Any = typer.main.get_command(cli)
    assert option in {o for p in commands.commands[verb].params for o in p.opts}
    assert unit.name.partition("@")[0].removesuffix(".service") == f"gateway-{verb}"
    assert ("%i" in config) == ("@" in unit.name)
