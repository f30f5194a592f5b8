# SPDX-License-Identifier: Apache-2.0
"""`armgs converse install`: only the package that its makers have published."""

from __future__ import annotations

from tests.cli.conftest import Armgs


def test_another_file_is_refused(armgs: Armgs) -> None:
    wrong = armgs.path / "converse.js-14.0.0.tgz"
    wrong.write_bytes(b"something else")
    refused = armgs("converse", "install", wrong, armgs.path)
    assert refused.code != 0
    assert "is not converse.js-14.0.0.tgz as its makers published it" in refused.err
    assert not (armgs.path / "data" / "converse").exists()


def test_a_file_that_is_not_there(armgs: Armgs) -> None:
    refused = armgs("converse", "install", armgs.path / "nothing.tgz", armgs.path)
    assert refused.code != 0
    assert "No such file" in refused.err
