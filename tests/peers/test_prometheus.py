# SPDX-License-Identifier: Apache-2.0
"""Prometheus of Debian reads the figures of two workers, with our alert rules, and answers from them."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.metrics.test_site import log_in
from tests.world import World

ROOT = Path(__file__).parents[2]
CONFIG = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: armgs
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def ask(port: int, path: str, **parameters: str) -> Any:
    url = f"http://127.0.0.1:{port}{path}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(url, timeout=30) as response:
        return json.loads(response.read())["data"]


async def result(port: int, query: str) -> list[float]:
    """The values of a query, once there are any."""
    while True:
        try:
            found = await asyncio.to_thread(ask, port, "/api/v1/query", query=query)
        except OSError:  # it does not listen yet
            found = {"result": []}
        if found["result"]:
            return [float(series["value"][1]) for series in found["result"]]
        await asyncio.sleep(0.1)


@pytest.mark.peer
async def test_what_prometheus_sees(tmp_path: Path, debian: Callable[..., None]) -> None:
    debian("prometheus")
    figures, web = free_port(), free_port()
    settings = {"server": {"workers": 2}, "metrics": {"listen": (f"127.0.0.1:{figures}",)}}
    config = tmp_path / "prometheus.yml"
    config.write_text(CONFIG.format(rules=ROOT / "etc" / "alerts.yml", port=figures))
    async with World(tmp_path, process=True, settings=settings) as world:
        process = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{web}",
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            client = await log_in(world)
            async with asyncio.timeout(60):
                assert await result(web, 'up{job="armgs"} == 1') == [1.0]
                assert await result(web, "armgs_workers") == [2.0]
                assert await result(web, 'armgs_connections{listener="imap"} == 1') == [1.0]
                query = (
                    'histogram_quantile(0.99, armgs_operation_seconds_bucket{service="imap", kind="LOGIN"})'
                )
                [p99] = await result(web, query)
            assert 0 < p99 < 30
            groups = (await asyncio.to_thread(ask, web, "/api/v1/rules"))["groups"]
            rules = [rule for group in groups for rule in group["rules"]]
            assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
            client.close()
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), 60)
