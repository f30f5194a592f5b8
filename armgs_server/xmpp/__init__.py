# SPDX-License-Identifier: Apache-2.0
"""XMPP: RFC 6120 (streams), RFC 6121 (rosters, presence, messages), RFC 7622 (addresses), with clients
and, in `federation/`, with other servers (XEP-0178, 0185, 0220, 0288) and components (XEP-0114);
RFC 7395 (WebSocket), XEP-0124 and XEP-0206 (BOSH), XEP-0368 (direct TLS, port 443).

XEP-0012, 0030, 0045, 0049, 0050, 0054, 0055, 0059, 0060, 0092, 0115, 0122, 0133, 0153, 0157, 0160, 0163,
0191, 0198, 0199, 0202, 0203, 0215, 0280, 0292, 0313, 0334, 0352, 0357, 0359, 0363, 0398, 0402, 0431, 0440,
0441, 0472: one file each in `xeps/`, larger ones several.

Invariants:
- A stanza stays the bytes it came as; forwarding is a new start tag and the raw rest.
- Nothing is delivered or acknowledged before what it leaves behind is durable.
- A client's stanzas are handled in the order they came, one after another.
- A session becomes unavailable for everybody who saw it, however it ends.
"""

from __future__ import annotations

from armgs_server.config import Config
from armgs_server.service import Core, Service
from armgs_server.xmpp.service import XmppService
from armgs_server.xmpp.xeps import xep_0157_contacts, xep_0215_services


def service(core: Core) -> Service:
    """The service, for the daemon."""
    return XmppService(core)


def check(config: Config) -> None:
    """Settings whose form only this package knows: contacts, services for calls. Invalid."""
    xep_0157_contacts.check(config)
    xep_0215_services.check(config)
