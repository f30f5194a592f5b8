# SPDX-License-Identifier: Apache-2.0
"""Every module has its tests, and one knows where: `tests/PACKAGE/test_MODULE.py` (for a XEP its number is
enough), or else a line in module_map.tsv that names the test files which drive it."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.meta.sources import PACKAGE, ROOT, modules, name_of

MAP = Path(__file__).with_name("module_map.tsv")
TESTS = ROOT / "tests"


def mapped() -> dict[str, list[str]]:
    with MAP.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {row["module"]: row["tests"].split(", ") for row in rows}


def own_tests(path: Path) -> list[Path]:
    """Test files of the same package that are named after the module."""
    relative = path.relative_to(PACKAGE)
    folder = TESTS / relative.parts[0] if len(relative.parts) > 1 else TESTS
    stems = {f"test_{path.stem}"}
    if path.stem.startswith("xep_"):
        stems.add(f"test_{path.stem[:8]}")
    found = folder.rglob("test_*.py") if folder != TESTS else folder.glob("test_*.py")
    return [
        test
        for test in found
        if test.stem in stems or any(test.stem.startswith(f"{stem}_") for stem in stems)
    ]


def test_every_module_has_its_tests() -> None:
    known = mapped()
    missing = [
        name_of(path)
        for path in modules()
        if not path.stem.startswith("__") and not own_tests(path) and name_of(path) not in known
    ]
    assert missing == []


def test_the_map_is_true() -> None:
    names = {name_of(path) for path in modules()}
    for module, files in mapped().items():
        assert module in names, f"{module} is no more"
        for file in files:
            assert (ROOT / file).is_file(), f"{module}: {file} is not there"
