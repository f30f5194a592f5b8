# SPDX-License-Identifier: Apache-2.0
"""rules/sieve/machine.py and its extensions: tests of the language answered, one message, one run."""

from __future__ import annotations

import pytest

from tests.rules.sieve import cases
from tests.rules.sieve.running import Office, filed


@pytest.mark.parametrize(
    ("which", "required"),
    [
        (cases.COMMON, cases.REQUIRED),
        (cases.OURS, (*cases.REQUIRED, *cases.REQUIRED_OF_OURS)),
    ],
)
async def test_the_tests_of_the_language(
    office: Office, which: tuple[tuple[bool, str], ...], required: tuple[str, ...]
) -> None:
    outcome = await office.outcome(cases.script(which, required))
    assert cases.differences(which, set(filed(outcome)["INBOX"])) == []
