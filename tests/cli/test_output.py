# SPDX-License-Identifier: Apache-2.0
"""Tables for people, JSON for programs, bars only where somebody looks."""

from __future__ import annotations

import json
import time

import pytest

from armgs_server.cli.output import Bar, print_record, print_records, print_table


def test_a_table_is_never_cut_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 500
    print_table("", ("name", "value"), [("длинное", long), (None, 3)], "below")
    out = capsys.readouterr().out
    assert long in out
    assert "длинное" in out
    assert "None" not in out
    assert out.rstrip().endswith("below")


def test_markup_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("", ("name",), [("[red]x[/red] :smile:",)])
    assert "[red]x[/red] :smile:" in capsys.readouterr().out


def test_json_is_utf_8_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    records = [{"name": "Имя", "hidden": 1}]
    print_records(True, "", records, ("name",))
    out = capsys.readouterr().out
    assert json.loads(out) == records
    assert "Имя" in out
    print_records(False, "", records, ("name",))
    assert "hidden" not in capsys.readouterr().out
    print_record(False, {"list": ["a", "b"]})
    assert "a, b" in capsys.readouterr().out


def test_no_bar_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar("Working", 10) as bar:
        bar._begin = time.monotonic() - 60
        bar.advance(10)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_a_bar_on_a_terminal_after_a_second(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with Bar("Working", 10) as bar:
        bar.advance()
        assert capsys.readouterr().err == ""
        bar._begin = time.monotonic() - 60
        bar.advance()
        bar.advance()
    captured = capsys.readouterr()
    assert "Working" in captured.err
    assert captured.out == ""
