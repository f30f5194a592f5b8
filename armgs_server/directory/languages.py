# SPDX-License-Identifier: Apache-2.0
"""In which language somebody is spoken to where no program says which one is wanted."""

from __future__ import annotations

import re
from typing import Final

from armgs_server.directory.model import Principal

_CYRILLIC: Final = re.compile("[а-яё]", re.IGNORECASE)


def is_russian(person: Principal) -> bool:
    """What the person's entry says of the language; without that, how the name is written."""
    given = person.data.get("language")
    return str(given).startswith("ru") if given else _CYRILLIC.search(person.name) is not None
