# SPDX-License-Identifier: Apache-2.0
"""Settings: read, checked, described."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from armgs_server.config import SECTIONS, Config, describe, load
from armgs_server.errors import Invalid

SAMPLE = Path(__file__).parent.parent / "etc" / "armgs.toml"


def read(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "armgs.toml"
    path.write_text(text)
    return load(path)


def test_empty_file_is_all_defaults(tmp_path: Path) -> None:
    config = read(tmp_path, "")
    assert config == Config(tmp_path)
    assert config.data_dir == tmp_path / "data"


def test_values_are_taken(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        '[server]\ndomains = ["digital.example"]\nport_offset = 20000\ndata_dir = "/var/lib/armgs"\n'
        "[http]\nkeep_alive = 5\n",
    )
    assert config.server.domains == ("digital.example",)
    assert config.port(143) == 20143
    assert config.data_dir == Path("/var/lib/armgs")
    assert config.http.keep_alive == 5.0
    assert config.imap == Config(tmp_path).imap


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[sever]\n", "unknown setting sever; did you mean server?"),
        ("[server]\nport_ofset = 1\n", "unknown setting server.port_ofset; did you mean server.port_offset?"),
        ("[server]\nzzz = 1\n", "unknown setting server.zzz"),
        ("server = 1\n", "[server] must be a table"),
        ("[server]\nport_offset = -1\n", "server.port_offset must be at least 0, not -1"),
        ("[server]\nport_offset = 60000\n", "server.port_offset must be at most 59000, not 60000"),
        ('[server]\nport_offset = "1"\n', 'server.port_offset must be a whole number, not "1"'),
        ("[server]\nworkers = true\n", "server.workers must be a whole number, not true"),
        ("[server]\ndomains = [1]\n", "server.domains must be a list of text values"),
        ('[server]\ndomains = ["A.example"]\n', "server.domains: 'A.example' is no domain in lower case"),
        ("[server]\nlisten = []\n", "server.listen names no address"),
        ('[server]\nproxy_hosts = ["10.0.0.1/8"]\n', "server.proxy_hosts: 10.0.0.1/8 has host bits set"),
        (
            '[http]\nforwarding_hosts = ["balancer"]\n',
            "http.forwarding_hosts: 'balancer' does not appear to be an IPv4 or IPv6 network",
        ),
        ("[http]\nkeep_alive = 0\n", "http.keep_alive must be at least 0.1, not 0.0"),
        ("[security]\nallow_plaintext = 1\n", "security.allow_plaintext must be true or false, not 1"),
        ('[log]\nlevel = "all"\n', 'log.level must be one of debug, info, warning, error, not "all"'),
        (
            '[log]\ntrace = ["imap", "ldap"]\n',
            'log.trace must be one of smtp, imap, pop3, xmpp, xmpp-server, http, not "ldap"',
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        read(tmp_path, text)
    assert caught.value.text == f"{tmp_path / 'armgs.toml'}: {message}"


def test_no_file_and_no_toml(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="No such file"):
        load(tmp_path / "none.toml")
    with pytest.raises(Invalid, match=r"armgs\.toml: .*line 1"):
        read(tmp_path, "[server\n")


def test_description_reads_back_as_it_was(tmp_path: Path) -> None:
    config = read(
        tmp_path, '[server]\ndomains = ["digital.example"]\nhostname = "a\\"b"\n[log]\ntrace = ["imap"]\n'
    )
    assert read(tmp_path, describe(config)) == config


def test_sample_is_generated() -> None:
    assert SAMPLE.read_text() == describe(Config(Path("."))), "run `make docs`"


def test_every_setting_says_what_it_is() -> None:
    for name, section in SECTIONS.items():
        for field in dataclasses.fields(section):
            assert len(field.metadata["doc"]) > 8, f"{name}.{field.name}"
