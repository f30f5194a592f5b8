# SPDX-License-Identifier: Apache-2.0
"""The start page, and the files with which clients set themselves up.

draft-ietf-mailmaint-autoconfig (Thunderbird's config-v1.1.xml), XEP-0156 (host-meta), RFC 6415,
Apple's configuration profile. No script, no cookie, no state: every answer follows from the request
and the configuration; an invitation's page (XEP-0401) asks the directory for its token, a link's page the
store for its file. Nothing here tells whether an address exists.
"""

from armgs_server.portal.app import Portal
from armgs_server.service import Core, Service


def service(core: Core) -> Service:
    """The start page as the daemon mounts it."""
    return Portal(core)
