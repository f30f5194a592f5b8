# SPDX-License-Identifier: Apache-2.0
"""The hosts below each served domain, listed by hand: label → what serves it."""

from __future__ import annotations

from collections.abc import Callable

from armgs_server.xmpp.server import Host, Server
from armgs_server.xmpp.xeps import xep_0045_muc, xep_0055_search, xep_0060_service, xep_0363_upload
from armgs_server.xmpp.xeps.xep_0363_upload import UploadHost

HOSTS: tuple[tuple[str, Callable[[Server], Host]], ...] = (
    (xep_0045_muc.LABEL, xep_0045_muc.Rooms),
    (xep_0055_search.LABEL, xep_0055_search.SearchHost),
    (xep_0060_service.LABEL, xep_0060_service.PubsubHost),
    (xep_0363_upload.LABEL, UploadHost),
)
