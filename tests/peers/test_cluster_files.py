# SPDX-License-Identifier: Apache-2.0
"""etc/cluster: each file is accepted by the program it is for."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from armgs_server import config as configuration
from armgs_server.storage.blob_objects import Objects, parse_bucket
from tests import nats, seaweedfs

FOLDER = Path(__file__).parents[2] / "etc" / "cluster"
TIMEOUT = 60


def test_haproxy(debian: Callable[..., None]) -> None:
    debian("haproxy")
    command = ["/usr/sbin/haproxy", "-c", "-f", str(FOLDER / "haproxy.cfg")]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "WARNING" not in answer.stderr and "ALERT" not in answer.stderr, answer.stderr


def test_haproxy_has_every_port_but_that_of_other_mail_servers() -> None:
    text = (FOLDER / "haproxy.cfg").read_text()
    for port in (993, 143, 465, 587, 443, 80, 5222, 5223):
        assert text.count(f":{port} check") == 3, port
    assert ":25 " not in text
    assert "default-server inter 2s" in text and " send-proxy-v2 check-send-proxy\n" in text


def test_nats() -> None:
    command = [str(nats.SERVER), "-t", "-c", str(FOLDER / "nats.conf")]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert answer.returncode == 0, answer.stderr


def test_the_daemon() -> None:
    config = configuration.load(FOLDER / "armgs.toml")
    assert config.server.workers == 0
    assert len(config.server.proxy_hosts) == 2, "the balancers of haproxy.cfg"
    assert parse_bucket(config.store.blobs).bucket == "armgs"
    assert len(config.store.bus.split(",")) == 3


def test_passwords_agree() -> None:
    text = {path.name: path.read_text() for path in FOLDER.iterdir()}
    for number, files in {1: ("nats.conf", "armgs.toml"), 3: ("s3.json", "armgs.toml")}.items():
        assert all(f"change-this-{number}" in text[name] for name in files)


def test_the_identity_may_do_what_the_daemon_does(tmp_path: Path) -> None:
    data = os.urandom(70_000)
    spool = tmp_path / "spool"
    spool.write_bytes(data)
    with seaweedfs.serving(tmp_path, FOLDER / "s3.json") as server:
        objects = Objects(server.url)
        place = objects.keep(spool, hashlib.sha256(data).digest())
        assert objects.read(place, 10, 20) == data[10:20]
        assert list(objects.older(time.time() + 3600)) == [place]
        objects.remove(place)
        assert list(objects.older(time.time() + 3600)) == []


def test_patroni_keeps_what_was_acknowledged() -> None:
    yaml: Any = pytest.importorskip("yaml")
    found = yaml.safe_load((FOLDER / "patroni.yml").read_text())["bootstrap"]["dcs"]
    assert found["synchronous_mode"] is True and found["synchronous_mode_strict"] is True
    parameters = found["postgresql"]["parameters"]
    assert {parameters[name] for name in ("fsync", "full_page_writes", "synchronous_commit")} == {"on"}
