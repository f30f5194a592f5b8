# SPDX-License-Identifier: Apache-2.0
"""What holds for every source file: licence, docstring, size, nothing left for later, no private paths."""

from __future__ import annotations

import ast
import re
import subprocess

import pytest

from tests.meta.sources import ROOT, modules

FILE_LINES = 300
FUNCTION_LINES = 60
_LATER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")  # in this file they are the pattern itself
_OUTSIDE = re.compile(r"/work/|NotImplementedError")


def tracked(*suffixes: str) -> list[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: what belongs to the project is not known")
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=60,
    )
    names = listed.stdout.decode().split("\0")
    return [name for name in names if name.endswith(suffixes) and (ROOT / name).is_file()]


def test_every_source_file_has_its_licence_and_docstring() -> None:
    for name in tracked(".py"):
        text = (ROOT / name).read_text(encoding="utf-8")
        if not text:
            continue
        assert text.startswith("# SPDX-License-Identifier: Apache-2.0\n"), name
        if not name.endswith("__init__.py"):
            assert ast.get_docstring(ast.parse(text)), f"{name} has no docstring"


def test_files_and_functions_are_short() -> None:
    long = []
    for path in modules():
        text = path.read_text(encoding="utf-8")
        lines = text.count("\n")
        if lines > FILE_LINES:
            long.append(f"{path.relative_to(ROOT)}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {length} lines")
    assert long == []


def test_no_exception_is_raised_twice() -> None:
    """A module's own instance would keep the frames of everybody it was raised for."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name) and node.exc.id.isupper()
    ]
    assert found == []


def test_waits_are_bounded_by_timeout() -> None:
    """On Python 3.11 asyncio.wait_for() loses a cancellation that comes just when the wait is over."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and ast.unparse(node) == "asyncio.wait_for")
        or (isinstance(node, ast.ImportFrom) and any(alias.name == "wait_for" for alias in node.names))
    ]
    assert found == []


def test_nothing_is_left_for_later() -> None:
    found = [
        f"{name}:{number}"
        for name in tracked(".py", ".sql", ".html", ".md", ".toml", "Makefile")
        if name != "tests/meta/test_sources.py"
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1)
        if _LATER.search(line) or _OUTSIDE.search(line)
    ]
    assert found == []
