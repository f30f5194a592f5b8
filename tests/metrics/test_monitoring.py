# SPDX-License-Identifier: Apache-2.0
"""etc/alerts.yml and etc/grafana-dashboard.json: Prometheus accepts the rules, they fire when they should,
and nothing is asked for that is not told."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from armgs_server.measures import BOUNDS
from armgs_server.metrics.exposition import expose
from armgs_server.metrics.snapshot import Snapshot
from tests.metrics.test_exposition import values

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "etc" / "alerts.yml"
DASHBOARD = ROOT / "etc" / "grafana-dashboard.json"
COUNTS = [1] * (len(BOUNDS) + 1)
EVERYTHING = Snapshot(
    counts={
        "connections\timaps": 1,
        "accepted\timaps": 1,
        "refused\timaps": 1,
        "logins\timap\tok": 1,
        "bus_messages": 1,
        "http_failures": 1,
    },
    timings={key: (COUNTS, 1.0) for key in ("imap\tFETCH", "store\twrite", "loop\tlag")},
    latest=dict.fromkeys(
        ("queue_messages", "queue_held", "queue_oldest_seconds", "certificate_seconds"), 1.0
    ),
    resident=[1],
)


def told() -> set[str]:
    return {key[0] for key in values(expose(EVERYTHING))}


def asked(text: str) -> set[str]:
    return set(re.findall(r"\barmgs_[a-z_]+", text))


def test_alerts_ask_for_what_is_told() -> None:
    expressions = "\n".join(re.findall(r"expr: (?:>-\n)?(.*?)\n\s+(?:for|labels):", ALERTS.read_text(), re.S))
    assert len(asked(expressions)) >= 8
    assert asked(expressions) <= told()


def test_every_alert_says_what_to_do() -> None:
    text = ALERTS.read_text()
    assert text.count("- alert: ") == text.count("action: ") == text.count("summary: ")


def test_the_dashboard_shows_what_is_told() -> None:
    board = json.loads(DASHBOARD.read_text())
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        for target in panel["targets"]:
            assert asked(target["expr"])
            assert asked(target["expr"]) <= told(), panel["title"]
            assert target["expr"].count("(") == target["expr"].count(")")


def test_prometheus_agrees(debian: Callable[..., None], tmp_path: Path) -> None:
    """promtool on the rules, on a page of figures, and on a day that goes wrong."""
    debian("prometheus")
    promtool = shutil.which("promtool")
    assert promtool is not None
    for path in (ALERTS, Path(__file__).with_name("alerts_test.yml")):
        shutil.copy(path, tmp_path)

    def run(*arguments: str, stdin: bytes = b"") -> str:
        done = subprocess.run(
            [promtool, *arguments], input=stdin, cwd=tmp_path, capture_output=True, timeout=100, check=False
        )
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == 0, said
        return said

    run("check", "rules", "alerts.yml")
    run("test", "rules", "alerts_test.yml")
    assert run("check", "metrics", stdin=expose(EVERYTHING)) == ""


@pytest.mark.parametrize("expression", ["histogram_quantile", "increase", "rate"])
def test_rates_are_taken_of_counters_only(expression: str) -> None:
    for metric in re.findall(rf"{expression}\((?:[^()]*\()*?(armgs_[a-z_]+)", ALERTS.read_text()):
        assert metric.endswith(("_total", "_bucket", "_count", "_sum"))
