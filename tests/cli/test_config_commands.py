# SPDX-License-Identifier: Apache-2.0
"""`armgs config`."""

from __future__ import annotations

from tests.cli.conftest import Armgs


def test_describe_shows_defaults_or_a_file(armgs: Armgs) -> None:
    assert "port_offset = 0\n" in armgs("config", "describe").out
    file = armgs.path / "armgs.toml"
    file.write_text(file.read_text().replace("port_offset = 0", "port_offset = 4000"))
    described = armgs("config", "describe", "--config", armgs.path).out
    assert "port_offset = 4000\n" in described
    assert "argon2_passes = 1\n" in described
    file.write_text(described)
    assert armgs("config", "describe", "--config", file).out == described


def test_check(armgs: Armgs) -> None:
    file = armgs.path / "armgs.toml"
    for arguments in ((file,), (armgs.path,), ("--config", file), ()):
        good = armgs("config", "check", *arguments)
        assert (good.code, good.err) == (0, f"{file} is good\n")
    file.write_text("[server]\nport_offset = 1000000\n")
    bad = armgs("config", "check", file)
    assert bad.code == 5
    assert "server.port_offset must be at most 59000" in bad.err
    file.write_text('[smtp]\nrelay_routes = ["x"]\n')
    bad = armgs("config", "check", file)
    assert bad.code == 5
    assert "smtp.relay_routes: 'x' has no host, as in domain=host:port" in bad.err
    assert armgs("config", "check", armgs.path / "none.toml").code == 3
