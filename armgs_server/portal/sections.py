# SPDX-License-Identifier: Apache-2.0
"""The way around on the pages of who is signed in: path, and the name of the text that stands there."""

from typing import Final

SECTIONS: Final[tuple[tuple[str, str], ...]] = (
    ("/me", "own_title"),
    ("/me/programs", "programs_title"),
    ("/me/second-factor", "second_title"),
)
