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
    preview_people: int = setting(
        2000, doc="Of so many people a preview tells what changes; others are counted.", minimum=1
    )
