# SPDX-License-Identifier: Apache-2.0
"""Settings of administration over HTTP: the JSON API and the pages."""

from dataclasses import dataclass

from armgs_server.config.units import KIB
from armgs_server.settings import setting


@dataclass(frozen=True, slots=True)
class AdministrationSettings:
    """The JSON API at /api/ and the pages at /admin/."""

    api: bool = setting(True, doc="Serve the JSON API at /api/, for administrators.")
    pages: bool = setting(True, doc="Serve the pages of administration at /admin/.")
    body_size: int = setting(1024 * KIB, doc="Largest body of a request to the API.", minimum=4096)
    token_days: int = setting(
        90, doc="A token of a program is good for so many days where nothing else is said.", minimum=1
    )
    token_days_most: int = setting(
        366, doc="The longest that a token may be good for: one that is forgotten ends.", minimum=1
    )
    tokens: int = setting(50, doc="Tokens that one administrator has made.", minimum=1)
    preview_people: int = setting(
        2000, doc="Of so many people a preview tells what changes; others are counted.", minimum=1
    )
