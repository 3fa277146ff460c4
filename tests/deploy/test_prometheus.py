"""
The dashboard and the alerts ask only for what exists, and say to do only what can be done.

What promtool (of Debian's package `prometheus`) can say of them is asked where it is installed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

import console.cli.app
from api import gauges
from console.cli.shell import cli
from provisioning.lifecycle import State
from provisioning.observability.metric import KNOWN_CAUSES, OTHER, Metric
from tests.support.repository import ROOT
from worker.events import metrics

DEPLOY = ROOT / "deploy"
DASHBOARD = DEPLOY / "grafana" / "widget-provisioner.json"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
CONFIGS = tuple(DEPLOY / "prometheus" / name for name in ("prometheus.yml", "prometheus-compose.yml"))
ALERT_TESTS = Path(__file__).parent / "alerts_test.yml"

DECLARED: tuple[Metric, ...] = (*metrics.METRICS, *gauges.METRICS)
OF_EVERY_CLIENT = ("up", "process_cpu_seconds_total", "process_resident_memory_bytes")
TARGET = {"job", "instance"}
"""Labels that Prometheus itself gives to whatever it scrapes."""

VALUES = {
    "state": {str(state) for state in State},
    "cause": {*KNOWN_CAUSES, OTHER},
    "kind": {"paused", "brake", "stop_loss", "append", "rewrite", "save"},
    "scope": {"all", "batch", "credential", "target"},
    "trying": {"true", "false"},
    "certain": {"true", "false"},
    "outcome": {"created", "rejected", "denied", "misdirected", "unprocessed", "failed", "in_doubt"},
    "job": {"provision-server", "provision-worker"},
}


def _labels_of() -> dict[str, set[str]]:
    """Labels by the name of a series, as a query has it."""
    known = {name: set(TARGET) for name in OF_EVERY_CLIENT}
    for metric in DECLARED:
        labels = {*metric.labels, *TARGET}
        if metric.kind == "histogram":
            known[f"{metric.name}_bucket"] = {*labels, "le"}
            known[f"{metric.name}_count"] = known[f"{metric.name}_sum"] = labels
        else:
            known[metric.name] = labels
    return known


KNOWN = _labels_of()


def _panels() -> Iterator[dict[str, Any]]:
    yield from json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _queries() -> dict[str, str]:
    """Every query of the dashboard and the alerts, by where it stands."""
    found = {f"alert {rule['alert']}": rule["expr"] for rule in _rules()}
    for panel in _panels():
        for target in panel.get("targets", []):
            where = f"panel {panel['title']} {target['refId']}"
            found[where] = target["expr"].replace("$__rate_interval", "5m")
    return found


QUERIES = _queries()

_SERIES = re.compile(r"\b(up|(?:provision|process)_[a-z0-9_]+)\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r"([a-z_]+)\s*(=~|!~|!=|=)\s*\"([^\"]*)\"")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")


@pytest.mark.parametrize("where", QUERIES)
def test_every_query_asks_for_series_labels_and_values_that_exist(where: str) -> None:
    query = QUERIES[where]
    series = _SERIES.findall(query)
    assert series
    possible: set[str] = set()
    for name, selector in series:
        assert name in KNOWN, name
        possible |= KNOWN[name]
        for label, operator, value in _MATCHER.findall(selector):
            assert label in KNOWN[name], f"{name} has no label {label}"
            if "~" not in operator:
                assert value in VALUES[label]
            elif not value.endswith(".+"):
                assert set(value.split("|")) <= VALUES[label]
    for grouping in _GROUPING.findall(query):
        assert {label.strip() for label in grouping.split(",") if label.strip()} <= possible


def test_every_legend_and_every_sentence_names_labels_that_exist() -> None:
    labels = set().union(*KNOWN.values())
    for panel in _panels():
        for target in panel.get("targets", []):
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels, panel["title"]
    for rule in _rules():
        said = " ".join(rule["annotations"].values())
        assert set(re.findall(r"\$labels\.(\w+)", said)) <= labels, rule["alert"]


def test_what_exists_is_looked_at() -> None:
    shown = {name for query in QUERIES.values() for name, _ in _SERIES.findall(query)}
    missing = {metric.name for metric in DECLARED if metric.kind != "histogram"} - shown
    # What only gives sense to others, and is on no panel.
    assert (
        missing
        == {
            "provision_in_hand",
            "provision_next_probe_timestamp_seconds",
            "provision_ledger_batches",
        }
        | _OF_ALL_WORKERS
    )


_OF_ALL_WORKERS = {
    "provision_ledger_workers_in_flight",
    "provision_ledger_workers_in_flight_limit",
    "provision_ledger_workers_refused_share",
}
"""The dashboard has them from the workers themselves."""


@pytest.mark.parametrize("rule", _rules(), ids=lambda rule: rule["alert"])
def test_every_alert_says_what_to_do_with_commands_that_exist(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "runbook"}
    runbook = rule["annotations"]["runbook"]
    assert runbook.endswith(".")
    assert console.cli.app.VERBS
    group: Any = typer.main.get_command(cli)
    for verb in re.findall(r"\bprovision ([a-z-]+)", runbook):
        assert verb in group.commands, verb
    options = {name for command in group.commands.values() for each in command.params for name in each.opts}
    assert set(re.findall(r"--[a-z-]+", runbook)) <= options
    for page in re.findall(r"docs/[\w/-]+\.md", runbook):
        assert (ROOT / page).exists(), page


def test_every_alert_is_tried() -> None:
    tried = ALERT_TESTS.read_text(encoding="utf-8")
    for rule in _rules():
        assert re.search(rf'alertname(?:="|: ){rule["alert"]}', tried), rule["alert"]


def test_panels_are_whole_and_lie_beside_each_other() -> None:
    panels = list(_panels())
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + dx, place["y"] + dy) for dx in range(place["w"]) for dy in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        if panel["type"] != "row":
            assert panel["description"]
            assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_the_jobs_that_alerts_name_are_those_that_are_scraped(path: Path) -> None:
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {each["job_name"] for each in config["scrape_configs"]} == VALUES["job"]
    assert config["rule_files"] == [ALERTS.name]
    server = next(each for each in config["scrape_configs"] if each["job_name"] == "provision-server")
    assert "authorization" in server


# --- With promtool ---


def _promtool(*arguments: str) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_the_configuration_and_the_rules() -> None:
    _promtool("check", "rules", str(ALERTS))
    for path in CONFIGS:
        _promtool("check", "config", "--syntax-only", str(path))


def test_promtool_takes_every_query_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{n}", "expr": query} for n, query in enumerate(QUERIES.values())]
    page = tmp_path / "rules.yml"
    page.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    _promtool("check", "rules", str(page))


def test_promtool_sees_each_alert_fire_when_it_should_and_not_before() -> None:
    _promtool("test", "rules", str(ALERT_TESTS))
