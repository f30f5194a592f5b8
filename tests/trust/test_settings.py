# SPDX-License-Identifier: Apache-2.0
"""Settings of trust that are wrong are named before the daemon runs with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from armgs_server import config, trust
from armgs_server.errors import Invalid


def load(path: Path, **values: Any) -> config.Config:
    return config.parse({"trust": values}, path)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"rspamd": "localhost"}, "trust.rspamd"),
        ({"rspamd_controller": "a:b"}, "trust.rspamd_controller"),
        ({"clamav": "/run/clamd.ctl"}, "trust.clamav"),
        ({"milters": ["127.0.0.1:11332", "nonsense"]}, "trust.milters"),
        ({"trusted_networks": ["10.0.0.1/8"]}, "trust.trusted_networks"),
        ({"own_domains": "believe"}, "trust.own_domains"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, values: dict[str, Any], name: str) -> None:
    with pytest.raises(Invalid, match=name):
        trust.check(load(tmp_path, **values))


def test_right_settings(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        rspamd="127.0.0.1:11333",
        rspamd_controller="[::1]:11334",
        clamav="unix:/run/clamav/clamd.ctl",
        milters=["filter.example:1", "unix:/run/x"],
    )
    trust.check(settings)
    assert settings.trust.milters == ("filter.example:1", "unix:/run/x")
