# SPDX-License-Identifier: Apache-2.0
"""`armgs init` makes a workplace in an empty place, whole or not at all."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

from armgs_server.cli.init import settings_text
from armgs_server.config import load
from tests.cli.conftest import Armgs


def test_a_new_workplace(run: Armgs) -> None:
    made = run(
        "init",
        run.path,
        *("--domain", "digital.example", "--domain", "Finance.Example"),
        *("--hostname", "mail.digital.example", "--port-offset", "1000", "--json"),
    )
    assert made.code == 0
    assert made.json["domains"] == ["digital.example", "finance.example"]
    config = load(run.path / "armgs.toml")
    assert config.server.domains == ("digital.example", "finance.example")
    assert config.server.hostname == "mail.digital.example"
    assert config.port(993) == 1993
    assert config.security.allow_plaintext is False
    ssl.create_default_context(cafile=made.json["ca"])
    for secret in (
        run.path / "armgs.toml",
        config.data_dir,
        run.path / "tls" / "ca.key",
        run.path / "tls" / "server.key",
    ):
        assert stat.S_IMODE(secret.stat().st_mode) & 0o077 == 0

    listed = run("user", "list", "--json")
    assert (listed.code, listed.json) == (0, [])


def test_settings_may_be_added_at_the_end(run: Armgs) -> None:
    """Nothing that init writes stands in the way of a section that an administrator adds."""
    assert run("init", run.path, "--domain", "digital.example").code == 0
    file = run.path / "armgs.toml"
    file.write_text(file.read_text() + "[security]\nallow_plaintext = true\n")
    assert load(file).security.allow_plaintext is True


def test_an_existing_workplace_is_left_alone(armgs: Armgs) -> None:
    before = (armgs.path / "armgs.toml").read_text()
    again = armgs("init", armgs.path, "--domain", "other.example")
    assert again.code == 4
    assert "exists already" in again.err
    assert (armgs.path / "armgs.toml").read_text() == before


def test_a_folder_with_data_is_left_alone(run: Armgs) -> None:
    (run.path / "tls").mkdir(parents=True)
    key = run.path / "tls" / "server.key"
    key.write_text("precious")
    assert run("init", run.path, "--domain", "digital.example").code == 4
    assert key.read_text() == "precious"
    assert sorted(child.name for child in run.path.iterdir()) == ["tls"]


def test_a_wrong_domain_leaves_nothing(run: Armgs) -> None:
    refused = run("init", run.path, "--domain", "digital example")
    assert refused.code == 5
    assert not run.path.exists()


def test_a_failure_in_the_middle_leaves_nothing(run: Armgs) -> None:
    for store, code in (("mysql://x", 2), ("postgresql://armgs@/armgs?host=/nowhere", 2)):
        refused = run("init", run.path, "--domain", "digital.example", "--store", store)
        assert refused.code == code
        assert not run.path.exists()


def test_a_domain_is_needed(run: Armgs) -> None:
    refused = run("init", run.path)
    assert refused.code == 2
    assert "--domain" in refused.err


def test_settings_text_reads_back(tmp_path: Path) -> None:
    file = tmp_path / "armgs.toml"
    file.write_text(settings_text({"server": {"domains": ["a.example"], "port_offset": 7}}))
    config = load(file)
    assert (config.server.domains, config.server.port_offset) == (("a.example",), 7)
