# SPDX-License-Identifier: Apache-2.0
"""The start page, the files with which clients set themselves up, and the pages of who is signed in.

draft-ietf-mailmaint-autoconfig (Thunderbird's config-v1.1.xml), XEP-0156 (host-meta), RFC 6415,
Apple's configuration profile. Nothing needs script. Pages without sign-in follow from the request and the
configuration, an invitation's (XEP-0401) from its token, a link's from its file: nothing there tells whether
an address exists. What is somebody's own stands behind the sign-in (signin.py).
"""

from armgs_server.portal.app import Portal
from armgs_server.service import Core, Service


def service(core: Core) -> Service:
    """The start page as the daemon mounts it."""
    return Portal(core)
