# SPDX-License-Identifier: Apache-2.0
"""host-meta (RFC 6415) with the alternative ways to the XMPP server (XEP-0156).

It names WebSocket and BOSH addresses where they are served. They are not, so it has no links: a client
that asks learns at once that TCP is the way, instead of trying an address that nobody answers.
"""

XRD = b"""<?xml version="1.0" encoding="utf-8"?>
<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0"/>
"""
JRD = b'{"links": []}\n'
