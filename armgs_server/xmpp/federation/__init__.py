# SPDX-License-Identifier: Apache-2.0
"""Other XMPP servers: RFC 6120 between servers, XEP-0178, XEP-0220, XEP-0288.

`abroad` is what the rest of `xmpp/` knows: it takes what is for other domains and tells who may talk to
whom. `link` (queue) and `opening` (handshake) carry it out; `incoming` accepts streams, `intake` checks who
speaks on them and hands on to the ordinary routing; `presence` and `events` are what differs for contacts
who are elsewhere.
"""
