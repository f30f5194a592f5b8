# SPDX-License-Identifier: Apache-2.0
"""What somebody who signs in must do before any other page: change a password that is too old, turn on a
second factor (directory.duties). There is no way around but these pages and signing out.
"""

from __future__ import annotations

from typing import Final

from armgs_server.directory import duties
from armgs_server.directory.model import Principal
from armgs_server.directory.second_factor import SecondFactor
from armgs_server.service import Core

PASSWORD: Final = ("/me/password",)
SECOND_FACTOR: Final = ("/me/second-factor", "/me/keys")
_OUT: Final = "/signout"


async def place(core: Core, person: Principal, path: str) -> str:
    """Where the person must go instead of that path, "" for nowhere else."""
    pages: tuple[str, ...] = ()
    if core.config.security.change_password and await duties.is_expired(core.directory, person):
        pages = PASSWORD
    elif await duties.needs_second_factor(core.directory, person):
        if not await SecondFactor(core.directory).is_on(person):
            pages = SECOND_FACTOR
    allowed = (*pages, _OUT)
    if not pages or any(path == each or path.startswith(f"{each}/") for each in allowed):
        return ""
    return pages[0]
