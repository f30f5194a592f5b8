# SPDX-License-Identifier: Apache-2.0
"""Every setting is explained, used, and in the sample configuration."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from armgs_server.config import SECTIONS, Config, describe
from tests.meta.sources import ROOT, modules


def settings() -> list[tuple[str, dataclasses.Field[object]]]:
    return [
        (f"{name}.{field.name}", field)
        for name, section in SECTIONS.items()
        for field in dataclasses.fields(section)
    ]


def test_every_setting_is_explained() -> None:
    for name, field in settings():
        doc = field.metadata["doc"]
        assert re.match(r"\S.*[.)\"]$", doc, re.DOTALL), f"{name}: {doc!r} is no sentence"


def test_every_setting_is_used() -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for path in modules()
        if path.name != "settings.py" and path.parent.name != "config"
    )
    unused = [name for name, field in settings() if not re.search(rf"\.{field.name}\b", code)]
    assert unused == []


def test_the_sample_is_what_the_settings_describe() -> None:
    """After a change: `make docs`."""
    sample = (ROOT / "etc" / "armgs.toml").read_text(encoding="utf-8")
    assert sample == describe(Config(directory=Path(".")))
